import numpy as np
import pytest
import tensorflow as tf

from models.retrieval import normal_equations
from models.retrieval.normal_equations import check_condition, entry_sums, rows_at_once, solve

# Index 0 pads; root of the weights of the entries 1 and 2: 2 and 1.
VECTORS = tf.constant([[0.0, 0.0], [1.0, 2.0], [3.0, 0.0]])
ROOT = tf.constant([0.0, 2.0, 1.0])


def entries(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    root = tf.gather(ROOT, index)
    return tf.gather(VECTORS, index) * root[..., tf.newaxis], tf.math.divide_no_nan(
        tf.ones_like(root), root
    )


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_entries_are_summed_when_taken_some_at_a_time(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normal_equations, "ENTRIES_AT_ONCE", at_once)
    outer, total = entry_sums(entries, tf.constant([[1, 2, 0], [2, 0, 0]]))
    # 4 (1, 2)(1, 2)' + (3, 0)(3, 0)' = [[4 + 9, 8], [8, 16]]; (1, 2) + (3, 0) = (4, 2).
    assert outer.numpy().tolist() == [[[13, 8], [8, 16]], [[9, 0], [0, 0]]]
    assert total.numpy().tolist() == [[[4], [2]], [[3], [0]]]


def test_sums_are_zero_when_there_is_no_column() -> None:
    outer, total = entry_sums(entries, tf.zeros([1, 0], tf.int32))
    assert not outer.numpy().any()
    assert not total.numpy().any()


def test_systems_are_solved_when_positive_definite() -> None:
    # [[2, 1], [1, 2]] (1, -1) = (1, -1).
    solution = solve(tf.constant([[[2.0, 1.0], [1.0, 2.0]]]), tf.constant([[[1.0], [-1.0]]]))
    assert solution.numpy()[0] == pytest.approx([1.0, -1.0])


def test_fewer_rows_are_solved_at_once_when_vectors_are_longer() -> None:
    assert rows_at_once(64) == 1024  # 2^22 / 64^2
    assert rows_at_once(1024) == 4  # 2^22 / 1024^2
    assert rows_at_once(4096) == 1


def test_a_matrix_is_refused_when_singular() -> None:
    assert check_condition(np.diag([4.0, 2.0]).astype(np.float32)) == pytest.approx(2.0)
    for singular in (np.zeros([2, 2], np.float32), np.ones([2, 2], np.float32)):
        with pytest.raises(ValueError, match="a single solution.*Raise regularization"):
            check_condition(singular)
