import pytest

from serving.client import RecommenderClient
from serving.client_errors import InvalidRequestError
from serving.context import Context


@pytest.mark.parametrize("k", [2**31, 2**40, 2**70, -(2**31) - 1])
def test_k_is_refused_when_it_does_not_fit_the_request(k: int) -> None:
    # As int32, 2**31 is negative, 2**40 is 0, and 2**70 is no number at all. Nobody listens here.
    with RecommenderClient("127.0.0.1:1") as client:
        message = rf"^k must be between 1 and the model's limit, .*Received: {k}\."
        with pytest.raises(InvalidRequestError, match=message):
            client.recommend("u", k)
        with pytest.raises(InvalidRequestError, match=message):
            client.similar("i", k)


def test_strength_is_refused_when_nobody_was_asked_yet() -> None:
    with (
        RecommenderClient("127.0.0.1:1") as client,
        pytest.raises(InvalidRequestError, match="^freshness must be from 0 to 1. Received: 1.5"),
    ):
        client.recommend("u", freshness=1.5)


def test_contexts_are_refused_when_they_are_not_one_a_user() -> None:
    with (
        RecommenderClient("127.0.0.1:1") as client,
        pytest.raises(InvalidRequestError, match=r"one for each of 2 users\. Received: 1\. Give"),
    ):
        client.recommend_many(["u", "v"], contexts=[Context()])
