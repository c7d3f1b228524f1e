import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components import example_codec as codec

_INT64 = st.integers(-(2**63), 2**63 - 1)


@given(
    texts=st.lists(st.text(max_size=200)),
    floats=st.lists(st.floats(width=32, allow_nan=False)),
    integers=st.lists(_INT64),
)
def test_tensorflow_reads_what_was_encoded_when_values_are_arbitrary(texts, floats, integers):
    entries = b"".join(codec.bytes_entry(text) for text in texts)
    encoded = codec.example(
        codec.bytes_feature("texts", entries)
        + codec.float_feature("floats", floats)
        + codec.int64_feature("integers", integers)
    )
    found = tf.train.Example.FromString(encoded).features.feature
    assert [value.decode() for value in found["texts"].bytes_list.value] == texts
    assert list(found["floats"].float_list.value) == floats
    assert list(found["integers"].int64_list.value) == integers


def test_a_feature_is_left_out_when_it_has_no_values():
    parts = (
        codec.bytes_feature("a", b"") + codec.float_feature("b", []) + codec.int64_feature("c", [])
    )
    assert parts == b""


def test_an_empty_text_is_a_value_when_it_is_encoded():
    encoded = codec.example(codec.bytes_feature("a", codec.bytes_entry("")))
    found = tf.train.Example.FromString(encoded).features.feature
    assert list(found["a"].bytes_list.value) == [b""]


def test_the_fast_parser_agrees_when_it_reads_an_encoded_example():
    encoded = codec.example(
        codec.bytes_feature("a", codec.bytes_entry("é" * 100))
        + codec.float_feature("b", np.array([1.5, -2.0]))
        + codec.int64_feature("c", [-1])
    )
    parsed = tf.io.parse_single_example(
        encoded,
        {
            "a": tf.io.FixedLenFeature([], tf.string),
            "b": tf.io.FixedLenFeature([2], tf.float32),
            "c": tf.io.FixedLenFeature([], tf.int64),
        },
    )
    assert parsed["a"].numpy().decode() == "é" * 100
    assert parsed["b"].numpy().tolist() == [1.5, -2.0]
    assert parsed["c"].numpy() == -1
