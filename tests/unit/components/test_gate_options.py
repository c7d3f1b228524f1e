import pytest
from pydantic import ValidationError

from components.gate_options import CardOptions, GateOptions
from models.metrics import names


@pytest.mark.parametrize("field", ["floors", "ceilings", "max_drop", "max_relative_drop"])
def test_metric_is_refused_when_its_name_is_unknown(field: str) -> None:
    with pytest.raises(ValidationError, match="expected metrics out of recall@10.*Received: recal"):
        GateOptions(**{field: {"recal@10": 0.1}})


@pytest.mark.parametrize("field", ["floors", "ceilings", "max_drop", "max_relative_drop"])
def test_every_metric_may_have_a_bound_when_it_is_named(field: str) -> None:
    bounds = dict.fromkeys([*names.ALL_METRICS, "ndcg@10_gap_by_country"], 0.1)
    unbounded = {name: {} for name in ("floors", "ceilings", "max_drop", "max_relative_drop")}
    options = GateOptions(**{**unbounded, field: bounds})
    assert options.bounded == set(bounds)
    options.check_attributes(["country"])


def test_gap_is_refused_when_the_data_have_no_such_attribute() -> None:
    options = GateOptions(ceilings={"ndcg@10_gap_by_county": 0.2})
    with pytest.raises(
        ValueError,
        match="gaps out of ndcg@10_gap_by_activity, ndcg@10_gap_by_country were expected. "
        "Received: ndcg@10_gap_by_county. Configure the user attribute",
    ):
        options.check_attributes(["country"])


def test_attribute_is_refused_when_its_gap_would_be_that_of_activity() -> None:
    with pytest.raises(ValueError, match="attribute other than 'activity'.*Received: activity"):
        GateOptions().check_attributes(["activity"])


def test_gap_is_refused_when_it_names_no_attribute() -> None:
    with pytest.raises(ValidationError, match="ndcg@10_gap_by_NAME.*Received: ndcg@10_gap_by_"):
        GateOptions(ceilings={"ndcg@10_gap_by_": 0.2})


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
