import numpy as np
import pytest

from models.retrieval.factor_fold_in import check_fold_in, logistic, ridge


def test_indices_come_back_as_an_array_when_they_can_be_solved_from() -> None:
    checked = check_fold_in("item_index", [3, 1], 3, [0.5, 1.0])
    assert checked.dtype == np.int64
    assert checked.tolist() == [3, 1]


def test_says_so_when_nothing_can_be_solved_from() -> None:
    with pytest.raises(ValueError, match="item_index must name at least one. Received: none"):
        check_fold_in("item_index", [], 3)
    with pytest.raises(ValueError, match="between 1 and 24. Received: 0 to 25"):
        check_fold_in("item_index", [0, 25], 24)
    with pytest.raises(ValueError, match="same length. Received: 2 and 1"):
        check_fold_in("item_index", [1, 2], 3, [5.0])
    with pytest.raises(ValueError, match="must be finite. Received: nan"):
        check_fold_in("item_index", [1], 3, [np.nan])


def test_ridge_weighs_error_against_length_when_it_is_regularized() -> None:
    vectors, target = np.array([[2.0]], np.float32), np.array([3.0], np.float32)
    # 1/2 (2z - 3)^2 + 2/2 z^2 is least where 2 (2z - 3) + 2z = 0: z = 1.
    assert ridge(vectors, target, 2.0, bias=False) == pytest.approx([1.0, 0.0])


def test_logistic_meets_the_penalty_when_its_gradient_is_zero() -> None:
    one = np.ones([1, 1], np.float32)
    z, b = logistic(one, np.zeros(1, np.float32), np.ones(1, np.float32), 0.5)
    # Both move the score alike, so z = b, and sigmoid(2z) - 1 + z/2 = 0.
    assert z == pytest.approx(b, abs=1e-4)
    assert 1.0 / (1.0 + np.exp(-2.0 * z)) - 1.0 + 0.5 * z == pytest.approx(0.0, abs=1e-3)
