import pytest
from pydantic import ValidationError

from models.options import IndexOptions, RankingOptions, RerankingOptions, ServingOptions


def test_options_are_refused_when_fewer_candidates_than_answers() -> None:
    message = "candidates must be at least max_k = 500. Received: 499."
    with pytest.raises(ValidationError, match=message):
        ServingOptions(candidates=499)
    assert ServingOptions(candidates=500).candidates == 500


def test_options_are_refused_when_a_key_is_unknown() -> None:
    with pytest.raises(ValidationError, match="partition"):
        IndexOptions.model_validate({"partition": 3})


def test_options_stay_as_they_are_when_assigned() -> None:
    options = RankingOptions()
    with pytest.raises(ValidationError, match="frozen"):
        options.dropout = 0.5  # type: ignore[misc]


def test_reranking_is_refused_when_the_limits_of_age_cross() -> None:
    message = "min_age_days must be at most max_age_days = 3.0. Received: 4.0."
    with pytest.raises(ValidationError, match=message):
        RerankingOptions(min_age_days=4.0, max_age_days=3.0)
    assert RerankingOptions(min_age_days=3.0, max_age_days=3.0).min_age_days == 3.0


def test_reranking_is_refused_when_the_cap_holds_for_more_places_than_are_chosen() -> None:
    message = "category_cap_within must be at most diversify_first = 5. Received: 10."
    with pytest.raises(ValidationError, match=message):
        RerankingOptions(category_cap=2, diversify_first=5)
    # Without a cap its places say nothing.
    assert RerankingOptions(diversify_first=5).category_cap is None
