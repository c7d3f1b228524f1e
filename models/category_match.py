"""How well items fit what a user had of their categories."""

import tensorflow as tf

from models import features


def category_match(
    inputs: dict[str, tf.Tensor], multi_hot: tf.Tensor, item_index: tf.Tensor
) -> tf.Tensor:
    """Averages the user's profile over the categories of items.

    Args:
        inputs: transformed user features, each [B, ...].
        multi_hot: float32 [N+1, C], categories by item index.
        item_index: int [B, N].

    Returns:
        Means of the user's share and of their rating, float32 [B, N, 2]; 0 without categories.
    """
    profile = [inputs[features.USER_CATEGORY_SHARE], inputs[features.USER_CATEGORY_RATING]]
    categories = tf.gather(multi_hot, item_index)
    number = tf.reduce_sum(categories, axis=2, keepdims=True)
    return tf.math.divide_no_nan(tf.matmul(categories, tf.stack(profile, axis=2)), number)
