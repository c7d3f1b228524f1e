import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.example_files import Catalogue
from components.splits import EVAL, LATE, TRAIN
from components.user_features import encode_user
from components.user_state import UserRows

CATALOGUE = Catalogue(["a", "b", "c", "d"], [["x"], ["x", "y"], [], ["y"]])
A, B, C, D = range(4)


def decode(serialized: bytes) -> dict[str, list]:
    """Values by feature, texts as str."""
    found = {}
    for name, feature in tf.train.Example.FromString(serialized).features.feature.items():
        values = list(getattr(feature, feature.WhichOneof("kind")).value)
        found[name] = [v.decode() if isinstance(v, bytes) else v for v in values]
    return found


def rows(items, ratings, times, part) -> UserRows:
    return UserRows(
        "u",
        np.array(items, dtype=np.int32),
        None if ratings is None else np.array(ratings, dtype=np.float32),
        np.array(times, dtype=np.int64),
        np.array(part, dtype=np.int8),
    )


def encode(user: UserRows, max_history: int = 10):
    return encode_user(user, CATALOGUE, max_history, "low", "niche")


def test_the_first_example_knows_nothing_when_nothing_came_before():
    examples = encode(rows([A], [4.0], [7], [TRAIN]))
    assert decode(examples.train[0]) == {
        "user_id": ["u"],
        "user_interaction_count": [0.0],
        "item_id": ["a"],
        "timestamp": [7],
        "rating": [4.0],
    }
    assert examples.query is examples.ranking is None
    assert examples.eval == examples.late == []


def test_features_are_of_the_past_when_interactions_came_before():
    examples = encode(rows([A, B, C], [4.0, 1.0, 5.0], [1, 2, 3], [TRAIN] * 3))
    # Before c: a (x) with 4 and b (x, y) with 1. Mean 2.5; x twice, (4 + 1) / 2; y once, 1.
    assert decode(examples.train[2]) == {
        "user_id": ["u"],
        "user_interaction_count": [2.0],
        "user_mean_rating": [2.5],
        "user_category": ["x", "y"],
        "user_category_count": [2.0, 1.0],
        "user_category_mean_rating": [2.5, 1.0],
        "history_item_id": ["b", "a"],
        "item_id": ["c"],
        "timestamp": [3],
        "rating": [5.0],
    }


def test_interactions_do_not_see_each_other_when_they_share_a_second():
    examples = encode(rows([A, B, C, D], [1.0] * 4, [1, 5, 5, 6], [TRAIN] * 4))
    histories = [decode(example).get("history_item_id", []) for example in examples.train]
    assert histories == [[], ["a"], ["a"], ["c", "b", "a"]]


def test_the_query_stands_at_the_split_and_the_user_at_the_end_when_some_are_held_out():
    examples = encode(
        rows([A, B, D, C], [4.0, 2.0, 5.0, 1.0], [1, 2, 3, 4], [TRAIN, TRAIN, EVAL, EVAL])
    )
    query = decode(examples.query)
    assert query["history_item_id"] == query["seen_item_id"] == ["b", "a"]
    assert query["user_mean_rating"] == [3.0]
    assert (query["chosen_item_id"], query["chosen_rating"]) == (["d", "c"], [5.0, 1.0])
    assert (query["user_activity"], query["user_taste"]) == (["low"], ["niche"])
    user = decode(examples.user)
    assert user["seen_item_id"] == ["c", "d", "b", "a"]
    # (4 + 2 + 5 + 1) / 4
    assert user["user_mean_rating"] == [3.0]
    assert "chosen_item_id" not in user
    # The second held-out interaction has seen the first.
    assert decode(examples.eval[1])["history_item_id"] == ["d", "b", "a"]


def test_a_train_example_never_sees_the_eval_part_when_the_split_is_random():
    examples = encode(rows([A, B, C], None, [1, 2, 3], [TRAIN, EVAL, TRAIN]))
    assert decode(examples.train[1])["history_item_id"] == ["a"]
    assert decode(examples.eval[0])["history_item_id"] == ["a"]
    assert decode(examples.query)["seen_item_id"] == ["c", "a"]


def test_history_is_cut_and_seen_is_not_when_the_user_has_many():
    examples = encode(
        rows([A, B, C, D], [1.0] * 4, [1, 2, 3, 4], [TRAIN] * 3 + [EVAL]), max_history=2
    )
    assert decode(examples.query)["history_item_id"] == ["c", "b"]
    assert decode(examples.query)["seen_item_id"] == ["c", "b", "a"]
    assert decode(examples.eval[0])["history_item_id"] == ["c", "b"]


def test_there_are_no_ratings_when_feedback_is_implicit():
    examples = encode(rows([A, B, D], None, [1, 2, 3], [TRAIN, LATE, EVAL]))
    written = [*examples.train, *examples.late, *examples.eval, examples.ranking]
    for serialized in (*written, examples.query, examples.user):
        assert not [name for name in decode(serialized) if "rating" in name]
    assert decode(examples.query)["user_category_count"] == [2.0, 1.0]


def test_there_is_no_query_when_all_of_a_user_is_held_out():
    examples = encode(rows([A, B], [1.0, 2.0], [1, 2], [EVAL, EVAL]))
    assert (examples.train, examples.query, examples.ranking) == ([], None, None)
    assert len(examples.eval) == 2
    assert decode(examples.user)["seen_item_id"] == ["b", "a"]


def test_ranking_knows_train_alone_when_some_are_late():
    examples = encode(
        rows([A, B, D, C], [4.0, 2.0, 5.0, 1.0], [1, 2, 3, 4], [TRAIN, LATE, EVAL, LATE])
    )
    ranking = decode(examples.ranking)
    assert ranking["history_item_id"] == ranking["seen_item_id"] == ["a"]
    assert ranking["user_interaction_count"] == [1.0]
    assert (ranking["chosen_item_id"], ranking["chosen_rating"]) == (["b", "c"], [2.0, 1.0])
    assert "user_activity" not in ranking
    # Late examples see what is trained with, not what is held out.
    assert [decode(example)["history_item_id"] for example in examples.late] == [["a"], ["b", "a"]]
    query = decode(examples.query)
    assert (query["seen_item_id"], query["chosen_item_id"]) == (["c", "b", "a"], ["d"])
    assert decode(examples.user)["seen_item_id"] == ["c", "d", "b", "a"]


@pytest.mark.parametrize("part", [[LATE, LATE], [LATE, EVAL], [TRAIN, EVAL], [TRAIN, TRAIN]])
def test_there_is_no_ranking_example_when_train_or_late_is_empty(part):
    assert encode(rows([A, B], None, [1, 2], part)).ranking is None


def test_a_user_has_a_query_when_all_training_is_late():
    examples = encode(rows([A, B], None, [1, 2], [LATE, EVAL]))
    assert decode(examples.query)["seen_item_id"] == ["a"]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 10), st.integers(0, 4), st.integers(0, 2)),
        min_size=1,
        max_size=15,
    )
)
def test_features_equal_a_plain_recount_when_data_is_arbitrary(interactions):
    interactions.sort(key=lambda interaction: interaction[2])
    items, halves, times, part = (list(column) for column in zip(*interactions, strict=True))
    ratings = [half / 2 for half in halves]
    examples = encode(rows(items, ratings, times, part), max_history=3)
    by_split = dict(enumerate(map(iter, (examples.train, examples.late, examples.eval))))
    for row, own in enumerate(part):
        found = decode(next(by_split[own]))
        past = [
            other for other in range(len(items)) if times[other] < times[row] and part[other] <= own
        ]
        assert found["user_interaction_count"] == [len(past)]
        newest_first = [CATALOGUE.ids[items[other]] for other in reversed(past)]
        assert found.get("history_item_id", []) == newest_first[:3]
        if past:
            mean = sum(ratings[other] for other in past) / len(past)
            assert found["user_mean_rating"] == pytest.approx([mean])
        for place, name in enumerate(found.get("user_category", [])):
            rated = [ratings[o] for o in past if name in CATALOGUE.categories[items[o]]]
            assert found["user_category_count"][place] == len(rated)
            mean = sum(rated) / len(rated)
            assert found["user_category_mean_rating"][place] == pytest.approx(mean)
