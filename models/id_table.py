"""Ids to positions, by a file of the bundle."""

import tensorflow as tf


def id_table(id_file: str) -> tf.lookup.StaticHashTable:
    """Returns a table from text to the number of its line, int64, from 0; -1 for any other text.

    Args:
        id_file: a text file with one id a line. A table that is part of a saved module takes the
            file along as an asset, so that no large constant is written into the graph.
    """
    return tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            id_file,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        default_value=-1,
    )
