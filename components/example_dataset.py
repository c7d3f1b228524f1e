"""The files of a split as a dataset of serialized Examples."""

import tensorflow as tf
from tfx.dsl.io import fileio


def example_dataset(split_uri: str) -> tf.data.Dataset:
    """Returns the serialized Examples of a split, string [], in the order of the files' names."""
    files = sorted(str(file) for file in fileio.glob(f"{split_uri}/*"))
    datasets = [
        tf.data.TFRecordDataset([file], compression_type="GZIP" if file.endswith(".gz") else "")
        for file in files
    ]
    if not datasets:
        return tf.data.Dataset.from_tensor_slices(tf.constant([], tf.string))
    joined = datasets[0]
    for dataset in datasets[1:]:
        joined = joined.concatenate(dataset)
    return joined
