from pathlib import Path

import pytest
from tfx.components.pusher.executor import Executor as Pusher
from tfx.types.standard_artifacts import InfraBlessing

from components.canary import Check
from components.errors import GateError
from components.serving_gate import GateResult, bless, judge
from models.options import RerankingOptions


@pytest.mark.parametrize(
    ("blessed", "file"), [(True, "INFRA_BLESSED"), (False, "INFRA_NOT_BLESSED")]
)
def test_pusher_obeys_when_model_is_judged(tmp_path: Path, blessed: bool, file: str) -> None:
    blessing = InfraBlessing()
    blessing.uri = str(tmp_path / "blessing")
    bless(blessing, blessed)
    assert Pusher().CheckBlessing({"infra_blessing": [blessing]}) is blessed
    assert [path.name for path in (tmp_path / "blessing").iterdir()] == [file]


def test_one_failed_check_refuses_when_all_others_pass() -> None:
    good, bad = Check("loads", True, ""), Check("sorted", False, "user 'u' ...")
    assert GateResult([good], 1.5, {"count": 1}).to_json() == {
        "gate": "serving",
        "verdict": "blessed",
        "load_s": 1.5,
        "latency": {"count": 1},
        "checks": [{"name": "loads", "passed": True, "message": ""}],
    }
    assert GateResult([good, bad], 1.5).to_json()["verdict"] == "refused"


def test_gate_fails_when_there_is_nobody_to_ask_for(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="needs at least one user .* canary_users=5, and no user"):
        judge(
            tmp_path,
            tmp_path,
            tmp_path / "log",
            canary_users=5,
            k=10,
            max_k=50,
            reranking=RerankingOptions(),
            start_timeout_s=1.0,
            request_timeout_s=1.0,
        )
