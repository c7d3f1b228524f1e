import pytest
from pydantic import ValidationError

from models.options import IndexOptions, RankingOptions, ServingOptions


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
