"""How alike a user and an item are, as vectors whose inner product says it.

An index searches by inner product alone, so each similarity is a change of the vectors: what the
towers give goes in, what is stored and searched comes out.
"""

import tensorflow as tf

from models.retrieval.options import SimilarityOptions

SMALLEST_SQUARED_NORM = 1e-12  # a shorter vector is divided as if it were this long


def user_vectors(vectors: tf.Tensor, options: SimilarityOptions) -> tf.Tensor:
    """Changes users' vectors, so that inner products with `item_vectors` are the similarity.

    Args:
        vectors: float32 [B, D], of any length.
        options: the similarity.

    Returns:
        float32 [B, D]; [B, D + 2] for euclidean.
    """
    if options.kind == "cosine":
        return tf.math.l2_normalize(vectors, axis=-1)
    if options.kind == "euclidean":
        # -|u - x|^2 = 2 u.x - |u|^2 - |x|^2, and the item brings 1 and |x|^2.
        return tf.concat([2.0 * vectors, -_squared_norm(vectors), -_ones(vectors)], axis=-1)
    return vectors


def item_vectors(vectors: tf.Tensor, options: SimilarityOptions) -> tf.Tensor:
    """Changes items' vectors; the first D components go on to say what the item is like.

    Args:
        vectors: float32 [n, D], of any length.
        options: the similarity. Dot products let long vectors win with every user that does not
            point away from them, and training makes vectors of popular items long; `norm_power`
            takes that back bit by bit: 0 is the dot product, 1 ranks as the cosine.

    Returns:
        float32 [n, D]; [n, D + 2] for euclidean.

    Source: Google, Recommendation Systems course, "Candidate generation", on choosing a similarity.
    """
    if options.kind == "cosine":
        return tf.math.l2_normalize(vectors, axis=-1)
    if options.kind == "euclidean":
        return tf.concat([vectors, _ones(vectors), _squared_norm(vectors)], axis=-1)
    if options.kind == "dot_over_norm":
        squared = tf.maximum(_squared_norm(vectors), SMALLEST_SQUARED_NORM)
        return vectors * squared ** (-0.5 * options.norm_power)
    return vectors


def _squared_norm(vectors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(vectors**2, axis=-1, keepdims=True)


def _ones(vectors: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(vectors[..., :1])
