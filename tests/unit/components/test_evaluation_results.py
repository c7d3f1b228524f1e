import pytest

from components.evaluation_results import Verdict


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (
            Verdict("mrr", "floor", 0.25, 0.1, True),
            "mrr is 0.2500; it must be at least 0.1, which it is.",
        ),
        (
            Verdict("rating_rmse", "ceiling", 2.0, 1.5, False),
            "rating_rmse is 2.0000; it must be at most 1.5, which it is not.",
        ),
        (
            Verdict("mrr", "max_drop", -0.02, -0.01, False),
            "mrr differs from the baseline by -0.0200; that must be at least -0.01, "
            "which it is not.",
        ),
        (
            Verdict("rating_rmse", "max_relative_drop", 0.01, 0.05, True),
            "rating_rmse differs from the baseline by +0.0100 of the baseline's value; "
            "that must be at most +0.05, which it is.",
        ),
        (
            Verdict("mrr", "floor", float("nan"), 0.1, False),
            "mrr could not be measured.",
        ),
        (
            Verdict("cold_item_recall@100", "floor", float("nan"), 0.1, True),
            "cold_item_recall@100 could not be measured, so it is not judged.",
        ),
        (
            Verdict("ndcg@10_gap_by_country", "max_drop", 0.02, 0.01, False),
            "ndcg@10_gap_by_country differs from the baseline by +0.0200; that must be at most "
            "+0.01, which it is not.",
        ),
    ],
)
def test_verdict_is_a_sentence_when_read(verdict: Verdict, sentence: str) -> None:
    assert verdict.sentence == sentence
