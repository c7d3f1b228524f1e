from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

from models import features
from models.item_table import ItemTable
from models.retrieval.linear import ItemWeights, LinearRetrieval, low_rank, serve_weights
from models.retrieval.model import FitContext
from models.retrieval.options import EaseOptions

# Item 2 of 3 has no weights.
WEIGHTS = ItemWeights(np.array([0, 2]), np.array([[0.0, 0.5], [0.25, 0.0]], np.float32), 3)
LEFT = np.array([[0, 0], [1, 2], [3, 4], [5, 6]], np.float32)
RIGHT = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)


def seen(*histories: list[int]) -> dict[str, tf.Tensor]:
    return {features.SEEN_INDEX: tf.constant(histories, tf.int64)}


def test_adds_weights_of_the_history_when_items_are_scored() -> None:
    histories = sparse.csr_matrix(np.array([[1, 0, 1], [0, 1, 0]], np.float32))
    # Item 1 speaks 0.5 for item 3, item 3 speaks 0.25 for item 1, item 2 for nobody.
    assert WEIGHTS.scores(histories).tolist() == [[0.25, 0.0, 0.5], [0.0, 0.0, 0.0]]
    assert WEIGHTS.size == 4


def test_scores_alike_when_the_weights_are_sparse() -> None:
    few = ItemWeights(WEIGHTS.known, sparse.csr_matrix(WEIGHTS.matrix), 3)
    histories = sparse.csr_matrix(np.array([[1, 1, 0], [0, 0, 1]], np.float32))
    assert few.scores(histories).tolist() == WEIGHTS.scores(histories).tolist()
    assert few.size == 2


def test_sums_left_vectors_to_unit_length_when_users_are_embedded() -> None:
    model = LinearRetrieval(WEIGHTS, LEFT, RIGHT)
    embedded = model.embed_users(seen([3, 1, 0], [0, 0, 0]))
    # (5, 6) + (1, 2) = (6, 8), of length 10; nothing seen is nothing said.
    assert embedded.numpy() == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))
    assert model.embed_items(tf.constant([3, 0])).numpy().tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_folded_in_user_is_embedded_like_others_when_they_have_seen_the_same() -> None:
    model = LinearRetrieval(WEIGHTS, LEFT, RIGHT)
    # (5, 6) + (1, 2) = (6, 8), of length 10, whatever the ratings.
    assert model.fold_in_user([3, 1]) == pytest.approx([0.6, 0.8])
    assert model.fold_in_user([3, 1], [1.0, 5.0]) == pytest.approx([0.6, 0.8])
    with pytest.raises(ValueError, match="item_index must be between 1 and 3. Received: 1 to 4"):
        model.fold_in_user([1, 4])


def test_exact_scores_are_divided_by_the_temperature_when_logits_are_asked_for() -> None:
    model = LinearRetrieval(WEIGHTS, LEFT, RIGHT)
    model.scale.assign(0.5)
    logits = model.scorer()(seen([1, 0], [0, 0]))
    # Item 1 speaks 0.5 for item 3, over 0.5 and the length √5 of (1, 2), its left vector; place 0
    # is the unknown item's.
    expected = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]) / np.sqrt(5.0)
    assert logits.numpy() == pytest.approx(expected)
    # Left (1, 2) with (1, 0), (0, 1) and (1, 1), over the same.
    served = model.served_scorer()(seen([1])).numpy()
    assert served == pytest.approx(np.array([[0.0, 2.0, 4.0, 6.0]]) / np.sqrt(5.0))


def test_nothing_is_lost_when_the_rank_is_full() -> None:
    matrix = np.random.default_rng(5).normal(size=[4, 4]).astype(np.float32)
    left, right = low_rank(matrix, 6, seed=1)
    assert left.shape == right.shape == (4, 6)
    assert left @ right.T == pytest.approx(matrix, abs=1e-5)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_the_largest_part_is_kept_when_the_rank_is_cut(wrap: Callable[[Any], Any]) -> None:
    # The singular values are 3, 2 and 1, each at a place of its own.
    matrix = np.array([[0, 3, 0], [2, 0, 0], [0, 0, -1]], np.float32)
    left, right = low_rank(wrap(matrix), 2, seed=1)
    assert left @ right.T == pytest.approx(
        np.array([[0, 3, 0], [2, 0, 0], [0, 0, 0]], np.float32), abs=1e-5
    )
    # Half of a singular value to either side: both rows of item 0's weight are sqrt(3) long.
    assert np.linalg.norm(left[0]) == pytest.approx(np.sqrt(3.0))
    assert np.linalg.norm(right[1]) == pytest.approx(np.sqrt(3.0))


def test_the_same_factors_come_when_the_seed_is_the_same() -> None:
    matrix = np.random.default_rng(5).normal(size=[30, 30]).astype(np.float32)
    first, second = low_rank(matrix, 5, seed=1), low_rank(matrix, 5, seed=1)
    assert first[0].tolist() == second[0].tolist()
    assert first[1].tolist() == second[1].tolist()


def test_factors_are_zeros_when_no_item_speaks_for_another() -> None:
    left, right = low_rank(sparse.csr_matrix((5, 5), dtype=np.float32), 2, seed=1)
    assert not left.any()
    assert not right.any()


def test_new_items_get_the_mean_of_their_category_when_the_model_is_made(
    in_memory: Callable[..., Any], interactions: dict[str, Any], table: ItemTable
) -> None:
    known = np.arange(table.size)[1:]  # item 1 is new; it is in category 0, as all are
    matrix = np.random.default_rng(5).normal(size=[len(known)] * 2).astype(np.float32)
    options = EaseOptions(embedding_dimension=30, validation_interactions=100)
    context = FitContext(seed=1, rating_range=None, log_folder="")
    model = serve_weights(
        ItemWeights(known, matrix, table.size), in_memory(interactions), options, context
    )
    items = model.embed_items(tf.range(table.size + 1)).numpy()
    assert items[1] == pytest.approx(items[2:].mean(axis=0), abs=1e-5)
    assert not items[0].any()
    assert float(model.temperature()) > 0.0
