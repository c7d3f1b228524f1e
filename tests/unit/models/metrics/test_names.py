import pytest

from models.metrics import names


def test_gap_names_its_attribute_when_it_is_one_of_a_user_attribute() -> None:
    assert names.gap_by("country") == "ndcg@10_gap_by_country"
    assert names.gap_attribute("ndcg@10_gap_by_country") == "country"
    assert names.gap_attribute("ndcg@10_gap_by_activity") is None
    assert names.gap_attribute("ndcg@10") is None


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("rating_rmse", True),
        ("exposure_gini@10", True),
        ("ndcg@10_gap_by_activity", True),
        ("ndcg@10_gap_by_country", True),
        ("ndcg@10", False),
        ("personalization@10", False),
    ],
)
def test_direction_is_known_when_a_metric_is_named(name: str, lower: bool) -> None:
    assert names.lower_is_better(name) is lower


def test_metrics_come_by_group_when_some_were_measured() -> None:
    measured = ["ndcg@10_gap_by_b", "mrr", "ndcg@10_gap_by_a", "example_count", "recall@10"]
    measured.append("ndcg@10_gap_by_activity")
    assert names.grouped(measured) == {
        "Accuracy": ["recall@10", "mrr"],
        "Fairness": ["ndcg@10_gap_by_activity", "ndcg@10_gap_by_a", "ndcg@10_gap_by_b"],
    }


def test_every_metric_is_in_a_group_once_when_all_were_measured() -> None:
    grouped = [name for group in names.grouped(names.ALL_METRICS).values() for name in group]
    assert grouped == list(names.ALL_METRICS)
    assert len(set(grouped)) == len(grouped)
