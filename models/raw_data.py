"""Reads raw examples of the catalogue and of users, as the servable's stores need them."""

import math
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from models import features
from models.item_store import CatalogueItem

READ_BATCH = 1024


def serialized_batches(split_folder: str) -> Iterator[tf.Tensor]:
    """Yields batches of serialized Examples, string [B], from the gzip TFRecords of a split."""
    files = sorted(str(path) for path in Path(split_folder).iterdir() if path.is_file())
    if not files:
        raise ValueError(f"{split_folder} must hold TFRecord files. Received: an empty folder.")
    yield from tf.data.TFRecordDataset(files, compression_type="GZIP").batch(READ_BATCH)


def read_catalogue(split_folder: str) -> dict[bytes, CatalogueItem]:
    """Reads the items split.

    Args:
        split_folder: of gzip TFRecords.

    Returns:
        The items by id.
    """
    spec = {
        features.ITEM_ID: tf.io.FixedLenFeature([], tf.string),
        features.ITEM_TITLE: tf.io.FixedLenFeature([], tf.string, ""),
        features.ITEM_CATEGORY: tf.io.RaggedFeature(tf.string),
        features.ITEM_INTERACTION_COUNT: tf.io.FixedLenFeature([], tf.float32),
        features.ITEM_AGE_DAYS: tf.io.FixedLenFeature([], tf.float32, math.nan),
        features.ITEM_FLAG: tf.io.RaggedFeature(tf.string),
    }
    catalogue = {}
    known: dict[bytes, bytes] = {}  # a category is one object, however many items have it
    for serialized in serialized_batches(split_folder):
        parsed = tf.io.parse_example(serialized, spec)
        columns = (
            parsed[features.ITEM_ID].numpy(),
            parsed[features.ITEM_TITLE].numpy(),
            parsed[features.ITEM_CATEGORY].to_list(),
            parsed[features.ITEM_INTERACTION_COUNT].numpy().tolist(),
            parsed[features.ITEM_AGE_DAYS].numpy().tolist(),
            parsed[features.ITEM_FLAG].to_list(),
        )
        for item_id, title, categories, count, age, flags in zip(*columns, strict=True):
            catalogue[item_id] = CatalogueItem(
                item_id=item_id,
                title=title or item_id,
                categories=tuple(known.setdefault(name, name) for name in categories),
                interactions=count,
                age_days=None if math.isnan(age) else age,
                flags=tuple(flags),
            )
    return catalogue
