import pathlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from models import features
from models.transformed_data import INTERACTION_FEATURES, TransformedData, with_training

SPEC = {
    features.USER_INDEX: tf.io.FixedLenFeature([], tf.int64),
    features.USER_STATISTICS: tf.io.FixedLenFeature([2], tf.float32),
    features.USER_CATEGORY_SHARE: tf.io.FixedLenFeature([1], tf.float32),
    features.USER_CATEGORY_RATING: tf.io.FixedLenFeature([1], tf.float32),
    features.USER_ATTRIBUTE_INDEX: tf.io.FixedLenFeature([2], tf.int64),
    features.HISTORY_INDEX: tf.io.FixedLenFeature([3], tf.int64),
    features.ITEM_INDEX: tf.io.FixedLenFeature([], tf.int64),
    features.LABEL_RATING: tf.io.FixedLenFeature([], tf.float32),
}


@pytest.fixture
def opened(tmp_path: pathlib.Path) -> Any:
    """Opens 10 train examples, in two files, and no eval example; item i is that of row i."""
    schema = schema_utils.schema_from_feature_spec(SPEC)
    graph = tmp_path / "graph"
    metadata_io.write_metadata(
        dataset_metadata.DatasetMetadata(schema), str(graph / "transformed_metadata")
    )
    for split, files in {"train": [range(6), range(6, 10)], "eval": [range(0)]}.items():
        folder = tmp_path / f"Split-{split}"
        folder.mkdir()
        for number, rows in enumerate(files):
            write(folder / f"{number}.gz", list(rows))
    patterns = [str(tmp_path / f"Split-{split}" / "*") for split in ("train", "eval")]
    return TransformedData(patterns, str(graph))


def write(file: pathlib.Path, rows: list[int]) -> None:
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for row in rows:
            writer.write(serialized(row))


def serialized(item: int) -> bytes:
    example = tf.train.Example()
    for name, spec in SPEC.items():
        number = int(np.prod(spec.shape))
        if spec.dtype == tf.int64:
            example.features.feature[name].int64_list.value.extend([item] * number)
        else:
            example.features.feature[name].float_list.value.extend([item / 2] * number)
    return example.SerializeToString()


def items(data: TransformedData, batch_size: int, seed: int) -> list[list[int]]:
    return [
        batch[features.ITEM_INDEX].numpy().tolist()
        for batch in data.interactions("train", batch_size, seed)
    ]


def test_every_row_is_read_once_when_batches_divide_the_split(opened: TransformedData) -> None:
    batches = items(opened, 5, 1)
    assert [len(batch) for batch in batches] == [5, 5]
    assert sorted(sum(batches, [])) == list(range(10))
    assert batches == items(opened, 5, 1)
    assert batches != items(opened, 5, 2)


def test_last_batch_is_left_out_when_incomplete(opened: TransformedData) -> None:
    assert [len(batch) for batch in items(opened, 4, 1)] == [4, 4]


def test_split_is_one_batch_when_smaller_than_a_batch(opened: TransformedData) -> None:
    assert [sorted(batch) for batch in items(opened, 512, 1)] == [list(range(10))]


def test_sample_holds_distinct_rows_with_their_features_when_drawn(
    opened: TransformedData,
) -> None:
    sample = opened.sample("train", 4, 1)
    assert set(sample) == {*INTERACTION_FEATURES, features.SEEN_INDEX}
    index = sample[features.ITEM_INDEX]
    assert Counter(index).most_common(1)[0][1] == 1
    assert len(index) == 4
    np.testing.assert_array_equal(sample[features.LABEL_RATING], index / 2)
    for name in (features.HISTORY_INDEX, features.SEEN_INDEX):
        np.testing.assert_array_equal(sample[name], np.stack([index] * 3, axis=1))
    assert len(opened.sample("train", 99, 1)[features.ITEM_INDEX]) == 10


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


def test_user_shapes_have_a_batch_dimension_when_asked(opened: TransformedData) -> None:
    specs = opened.user_specs()
    assert set(specs) == {*features.USER_FEATURES, features.SEEN_INDEX}
    assert specs[features.HISTORY_INDEX].shape.as_list() == [None, 3]
    assert specs[features.USER_INDEX].shape.as_list() == [None]
    assert specs[features.SEEN_INDEX].shape.as_list() == [None, None]


def test_reading_fails_when_a_split_is_missing_or_empty(opened: TransformedData) -> None:
    with pytest.raises(ValueError, match="a folder Split-items was expected among .*Split-train"):
        opened.items()
    with pytest.raises(ValueError, match="the split eval has no example. Check data.split"):
        opened.sample("eval", 3, 1)


def test_batches_are_the_same_when_beam_wrote_in_another_order(
    opened: Any, tmp_path: pathlib.Path
) -> None:
    batches, sampled = items(opened, 4, seed=3), opened.sample("train", 5, seed=3)
    write(tmp_path / "Split-train" / "0.gz", [9, 2, 7, 4])
    write(tmp_path / "Split-train" / "1.gz", [8, 0, 1, 6, 3, 5])
    # Opened anew: what was read before is kept.
    rewritten = TransformedData([str(tmp_path / "Split-train" / "*")], str(tmp_path / "graph"))
    assert items(rewritten, 4, seed=3) == batches
    again = rewritten.sample("train", 5, seed=3)
    assert again[features.ITEM_INDEX].tolist() == sampled[features.ITEM_INDEX].tolist()
