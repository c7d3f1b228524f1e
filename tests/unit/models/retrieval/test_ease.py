import numpy as np
import pytest
from scipy import sparse

from models.retrieval import ease
from models.retrieval.ease import ease_weights

# Four users, four items: the last item has no interaction.
CHOSEN = sparse.csr_matrix(
    np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]], dtype=np.float32)
)


def test_solves_its_equations_when_fitted() -> None:
    fitted = ease_weights(CHOSEN, 2.0, 10)
    weights = fitted.scores(sparse.identity(4, dtype=np.float32, format="csr"))
    assert np.diag(weights) == pytest.approx(np.zeros(4))
    assert weights[3].tolist() == weights[:, 3].tolist() == [0, 0, 0, 0]
    assert fitted.known.tolist() == [0, 1, 2]
    # Where the diagonal is held at 0, the gradient X'(XB - X) + λB is 0 elsewhere.
    gram = (CHOSEN.T @ CHOSEN).toarray()
    gradient = gram @ weights - gram + 2.0 * weights
    assert gradient[~np.eye(4, dtype=bool)] == pytest.approx(np.zeros(12), abs=1e-5)


def test_weighs_as_worked_out_when_there_are_two_items() -> None:
    # X'X = [[3, 2], [2, 2]]; with λ = 1, G = [[4, 2], [2, 3]] and P = [[3, -2], [-2, 4]] / 8.
    # B_ij = -P_ij / P_jj: B_01 = 2 / 4, B_10 = 2 / 3.
    weights = ease_weights(CHOSEN[:, :2], 1.0, 2).matrix
    assert weights.ravel() == pytest.approx([0.0, 1 / 2, 2 / 3, 0.0])


def test_blocks_change_nothing_when_items_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    random = sparse.random(30, 40, 0.2, "csr", np.float32, np.random.default_rng(3))
    random.data[:] = 1.0
    whole = ease_weights(random, 5.0, 40).matrix
    monkeypatch.setattr(ease, "BLOCK", 7)
    assert ease_weights(random, 5.0, 40).matrix == pytest.approx(whole)


def test_refuses_when_there_are_too_many_items() -> None:
    with pytest.raises(ValueError, match="at most 2 items.*Received: 3. Raise retrieval.max_items"):
        ease_weights(CHOSEN, 300.0, 2)


def test_refuses_when_nobody_has_chosen_anything() -> None:
    with pytest.raises(ValueError, match="at least 1 .*Received: 0"):
        ease_weights(sparse.csr_matrix((3, 4), dtype=np.float32), 300.0, 2)


@pytest.mark.parametrize("regularization", [0.0, -1.0, float("nan")])
def test_refuses_when_the_regularization_is_not_positive(regularization: float) -> None:
    with pytest.raises(ValueError, match="regularization must be above 0. Received"):
        ease_weights(CHOSEN, regularization, 10)


def test_stops_when_float32_cannot_tell_items_apart() -> None:
    # Two items with the same users, and a λ that is lost beside 20,000,000 of them.
    twins = sparse.csr_matrix(np.full([4, 2], np.sqrt(5e6), np.float32))
    with pytest.raises(FloatingPointError, match="singular.*Raise its regularization"):
        ease_weights(twins, 1e-3, 10)
