"""Serialized query Examples to model features, by the transform graph."""

from typing import NamedTuple

import tensorflow as tf
import tensorflow_transform as tft

from models import features


class Query(NamedTuple):
    """Users as of the split.

    Attributes:
        inputs: transformed user features, each [B, ...].
        seen_item_id: string [B, n], "" pads.
        chosen_item_id: string [B, L], "" pads.
    """

    inputs: dict[str, tf.Tensor]
    seen_item_id: tf.Tensor
    chosen_item_id: tf.Tensor


class QueryParser(tf.Module):
    """Applies the transform graph to users."""

    def __init__(self, transform_output: tft.TFTransformOutput):
        """Loads the transform graph.

        Args:
            transform_output: of the Transform run that trained the model.
        """
        super().__init__(name="query_parser")
        self._transform = transform_output.transform_features_layer()
        raw = transform_output.raw_feature_spec()
        self._raw_spec = {
            name: raw[name]
            for name in raw
            if name in features.RAW_USER_FEATURES or name.startswith(features.USER_ATTRIBUTE_PREFIX)
        }

    def parse(self, examples: tf.Tensor) -> Query:
        """Reads users; `seen_item_id` and `chosen_item_id` may be absent.

        Args:
            examples: string [B], serialized Examples of the queries or users split.

        Returns:
            The users.
        """
        lists = {
            name: tf.io.VarLenFeature(tf.string)
            for name in (features.SEEN_ITEM_ID, features.CHOSEN_ITEM_ID)
        }
        parsed = tf.io.parse_example(examples, self._raw_spec | lists)
        seen, chosen = (tf.sparse.to_dense(parsed.pop(name), "") for name in lists)
        transformed = self._transform(parsed)
        inputs = {name: transformed[name] for name in features.USER_FEATURES}
        return Query(inputs, seen, chosen)
