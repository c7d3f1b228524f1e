import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.membership import is_member

small = st.integers(-2, 6)


@settings(deadline=None, max_examples=80)
@given(data=st.data(), rows=st.integers(1, 4))
def test_membership_is_that_of_python_sets_when_rows_differ(data: st.DataObject, rows: int) -> None:
    def table(width: int) -> np.ndarray:
        return data.draw(hnp.arrays(np.int32, (rows, width), elements=small))

    values, members = table(data.draw(st.integers(0, 6))), table(data.draw(st.integers(0, 6)))
    found = is_member(tf.constant(values), tf.constant(members)).numpy()
    expected = [[v in set(own) for v in row] for row, own in zip(values, members, strict=True)]
    assert found.tolist() == expected


@pytest.mark.parametrize("width", [0, 2])
def test_membership_holds_when_the_width_is_known_only_in_the_graph(width: int) -> None:
    spec = tf.TensorSpec([None, None], tf.int32)
    graph = tf.function(is_member, input_signature=[spec, spec])
    found = graph(tf.constant([[3, 5, 0]]), tf.constant([[5, 3]])[:, :width])
    assert found.numpy().tolist() == [[width == 2, width == 2, False]]
