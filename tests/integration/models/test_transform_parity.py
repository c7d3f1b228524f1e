"""One transform graph, two ways: Beam before training, the SavedModel while serving."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.query_parser import QueryParser
from models.transformed_data import ITEM_FEATURES, TransformedData

MAX_HISTORY = 5


@pytest.fixture(params=["world", "bare_world"])
def any_world(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def transformed(world: Any, split: str) -> dict[str, np.ndarray]:
    """Reads what Beam wrote; it keeps the order of the rows that it read from one file."""
    data = TransformedData([], world.transform_graph)
    spec = data.transform_output.transformed_feature_spec()
    files = [str(path) for path in (world.folder / "transformed" / f"Split-{split}").iterdir()]
    rows = tf.data.TFRecordDataset(files, "GZIP").batch(10_000)
    parsed = tf.io.parse_example(rows.get_single_element(), spec)
    return {
        name: (tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value).numpy()
        for name, value in parsed.items()
    }


def sorted_rows(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Makes one matrix of all columns with its rows in a fixed order."""
    flat = [np.reshape(columns[name], [len(columns[name]), -1]) for name in sorted(columns)]
    matrix = np.concatenate(flat, axis=1).astype(np.float64)
    return matrix[np.lexsort(matrix.T[::-1])]


@pytest.mark.parametrize("split", ["train", "ranking", "queries", "users"])
def test_user_features_are_equal_when_beam_and_query_parser_transform(
    any_world: Any, serialize: Callable[..., bytes], split: str
) -> None:
    rows = any_world.raw[split]
    parsed = QueryParser(TransformedData([], any_world.transform_graph).transform_output).parse(
        tf.constant([serialize(row) for row in rows])
    )
    served = {name: value.numpy() for name, value in parsed.inputs.items()}
    written = transformed(any_world, split)
    assert set(served) == set(features.USER_FEATURES)
    assert served[features.HISTORY_INDEX].shape == (len(rows), MAX_HISTORY)
    np.testing.assert_allclose(
        sorted_rows(served), sorted_rows({name: written[name] for name in served}), atol=1e-6
    )


def test_item_features_are_equal_when_beam_and_saved_graph_transform(
    any_world: Any, serialize: Callable[..., bytes]
) -> None:
    output = TransformedData([], any_world.transform_graph).transform_output
    raw = output.raw_feature_spec()
    # An item has no user features: its part of the graph runs on its own.
    spec = {n: s for n, s in raw.items() if n.startswith("item_")}
    examples = tf.constant([serialize(row) for row in any_world.raw["items"]])
    served = output.transform_features_layer()(tf.io.parse_example(examples, spec))
    columns = {name: served[name].numpy() for name in ITEM_FEATURES}
    written = transformed(any_world, "items")
    np.testing.assert_allclose(
        sorted_rows(columns), sorted_rows({name: written[name] for name in columns}), atol=1e-6
    )


def test_query_lists_are_returned_when_parsed(world: Any, serialize: Callable[..., bytes]) -> None:
    rows = world.raw["queries"][:2]
    parser = QueryParser(TransformedData([], world.transform_graph).transform_output)
    query = parser.parse(tf.constant([serialize(row) for row in rows]))
    assert query.seen_item_id.numpy().tolist() == [row["seen_item_id"] for row in rows]
    assert query.chosen_item_id.numpy().tolist() == [row["chosen_item_id"] for row in rows]


def test_values_are_those_worked_out_by_hand_when_transformed(world: Any) -> None:
    items = transformed(world, "items")
    counts = np.array([row["item_interaction_count"][0] for row in world.raw["items"]])
    # 20 users with 12 known interactions each, and 1 added to each of the 40 items: 280 in all.
    shares = np.sort((counts + 1) / 280)
    np.testing.assert_allclose(np.sort(np.exp(items["item_log_frequency"])), shares, rtol=1e-5)
    assert sorted(items["item_index"]) == list(range(1, 41))
    # The two categories have 20 items each and take the first two of 4 slots.
    assert items["item_category_multi_hot"].sum(axis=0).tolist() == [20, 20, 0, 0]
    # The years are z-scores; an absent one is 0, the mean: 6 of 40 (0, 7, 14, 21, 28, 35).
    assert (items["item_numeric"] == 0.0).sum() == 6
    assert items["item_numeric"].mean() == pytest.approx(0.0, abs=1e-5)
    users = transformed(world, "users")
    # Everyone stays with one category; its mean rating is the user's own mean.
    # So does the one who only says to like it, without a rating.
    assert sorted(map(tuple, users["user_category_share"])) == sorted(
        [(1, 0, 0, 0)] * 11 + [(0, 1, 0, 0)] * 10
    )
    np.testing.assert_allclose(users["user_category_rating"], 0.0, atol=1e-6)
    train = transformed(world, "train")
    # A first interaction knows nothing: 20 users, empty history.
    assert (train["history_index"].sum(axis=1) == 0).sum() == 20
    assert set(np.unique(train["label_rating"])) == {3.0, 4.0, 5.0}
    # A minute for each interaction before: 9 of each user's are in train.
    assert np.unique(train["interaction_time"], return_counts=True)[1].tolist() == [20] * 9
    assert train["interaction_time"].max() == 8 * 60


def test_vectors_are_empty_when_there_are_no_categories_or_numbers(bare_world: Any) -> None:
    items, train = transformed(bare_world, "items"), transformed(bare_world, "train")
    assert items["item_category_multi_hot"].shape == (40, 4)
    assert not items["item_category_multi_hot"].any()
    assert items["item_numeric"].shape == (40, 1)
    assert not items["item_numeric"].any()
    assert not train["user_category_share"].any()
    assert (train["label_rating"] == 1.0).all()


def test_what_was_seen_and_chosen_are_indices_when_examples_have_it(world: Any) -> None:
    ranking, late = transformed(world, "ranking"), transformed(world, "late")
    ids = TransformedData([], world.transform_graph).transform_output.vocabulary_by_name(
        features.ITEM_VOCABULARY
    )
    raw = {tuple(row["seen_item_id"]): row for row in world.raw["ranking"]}
    for row in range(len(raw)):
        seen = tuple(ids[index - 1] for index in ranking["seen_index"][row])
        chosen = [ids[index - 1] for index in ranking["chosen_index"][row]]
        assert chosen == raw[seen]["chosen_item_id"]
        assert ranking["chosen_label_rating"][row].tolist() == raw[seen]["chosen_rating"]
    # Each chose 3 items, and the data has no positions.
    assert ranking["chosen_label_position"].tolist() == [[0.0] * 3] * len(raw)
    assert late["seen_index"].shape == late["chosen_index"].shape == (60, 0)


def test_attributes_are_numbered_and_zero_is_unknown_when_transformed(world: Any) -> None:
    index = transformed(world, "users")["user_attribute_index"]
    # Users 0, 5, 10, 15 and 20 tell nothing; 8 of the others are even and 8 odd.
    assert index.shape == (21, 1)
    assert np.bincount(index[:, 0]).tolist() == [5, 8, 8]


def test_attributes_are_one_zero_when_there_are_none(bare_world: Any) -> None:
    assert transformed(bare_world, "ranking")["user_attribute_index"].tolist() == [[0]] * 20
    assert (transformed(bare_world, "ranking")["chosen_label_rating"] == 1.0).all()
