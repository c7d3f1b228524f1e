import json

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import GateReport, RejectedRows
from components.data_gate import DataGate
from components.errors import DataError


@pytest.fixture
def gate(tmp_path):
    """Runs the gate on the anomalies of two splits, train and items."""

    def anomalies(name: str, split: str, found: anomalies_pb2.Anomalies):
        artifact = standard_artifacts.ExampleAnomalies()
        artifact.uri = str(tmp_path / name)
        artifact.split_names = artifact_utils.encode_split_names([split])
        folder = tmp_path / name / f"Split-{split}"
        folder.mkdir(parents=True)
        (folder / "SchemaDiff.pb").write_bytes(found.SerializeToString())
        return artifact

    def rejected(name: str, counts: dict[str, int]):
        artifact = RejectedRows()
        artifact.uri = str(tmp_path / name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "counts.json").write_text(json.dumps(counts))
        return artifact

    def run(train: anomalies_pb2.Anomalies, items: anomalies_pb2.Anomalies) -> None:
        report = GateReport()
        report.uri = str(tmp_path / "report")
        DataGate.test_call(
            interaction_anomalies=anomalies("interactions", "train", train),
            catalogue_anomalies=anomalies("catalogue", "items", items),
            interaction_rejected=rejected("r1", {"malformed": 3}),
            catalogue_rejected=rejected("r2", {}),
            report=report,
            fingerprint="code",
        )

    return run


def test_the_report_says_passed_when_there_are_no_anomalies(gate, tmp_path):
    gate(anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies())
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == {
        "passed": True,
        "anomalies": [],
        "rejected_interactions": {"malformed": 3},
        "rejected_items": {},
    }


def test_every_anomaly_is_listed_in_one_line_when_there_are_several(gate, tmp_path):
    train, items = anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies()
    train.anomaly_info["rating"].description = "too\nlow"
    items.anomaly_info["item_title"].short_description = "missing"
    items.dataset_anomaly_info.description = "empty"
    expected = (
        r"in 3 place\(s\): train rating: too low; items data set: empty; items item_title: missing"
    )
    with pytest.raises(DataError, match=expected) as caught:
        gate(train, items)
    assert "\n" not in str(caught.value)
    kept = json.loads((tmp_path / "report-refused" / "report.json").read_text())
    assert kept["passed"] is False
    assert kept["anomalies"][2] == {
        "split": "items",
        "feature": "item_title",
        "description": "missing",
    }
