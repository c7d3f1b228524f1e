"""Reads raw examples of the catalogue and of users, as the servable's stores need them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
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
    }
    catalogue = {}
    for serialized in serialized_batches(split_folder):
        parsed = tf.io.parse_example(serialized, spec)
        ids = parsed[features.ITEM_ID].numpy()
        titles = parsed[features.ITEM_TITLE].numpy()
        categories = parsed[features.ITEM_CATEGORY].to_list()
        counts = np.asarray(parsed[features.ITEM_INTERACTION_COUNT])
        for item_id, title, names, count in zip(ids, titles, categories, counts, strict=True):
            catalogue[item_id] = CatalogueItem(
                item_id, title or item_id, tuple(names), float(count)
            )
    return catalogue
