import numpy as np
import pytest

from serving.client_errors import InvalidRequestError
from serving.context import Context, context_inputs


def test_lists_are_padded_when_users_have_different_ones() -> None:
    inputs = context_inputs(
        [
            Context(history=["b", "a"], exclude=["é"], diversity=0.25),
            Context(exclude_categories=("war",), freshness=1.0),
        ]
    )
    assert inputs["history_item_id"].tolist() == [[b"b", b"a"], [b"", b""]]
    assert inputs["exclude_item_id"].tolist() == [["é".encode()], [b""]]
    assert inputs["exclude_category"].tolist() == [[b""], [b"war"]]
    # What is left open is -1.
    assert inputs["diversity"].tolist() == [0.25, -1.0]
    assert inputs["freshness"].tolist() == [-1.0, 1.0]
    assert inputs["diversity"].dtype == inputs["freshness"].dtype == np.float32


def test_every_list_has_a_column_when_nobody_says_anything() -> None:
    inputs = context_inputs([Context()])
    assert {name: value.shape for name, value in inputs.items()} == {
        "history_item_id": (1, 1),
        "exclude_item_id": (1, 1),
        "exclude_category": (1, 1),
        "diversity": (1,),
        "freshness": (1,),
    }


@pytest.mark.parametrize(
    ("context", "empty"),
    [
        (Context(), True),
        (Context(history=[], exclude=(), exclude_categories=[]), True),
        (Context(diversity=0.0), False),
        (Context(freshness=0.0), False),
        (Context(history=["a"]), False),
        (Context(exclude=["a"]), False),
        (Context(exclude_categories=["a"]), False),
    ],
)
def test_is_empty_when_it_says_nothing(context: Context, empty: bool) -> None:
    assert context.is_empty is empty


@pytest.mark.parametrize("strength", [-1.0, -0.01, 1.01, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["diversity", "freshness"])
def test_strength_is_refused_when_it_is_out_of_range(name: str, strength: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name} must be from 0 to 1. Received: "):
        Context(**{name: strength})


@pytest.mark.parametrize("name", ["history", "exclude", "exclude_categories"])
def test_text_is_refused_when_a_list_is_meant(name: str) -> None:
    message = rf"^{name} must be a list of texts. Received: the text '12'. Give \['12'\]\.$"
    with pytest.raises(InvalidRequestError, match=message):
        Context(**{name: "12"})
