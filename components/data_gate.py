"""DataGate: stops the run when the statistics contradict the schema."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies

from components import rejects
from components.annotations import InputArtifact, OutputArtifact, Parameter, component
from components.artifacts import GateReport, RejectedRows
from components.errors import DataError

REPORT_FILE = "report.json"
ANOMALIES_FILE = "SchemaDiff.pb"  # as ExampleValidator names it, in the folder of each split


@dataclass(frozen=True)
class Anomaly:
    """Where the data contradicts its schema; `feature` is empty for the data set as a whole."""

    split: str
    feature: str
    description: str

    def __str__(self) -> str:
        return f"{self.split} {self.feature or 'data set'}: {self.description}"


@component
def DataGate(  # noqa: N802  TFX names components like classes
    interaction_anomalies: InputArtifact[ExampleAnomalies],
    catalogue_anomalies: InputArtifact[ExampleAnomalies],
    interaction_rejected: InputArtifact[RejectedRows],
    catalogue_rejected: InputArtifact[RejectedRows],
    report: OutputArtifact[GateReport],
    fingerprint: Parameter[str],
) -> None:
    """Writes `report.json`, and stops the run if there is any anomaly.

    Args:
        interaction_anomalies: of the splits train and eval.
        catalogue_anomalies: of the split items.
        interaction_rejected: the interactions left out, for the report.
        catalogue_rejected: the items left out, for the report.
        report: receives `passed`, `anomalies` and the rejected rows by reason.
        fingerprint: of the code; in the cache's key alone.

    Raises:
        DataError: if there are anomalies; it lists them.
    """
    anomalies = read_anomalies(interaction_anomalies) + read_anomalies(catalogue_anomalies)
    content = {
        "passed": not anomalies,
        "anomalies": [asdict(anomaly) for anomaly in anomalies],
        "rejected_interactions": _read_counts(interaction_rejected.uri),
        "rejected_items": _read_counts(catalogue_rejected.uri),
    }
    write_report(report.uri, content)
    check_anomalies(anomalies, report.uri, content)


def read_anomalies(artifact: ExampleAnomalies) -> list[Anomaly]:
    """Reads what ExampleValidator found, in the order of splits and features."""
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        path = os.path.join(artifact_utils.get_split_uri([artifact], split), ANOMALIES_FILE)
        with fileio.open(path, "rb") as file:
            found += list_anomalies(split, anomalies_pb2.Anomalies.FromString(file.read()))
    return found


def list_anomalies(split: str, anomalies: anomalies_pb2.Anomalies) -> list[Anomaly]:
    """Lists the anomalies of a split, the data set's own first, then by feature."""
    found = []
    if anomalies.HasField("dataset_anomaly_info"):
        found.append(Anomaly(split, "", _describe(anomalies.dataset_anomaly_info)))
    for name, info in sorted(anomalies.anomaly_info.items()):
        found.append(Anomaly(split, name, _describe(info)))
    return found


def check_anomalies(anomalies: list[Anomaly], report_uri: str, content: dict[str, Any]) -> None:
    """Raises when there are anomalies, and then keeps the report outside the artifact.

    Args:
        anomalies: all that were found.
        report_uri: the report's folder. TFX removes it when a component fails, so a copy goes to
            a folder beside it.
        content: of the report.

    Raises:
        DataError: if there are any.
    """
    if not anomalies:
        return
    kept = write_report(f"{report_uri.rstrip('/')}-refused", content)
    listed = "; ".join(str(anomaly) for anomaly in anomalies)
    raise DataError(
        f"The data contradicts its schema in {len(anomalies)} place(s): {listed}. Report: {kept}. "
        "Mend the data, or the part of `data` in the configuration that describes it."
    )


def write_report(folder: str, content: dict[str, Any]) -> str:
    """Writes `report.json` into a folder and returns its path."""
    fileio.makedirs(folder)
    path = os.path.join(folder, REPORT_FILE)
    with fileio.open(path, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    return path


def _describe(info: anomalies_pb2.AnomalyInfo) -> str:
    """The anomaly in one line."""
    return " ".join((info.description or info.short_description).split())


def _read_counts(uri: str) -> dict[str, int]:
    with fileio.open(os.path.join(uri, rejects.COUNTS_FILE)) as file:
        return json.loads(file.read())
