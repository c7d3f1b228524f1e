import pathlib

import numpy as np
import pytest
import tensorflow as tf

from models import contract
from models.index import BruteForceIndex, PartialIndex
from models.servable_check import ServableError, check_index_size, check_servable


class Broken(tf.Module):
    """Recommends the given items with the given score; fails for a k above `most`."""

    def __init__(self, ids: list[str], score: float, most: int) -> None:
        super().__init__()
        self._most = most
        self._ids = ids
        self._score = score

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, contract.USER_ID),
            tf.TensorSpec([], tf.int32, contract.K),
        ]
    )
    def recommend(self, user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        score = tf.fill([1, len(self._ids)], self._score)
        tf.debugging.Assert(k <= self._most, ["k is too large"])
        return {contract.ITEM_ID: tf.constant([self._ids]), contract.SCORE: score}


@pytest.mark.parametrize(
    ("ids", "score", "most", "message"),
    [
        (["a", "b", "a"], 1.0, 100, "serving_default lists an item twice"),
        (["a", "b", ""], float("nan"), 100, "serving_default returns a score that is not finite"),
        (["a"], 1.0, 1, "(?s)the signature serving_default does not answer: .*k is too large"),
        (["a"], 1.0, 100, "must have the signature recommend. Received: none"),
    ],
)
def test_servable_is_refused_when_a_signature_answers_badly(
    ids: list[str], score: float, most: int, message: str, tmp_path: pathlib.Path
) -> None:
    module = Broken(ids, score, most)
    signatures = {contract.SERVING_DEFAULT: module.recommend}
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    with pytest.raises(ServableError, match=message):
        check_servable(str(tmp_path), b"a", b"u", tf.constant([b""]))


class Forgetful(BruteForceIndex):
    """Pads where its third item should stand."""

    def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        index, score = super().search(queries, n)
        return tf.where(index == 3, 0, index), score


def test_index_is_refused_when_it_lacks_an_item() -> None:
    vectors = np.eye(5, dtype=np.float32)  # of items 0 to 4, of which 0 is none
    items = np.arange(1, 5)
    check_index_size(BruteForceIndex(vectors[1:]), vectors, items)
    with pytest.raises(ServableError, match="must hold 4 items of the catalogue. Received: 3"):
        check_index_size(Forgetful(vectors[1:]), vectors, items)


def test_index_of_some_items_is_refused_when_it_holds_others() -> None:
    vectors, items = np.eye(5, dtype=np.float32), np.array([1, 4])
    own = BruteForceIndex(vectors[items])
    check_index_size(PartialIndex(own, items.astype(np.int32)), vectors, items)
    # Positions of a wrapped index that are taken for items: 1 and 2.
    with pytest.raises(ServableError, match="must hold 2 items of the catalogue. Received: 2"):
        check_index_size(own, vectors, items)
