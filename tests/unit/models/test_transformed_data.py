import pathlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from models import features
from models.errors import UnsuitableDataError
from models.transformed_data import INTERACTION_FEATURES, TransformedData, with_training

USER_SPEC = {
    features.USER_INDEX: tf.io.FixedLenFeature([], tf.int64),
    features.USER_STATISTICS: tf.io.FixedLenFeature([2], tf.float32),
    features.USER_CATEGORY_SHARE: tf.io.FixedLenFeature([1], tf.float32),
    features.USER_CATEGORY_RATING: tf.io.FixedLenFeature([1], tf.float32),
    features.USER_ATTRIBUTE_INDEX: tf.io.FixedLenFeature([2], tf.int64),
    features.HISTORY_INDEX: tf.io.FixedLenFeature([3], tf.int64),
}
SPEC = USER_SPEC | {
    features.ITEM_INDEX: tf.io.FixedLenFeature([], tf.int64),
    features.LABEL_RATING: tf.io.FixedLenFeature([], tf.float32),
    features.ITEM_CATEGORY_MULTI_HOT: tf.io.FixedLenFeature([1], tf.float32),
    features.ITEM_NUMERIC: tf.io.FixedLenFeature([1], tf.float32),
    features.ITEM_LOG_FREQUENCY: tf.io.FixedLenFeature([], tf.float32),
    features.SEEN_INDEX: tf.io.VarLenFeature(tf.int64),
    features.CHOSEN_INDEX: tf.io.VarLenFeature(tf.int64),
    features.CHOSEN_LABEL_RATING: tf.io.VarLenFeature(tf.float32),
    features.CHOSEN_LABEL_POSITION: tf.io.VarLenFeature(tf.float32),
}
ATTRIBUTES = {"country": 3, "age": 2}  # and their number of values

Values = dict[str, Sequence[float]]
Files = list[list[Values]]
Open = Callable[..., TransformedData]


def serialized(values: Values) -> bytes:
    example = tf.train.Example()
    for name, numbers in values.items():
        if SPEC[name].dtype == tf.int64:
            example.features.feature[name].int64_list.value.extend(map(int, numbers))
        else:
            example.features.feature[name].float_list.value.extend(numbers)
    return example.SerializeToString()


def interaction(item: int, user: int | None = None, history: Sequence[int] = ()) -> Values:
    """By default every number of the example is its item's, and the rating half of that."""
    values: Values = {
        name: [item if spec.dtype == tf.int64 else item / 2] * int(np.prod(spec.shape))
        for name, spec in USER_SPEC.items()
    }
    values |= {features.ITEM_INDEX: [item], features.LABEL_RATING: [item / 2]}
    if user is not None:
        padded = [*history, 0, 0, 0][:3]
        values |= {features.USER_INDEX: [user], features.HISTORY_INDEX: padded}
    return values


def catalogue_item(item: int) -> Values:
    return {
        features.ITEM_INDEX: [item],
        features.ITEM_CATEGORY_MULTI_HOT: [1.0],
        features.ITEM_NUMERIC: [0.5],
        features.ITEM_LOG_FREQUENCY: [-float(item)],
    }


def query(user: int, chosen: Sequence[int], seen: Sequence[int] = (1,)) -> Values:
    return interaction(0, user, seen) | {
        features.SEEN_INDEX: seen,
        features.CHOSEN_INDEX: chosen,
        features.CHOSEN_LABEL_RATING: [item / 2 for item in chosen],
        features.CHOSEN_LABEL_POSITION: [float(item + 10) for item in chosen],
    }


@pytest.fixture
def open_data(tmp_path: pathlib.Path) -> Open:
    """Writes splits, each as files of examples, and opens them."""
    graph = tmp_path / "graph"

    def written(spec: dict[str, Any], folder: str) -> None:
        metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
        metadata_io.write_metadata(metadata, str(graph / folder))

    written(SPEC, "transformed_metadata")
    text = tf.io.VarLenFeature(tf.string)
    names = [features.user_attribute(name) for name in ATTRIBUTES]
    written({name: text for name in (features.USER_ID, *names)}, "metadata")
    assets = graph / "transform_fn" / "assets"
    assets.mkdir(parents=True)
    (assets / features.USER_VOCABULARY).write_text("ann\nbob\n")
    for name, number in ATTRIBUTES.items():
        (assets / features.user_attribute(name)).write_text("value\n" * number)

    def opened(splits: dict[str, Files], earlier: bool = False) -> TransformedData:
        for split, files in splits.items():
            folder = tmp_path / f"Split-{split}"
            folder.mkdir(exist_ok=True)
            for number, rows in enumerate(files):
                with tf.io.TFRecordWriter(str(folder / f"{number}.gz"), "GZIP") as writer:
                    for row in rows:
                        writer.write(serialized(row))
        patterns = [str(tmp_path / f"Split-{split}" / "*") for split in splits]
        return TransformedData(patterns, str(graph), earlier)

    return opened


def numbered(*files: Sequence[int]) -> Files:
    return [[interaction(row) for row in rows] for rows in files]


@pytest.fixture
def twelve(open_data: Open) -> TransformedData:
    """Training interactions of items 0 to 11, in three files of two splits, and no other."""
    splits = {
        features.TRAIN_SPLIT: numbered(range(6), range(6, 10)),
        features.LATE_SPLIT: numbered([10, 11]),
        features.EVAL_SPLIT: numbered([]),
    }
    return open_data(splits)


def items(data: TransformedData, batch_size: int, seed: int) -> list[list[int]]:
    return [
        batch[features.ITEM_INDEX].numpy().tolist() for batch in data.interactions(batch_size, seed)
    ]


def test_every_row_is_read_once_when_batches_divide_the_training(twelve: TransformedData) -> None:
    batches = items(twelve, 6, 1)
    assert [len(batch) for batch in batches] == [6, 6]
    assert sorted(sum(batches, [])) == list(range(12))
    assert batches == items(twelve, 6, 1)
    assert batches != items(twelve, 6, 2)


def test_last_batch_is_left_out_when_incomplete(twelve: TransformedData) -> None:
    assert [len(batch) for batch in items(twelve, 5, 1)] == [5, 5]


def test_training_is_one_batch_when_smaller_than_a_batch(twelve: TransformedData) -> None:
    assert [sorted(batch) for batch in items(twelve, 512, 1)] == [list(range(12))]


def test_sample_holds_distinct_rows_with_their_features_when_drawn(twelve: TransformedData) -> None:
    sample = twelve.sample(4, 1)
    assert set(sample) == {*INTERACTION_FEATURES, features.SEEN_INDEX}
    index = sample[features.ITEM_INDEX]
    assert Counter(index).most_common(1)[0][1] == 1
    assert len(index) == 4
    np.testing.assert_array_equal(sample[features.LABEL_RATING], index / 2)
    for name in (features.HISTORY_INDEX, features.SEEN_INDEX):
        np.testing.assert_array_equal(sample[name], np.stack([index] * 3, axis=1))
    assert len(twelve.sample(99, 1)[features.ITEM_INDEX]) == 12


def test_batches_hold_what_is_named_when_all_is_counted(twelve: TransformedData) -> None:
    batches = list(twelve.training_batches((features.ITEM_INDEX, features.LABEL_RATING)))
    assert all(set(batch) == {features.ITEM_INDEX, features.LABEL_RATING} for batch in batches)
    index = np.concatenate([batch[features.ITEM_INDEX] for batch in batches])
    assert sorted(index) == list(range(12))


def test_late_interactions_are_held_out_when_the_view_is_the_earlier(open_data: Open) -> None:
    splits = {
        features.TRAIN_SPLIT: [[interaction(1, 1), interaction(2, 1, [1]), interaction(4, 2)]],
        features.LATE_SPLIT: [[interaction(3, 1, [2, 1])]],
        features.EVAL_SPLIT: [[interaction(4, 1, [3])]],
        features.ITEMS_SPLIT: [[catalogue_item(item) for item in (1, 2, 3, 4)]],
    }
    final, earlier = open_data(splits), open_data(splits, earlier=True)
    assert sorted(items(earlier, 9, 1)[0]) == [1, 2, 4]
    assert sorted(items(final, 9, 1)[0]) == [1, 2, 3, 4]
    assert earlier.sample(9, 1)[features.ITEM_INDEX].tolist().count(3) == 0
    for data, known in ((earlier, [1, 2, 4]), (final, [1, 2, 3, 4])):
        columns = data.training_columns((features.ITEM_INDEX, features.LABEL_RATING))
        assert sorted(columns[features.ITEM_INDEX]) == known
        assert (
            columns[features.LABEL_RATING].tolist() == (columns[features.ITEM_INDEX] / 2).tolist()
        )
    assert earlier.table().matrix().toarray().tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]]
    assert final.table().matrix().toarray().tolist() == [[1, 1, 1, 0], [0, 0, 0, 1]]
    # Ratings are half the item's number.
    assert earlier.mean_rating() == pytest.approx((0.5 + 1.0 + 2.0) / 3)
    assert final.mean_rating() == pytest.approx((0.5 + 1.0 + 1.5 + 2.0) / 4)
    of_earlier, of_final = earlier.held_out(9, 1), final.held_out(9, 1)
    assert of_earlier[features.ITEM_INDEX].tolist() == [3]
    assert of_earlier[features.SEEN_INDEX].tolist() == [[2, 1]]
    # The history is cut to item 3; what else was trained with comes after it.
    assert of_final[features.ITEM_INDEX].tolist() == [4]
    assert of_final[features.SEEN_INDEX].tolist() == [[3, 1, 2]]


def test_popularity_counts_no_late_interaction_when_the_view_is_the_earlier(
    open_data: Open,
) -> None:
    splits = {
        features.TRAIN_SPLIT: [[interaction(2, 1), interaction(2, 2), interaction(1, 1)]],
        features.LATE_SPLIT: [[interaction(3, 1)] * 5],
        features.ITEMS_SPLIT: [[catalogue_item(item) for item in (3, 1, 2)]],
    }
    final = open_data(splits).items().log_frequency
    # Of Transform, which has counted all of it; the unknown item has the smallest.
    assert final.tolist() == [-3.0, -1.0, -2.0, -3.0]
    # One more than counted: 2, 3 and 1 of 6.
    earlier = open_data(splits, earlier=True).items()
    np.testing.assert_allclose(np.exp(earlier.log_frequency[1:]), [2 / 6, 3 / 6, 1 / 6], rtol=1e-6)
    assert np.isfinite(earlier.log_frequency[0])
    assert earlier.log_frequency.dtype == np.float32
    assert earlier.content.tolist() == [[0, 0]] + [[1, 0.5]] * 3


def test_seen_is_all_that_a_user_was_trained_with_when_held_out() -> None:
    # User 1 was trained with items 1, 4 and 5, user 2 with 2; of user 0 nothing is known.
    trained = sparse.csr_matrix(
        (np.ones(4), ([0, 0, 0, 1], [0, 3, 4, 1])),
        shape=(2, 5),
    )
    columns = {
        features.USER_INDEX: np.array([1, 2, 0]),
        features.HISTORY_INDEX: np.array([[5, 3], [0, 0], [3, 0]]),
    }
    # The history first, as it is, then the rest; an item is there once.
    expected = [[5, 3, 1, 4], [2, 0, 0, 0], [3, 0, 0, 0]]
    assert with_training(columns, trained).tolist() == expected


def test_queries_are_padded_when_users_chose_differently_many(open_data: Open) -> None:
    rows = [query(2, [7, 4], seen=[5, 6, 1, 3]), query(1, [2])]
    queries = open_data({features.RANKING_SPLIT: [rows]}).ranking_queries(9, 1)
    assert queries[features.USER_INDEX].tolist() == [1, 2]
    assert queries[features.CHOSEN_INDEX].tolist() == [[2, 0], [7, 4]]
    assert queries[features.CHOSEN_LABEL_RATING].tolist() == [[1.0, 0.0], [3.5, 2.0]]
    assert queries[features.CHOSEN_LABEL_POSITION].tolist() == [[12.0, 0.0], [17.0, 14.0]]
    # The history is cut, and what was seen is not.
    assert queries[features.HISTORY_INDEX].tolist() == [[1, 0, 0], [5, 6, 1]]
    assert queries[features.SEEN_INDEX].tolist() == [[1, 0, 0, 0], [5, 6, 1, 3]]


def test_the_same_users_are_asked_when_beam_wrote_in_another_order(open_data: Open) -> None:
    rows = [query(user, [user]) for user in range(20)]
    queries = open_data({features.RANKING_SPLIT: [rows]}).ranking_queries(6, 4)
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(20)]
    again = open_data({features.RANKING_SPLIT: [shuffled]}).ranking_queries(6, 4)
    users = queries[features.USER_INDEX].tolist()
    assert again[features.USER_INDEX].tolist() == users
    # Six of twenty, in order; another seed takes others.
    assert users == sorted(set(users))
    assert len(users) == 6
    other = open_data({features.RANKING_SPLIT: [rows]}).ranking_queries(6, 5)
    assert other[features.USER_INDEX].tolist() != users


def test_queries_are_refused_when_nobody_has_both_times(open_data: Open) -> None:
    data = open_data({features.RANKING_SPLIT: [[]]})
    with pytest.raises(UnsuitableDataError, match="both train and late.*Received: none. Deliver"):
        data.ranking_queries(9, 1)


def test_attributes_are_counted_in_the_order_of_their_columns(open_data: Open) -> None:
    # By name: age before country.
    assert open_data({}).attribute_values() == [2, 3]


def test_user_shapes_have_a_batch_dimension_when_asked(twelve: TransformedData) -> None:
    specs = twelve.user_specs()
    assert set(specs) == {*features.USER_FEATURES, features.SEEN_INDEX}
    assert specs[features.HISTORY_INDEX].shape.as_list() == [None, 3]
    assert specs[features.USER_INDEX].shape.as_list() == [None]
    assert specs[features.SEEN_INDEX].shape.as_list() == [None, None]


def test_reading_fails_when_a_split_is_missing_or_empty(open_data: Open) -> None:
    splits = {split: numbered([]) for split in (features.TRAIN_SPLIT, features.LATE_SPLIT)}
    data = open_data(splits)
    with pytest.raises(ValueError, match="a folder Split-items was expected among .*Split-train"):
        data.items()
    with pytest.raises(UnsuitableDataError, match="no example in train and late.*Check data.split"):
        data.sample(3, 1)


def test_batches_are_the_same_when_beam_wrote_in_another_order(open_data: Open) -> None:
    late = {features.LATE_SPLIT: numbered([10, 11])}
    data = open_data({features.TRAIN_SPLIT: numbered(range(6), range(6, 10))} | late)
    batches, sampled = items(data, 4, seed=3), data.sample(5, seed=3)
    train = {features.TRAIN_SPLIT: numbered([9, 2, 7, 4], [8, 0, 1, 6, 3, 5])}
    # Opened anew: what was read before is kept.
    rewritten = open_data(train | late)
    assert items(rewritten, 4, seed=3) == batches
    again = rewritten.sample(5, seed=3)
    assert again[features.ITEM_INDEX].tolist() == sampled[features.ITEM_INDEX].tolist()
