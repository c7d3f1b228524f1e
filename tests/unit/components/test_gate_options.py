import pytest
from pydantic import ValidationError

from components.gate_options import CardOptions, GateOptions


@pytest.mark.parametrize("field", ["floors", "ceilings", "max_drop", "max_relative_drop"])
def test_metric_is_refused_when_its_name_is_unknown(field: str) -> None:
    with pytest.raises(ValidationError, match="expected metrics out of recall@10.*Received: recal"):
        GateOptions(**{field: {"recal@10": 0.1}})


@pytest.mark.parametrize("field", ["max_drop", "max_relative_drop"])
def test_drop_is_refused_when_it_is_negative(field: str) -> None:
    with pytest.raises(ValidationError, match=f"{field}.mrr must be at least 0. Received: -0.1"):
        GateOptions(**{field: {"mrr": -0.1}})


def test_bounds_are_refused_when_floor_is_above_ceiling() -> None:
    with pytest.raises(ValidationError, match="floors.mrr must not be above.*0.5 and 0.4"):
        GateOptions(floors={"mrr": 0.5}, ceilings={"mrr": 0.4})


def test_unknown_key_is_refused_when_given() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        GateOptions.model_validate({"floor": {}})


def test_card_options_survive_json_when_passed_to_the_component() -> None:
    options = CardOptions(sample_users=1)
    assert CardOptions.model_validate_json(options.model_dump_json()) == options
