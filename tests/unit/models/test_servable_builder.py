import pathlib

import pytest
import tensorflow as tf

from models import contract
from models.servable_builder import ServableError, check_servable


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
        (["a", "b", "a"], 1.0, 2, "recommend lists an item twice"),
        (["a", "b", ""], float("nan"), 2, "recommend returns a score that is not finite"),
        (["a"], 1.0, 1, "(?s)the signature recommend does not answer: .*k is too large"),
    ],
)
def test_servable_is_refused_when_a_signature_answers_badly(
    ids: list[str], score: float, most: int, message: str, tmp_path: pathlib.Path
) -> None:
    module = Broken(ids, score, most)
    tf.saved_model.save(module, str(tmp_path), signatures={contract.RECOMMEND: module.recommend})
    with pytest.raises(ServableError, match=message):
        check_servable(str(tmp_path), [b"a", b"b"], b"u")
