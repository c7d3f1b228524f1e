"""The files of a split as a dataset of serialized Examples."""

import os

import tensorflow as tf
from tfx.dsl.io import fileio


def example_dataset(split_uri: str) -> tf.data.Dataset:
    """Returns the serialized Examples of a split, string [], in the order of the files' names.

    Args:
        split_uri: a folder of gzip TFRecords; without one the dataset is empty.
    """
    # Listed, not globbed: brackets in the name of an output folder mean themselves.
    names = sorted(map(str, fileio.listdir(split_uri))) if fileio.isdir(split_uri) else []
    files = tf.constant([os.path.join(split_uri, name) for name in names], tf.string)
    return tf.data.TFRecordDataset(files, compression_type="GZIP")
