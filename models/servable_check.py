"""What a finished servable must hold, checked before anybody evaluates it."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import contract
from models.index import Index
from models.item_table import FloatArray

LISTS = {contract.ITEM_ID, contract.RECOMMENDED_ITEM_ID, contract.POPULAR_ITEM_ID}


class ServableError(Exception):
    """The finished servable failed one of its own checks."""


def check_index_size(index: Index, vectors: FloatArray, items: npt.NDArray[np.int64]) -> None:
    """Asks an index for everything.

    Args:
        index: to be checked.
        vectors: float32 [N+1, D], by item index.
        items: int64 [M], those that the index was built of, in ascending order.

    Raises:
        ServableError: unless the index holds each of the M items once.
    """
    found, _ = index.search(tf.constant(vectors[items[:1]]), tf.constant(len(items)))
    distinct = np.setdiff1d(found.numpy(), [0])
    if not np.array_equal(distinct, items):
        raise ServableError(
            f"the index must hold {len(items)} items of the catalogue. Received: {len(distinct)}. "
            "Raise index.reorder, or set index.kind to brute_force."
        )


def check_servable(path: str, item_id: bytes, user_id: bytes, query: tf.Tensor) -> None:
    """Loads a saved servable and calls each of its signatures.

    Args:
        path: of the SavedModel.
        item_id: of an item of the catalogue.
        user_id: of a known user.
        query: string [1], a serialized Example of a user.

    Raises:
        ServableError: if a signature does not answer, or answers with an item listed twice or a
            number that is not finite.
    """
    signatures = tf.saved_model.load(path).signatures
    for name, inputs in _calls(item_id, user_id, query).items():
        if name not in signatures:
            raise ServableError(f"the servable must have the signature {name}. Received: none.")
        try:
            outputs = signatures[name](**inputs)
        except tf.errors.OpError as err:
            raise ServableError(f"the signature {name} does not answer: {err.message}") from err
        for output, value in outputs.items():
            if value.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(value))):
                raise ServableError(f"{name} returns a {output} that is not finite for {inputs}.")
        for output in LISTS & outputs.keys():
            listed = [listed_id for listed_id in outputs[output].numpy().ravel() if listed_id]
            if len(listed) != len(set(listed)):
                raise ServableError(f"{name} lists an item twice for {inputs}.")


def _calls(item_id: bytes, user_id: bytes, query: tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
    """One request for each signature."""
    user = {contract.USER_ID: tf.constant([user_id])}
    item = {contract.ITEM_ID: tf.constant([item_id])}
    k = {contract.K: tf.constant(contract.EVALUATED_LIST_LENGTH)}
    nothing, strength = tf.constant([[b""]]), tf.zeros([1])
    context = {
        contract.HISTORY_ITEM_ID: nothing,
        contract.EXCLUDE_ITEM_ID: nothing,
        contract.EXCLUDE_CATEGORY: nothing,
        contract.DIVERSITY: strength,
        contract.FRESHNESS: strength,
    }
    return {
        contract.SERVING_DEFAULT: user | k,
        contract.RECOMMEND: user | k,
        contract.RECOMMEND_WITH_CONTEXT: user | k | context,
        contract.RETRIEVE: user | k,
        contract.RANK: user | {contract.ITEM_ID: tf.constant([[item_id]])},
        contract.SIMILAR_ITEMS: item | k,
        contract.EMBED_USERS: user,
        contract.EMBED_ITEMS: item,
        contract.DESCRIBE_ITEMS: item,
        contract.EVALUATE: {contract.EXAMPLES: query},
    }
