"""What the Evaluator is told, from queries as they were at the split."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import contract

CATALOGUE = [f"i{item:02d}".encode() for item in range(40)]
LENGTH = contract.EVALUATED_LIST_LENGTH

Evaluate = Callable[[list[dict[str, Any]]], dict[str, Any]]


@pytest.fixture
def evaluate(built: Any, serialize: Callable[..., bytes]) -> Evaluate:
    return lambda rows: built.ask("evaluate", examples=[serialize(row) for row in rows])


def test_evaluation_knows_only_the_split_when_queries_are_given(
    built: Any, evaluate: Evaluate
) -> None:
    rows = built.world.raw["queries"]
    found = evaluate(rows)
    hits = 0
    for row, listed in zip(rows, found["recommended_item_id"], strict=True):
        # 40 items less 12 seen: what was chosen after the split can be found, and often is.
        assert set(listed) - {b""} == set(CATALOGUE) - set(row["seen_item_id"])
        hits += len(set(listed[:10]) & set(row["chosen_item_id"]))
    # By chance 10 of 28 places hold 80 * 10/28 = 29 of the chosen; knowing the parity about
    # 80 * 10/13, as 8 items of the own parity are left, 4 of them chosen, besides 20 others.
    assert hits > 55


def test_popular_items_are_those_with_most_interactions_when_evaluated(
    built: Any, evaluate: Evaluate
) -> None:
    row, counts = built.world.raw["queries"][0], built.counts()
    (popular,) = evaluate([row])["popular_item_id"]
    unseen = [counts[item] for item in CATALOGUE if item not in row["seen_item_id"]]
    assert [counts[item] for item in popular[:28]] == sorted(unseen, reverse=True)
    assert popular[28:].tolist() == [b""] * 72


def test_outputs_have_the_shapes_of_the_contract_when_evaluated(
    built: Any, evaluate: Evaluate
) -> None:
    rows = built.world.raw["queries"][:3]
    shapes = {name: (value.dtype.kind, value.shape) for name, value in evaluate(rows).items()}
    # Each chose 4 items.
    assert shapes == {
        contract.RECOMMENDED_ITEM_ID: ("O", (3, LENGTH)),
        contract.POPULAR_ITEM_ID: ("O", (3, LENGTH)),
        contract.HISTORY_ONLY_ITEM_ID: ("O", (3, LENGTH)),
        contract.CATEGORIES_ONLY_ITEM_ID: ("O", (3, LENGTH)),
        contract.CHOSEN_PREDICTED_RATING: ("f", (3, 4)),
        contract.RECOMMENDED_INTERACTIONS: ("f", (3, LENGTH)),
        contract.CHOSEN_INTERACTIONS: ("f", (3, 4)),
        contract.INTRA_LIST_DISTANCE: ("f", (3,)),
        contract.CATALOGUE_SIZE: ("i", (3,)),
        contract.TOTAL_INTERACTIONS: ("f", (3,)),
    }


def test_interactions_are_counted_and_padded_when_evaluated(built: Any, evaluate: Evaluate) -> None:
    whole, other = built.world.raw["queries"][:2]
    # Item 38 has none, and an item outside the catalogue neither.
    chosen = [b"i38", b"unknown", whole["chosen_item_id"][0]]
    short = whole | {"chosen_item_id": chosen, "chosen_rating": [4.0] * 3}
    found, counts = evaluate([short, other]), built.counts()
    expected = [[0.0, 0.0, counts[chosen[2]], -1.0], [counts[i] for i in other["chosen_item_id"]]]
    assert found["chosen_interactions"].tolist() == expected
    rating = found["chosen_predicted_rating"]
    # No rating is predicted for what is not there.
    assert rating[0, [1, 3]].tolist() == [0.0, 0.0]
    assert ((rating[1] >= 1.0) & (rating[1] <= 5.0)).all()
    listed = found["recommended_item_id"]
    assert found["recommended_interactions"].tolist() == [
        [counts.get(item, 0.0) for item in row] for row in listed
    ]
    assert found["catalogue_size"].tolist() == [40, 40]
    # 20 users with 12 interactions each in training.
    assert found["total_interactions"].tolist() == [240.0, 240.0]


def test_distance_is_that_of_the_first_ten_when_evaluated(built: Any, evaluate: Evaluate) -> None:
    found = evaluate(built.world.raw["queries"][:2])
    for items, distance in zip(
        found["recommended_item_id"], found["intra_list_distance"], strict=True
    ):
        vectors = built.ask("embed_items", item_id=items[:10])["embedding"]
        cosines = (vectors @ vectors.T)[np.triu_indices(10, 1)]
        assert distance == pytest.approx(1.0 - cosines.mean(), abs=1e-5)


def test_history_alone_gives_what_a_request_with_it_gives_when_evaluated(
    built: Any, evaluate: Evaluate
) -> None:
    rows = built.world.raw["queries"]
    found = evaluate(rows)
    asked = built.ask_with_context(b"nobody", LENGTH, history_item_id=[rows[3]["seen_item_id"]])
    assert found["history_only_item_id"][3].tolist() == asked["item_id"][0].tolist()
    # Some users have a row of their own in the towers that says more.
    assert found["history_only_item_id"].tolist() != found["recommended_item_id"].tolist()


def test_categories_alone_give_what_a_stated_category_gives_when_evaluated(
    built: Any, evaluate: Evaluate
) -> None:
    # All that user 3 has had is odd, which is all that user 20 states.
    row = built.world.raw["queries"][3]
    found = evaluate([row])
    asked = built.ask_with_context(b"u20", LENGTH, exclude_item_id=[row["seen_item_id"]])
    assert found["categories_only_item_id"].tolist() == asked["item_id"].tolist()
    assert found["categories_only_item_id"].tolist() != found["history_only_item_id"].tolist()
