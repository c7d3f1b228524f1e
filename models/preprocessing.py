"""The transform graph: raw features in, model features out, the same in training and serving.

Every raw feature arrives as a SparseTensor, present or not: an example of the items split has no
user features, and a user's example no item features, and each gets the outputs that depend on what
it has. What was seen and chosen, which only examples of the ranking split have, stays sparse.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.options import TransformOptions

Tensors = dict[str, Any]  # of tf.Tensor or tf.SparseTensor
Sparse = dict[str, tf.SparseTensor]


def preprocessing_fn(inputs: Sparse, custom_config: dict[str, Any]) -> Tensors:
    """Builds the transform graph.

    Args:
        inputs: raw features by name, each a SparseTensor [B, n].
        custom_config: `options` (TransformOptions as a dict), `max_history`, `explicit`,
            `positions` (whether interactions have them), `numeric` (names of the numeric catalogue
            columns) and `attributes` (names of the users' attributes).

    Returns:
        Transformed features by name, with the shapes of `models.features`; SEEN_INDEX and what was
        chosen are SparseTensors [B, n], all others dense.
    """
    options = TransformOptions.model_validate(custom_config["options"])
    inputs = _with_empty_categories(inputs)
    categories = tft.vocabulary(
        inputs[features.ITEM_CATEGORY],
        top_k=options.category_slots - 1,
        vocab_filename=features.CATEGORY_VOCABULARY,
    )
    # The items' own ids are among the analysed examples, so the vocabulary is the whole catalogue.
    items = tft.vocabulary(inputs[features.ITEM_ID], vocab_filename=features.ITEM_VOCABULARY)
    outputs = _user_features(inputs, custom_config, categories, options.category_slots)
    outputs[features.USER_ATTRIBUTE_INDEX] = _attributes(inputs, custom_config["attributes"])
    outputs.update(_item_features(inputs, custom_config, categories, options.category_slots))
    outputs.update(_indices(inputs, items, custom_config["max_history"]))
    outputs.update(_chosen_labels(inputs, custom_config))
    outputs[features.INTERACTION_TIME] = _scalar(inputs[features.TIMESTAMP])
    if custom_config["explicit"]:
        outputs[features.LABEL_RATING] = _scalar(inputs[features.RATING])
    else:
        outputs[features.LABEL_RATING] = tf.ones_like(outputs[features.ITEM_LOG_FREQUENCY])
    return outputs


def _user_features(
    inputs: Sparse, custom_config: dict[str, Any], categories: tf.Tensor, slots: int
) -> Tensors:
    user_id = inputs[features.USER_ID]
    users = tft.vocabulary(user_id, vocab_filename=features.USER_VOCABULARY)
    category_count = inputs[features.USER_CATEGORY_COUNT]
    count = _category_sum(inputs[features.USER_CATEGORY], category_count.values, categories, slots)
    log_count = _map_values(tf.math.log1p, _precise(inputs[features.USER_INTERACTION_COUNT]))
    statistics = [_z_score(log_count)]
    if custom_config["explicit"]:
        mean = inputs[features.USER_MEAN_RATING]
        statistics.append(_z_score(_precise(mean)))
        # Categories that a user only says to like have a count and no rating.
        ratings = _values_at(inputs[features.USER_CATEGORY_MEAN_RATING], category_count)
        rating_sum = _category_sum(
            inputs[features.USER_CATEGORY], category_count.values * ratings, categories, slots
        )
        difference = tf.math.divide_no_nan(rating_sum, count) - _scalar(mean)[:, tf.newaxis]
        category_rating = tf.where(count > 0.0, difference, 0.0)
    else:
        statistics.append(tf.zeros_like(statistics[0]))
        category_rating = tf.zeros_like(count)
    total = tf.reduce_sum(count, axis=1, keepdims=True)
    return {
        features.USER_INDEX: _scalar(_index(user_id, users)),
        features.USER_STATISTICS: tf.stack(statistics, axis=1),
        features.USER_CATEGORY_SHARE: tf.math.divide_no_nan(count, total),
        features.USER_CATEGORY_RATING: category_rating,
    }


def _attributes(inputs: Sparse, names: list[str]) -> tf.Tensor:
    """Values of the users' attributes by vocabularies of their own: int64 [B, max(1, A)]."""
    indices = []
    for name in names:
        value = inputs[features.user_attribute(name)]
        vocabulary = tft.vocabulary(value, vocab_filename=features.user_attribute(name))
        indices.append(_scalar(_index(value, vocabulary)))
    if not indices:
        # Made of the ids, so that an example without a user goes on to be without user features.
        user_id = inputs[features.USER_ID]
        indices.append(
            _scalar(_map_values(lambda values: tf.zeros_like(values, tf.int64), user_id))
        )
    return tf.stack(indices, axis=1)


def _indices(inputs: Sparse, items: tf.Tensor, max_history: int) -> Tensors:
    """Places of items in the vocabulary: the item, the history, what was seen and chosen."""
    return {
        features.ITEM_INDEX: _scalar(_index(inputs[features.ITEM_ID], items)),
        features.HISTORY_INDEX: _padded(
            _index(inputs[features.HISTORY_ITEM_ID], items), max_history
        ),
        features.SEEN_INDEX: _index(inputs[features.SEEN_ITEM_ID], items),
        features.CHOSEN_INDEX: _index(inputs[features.CHOSEN_ITEM_ID], items),
    }


def _chosen_labels(inputs: Sparse, custom_config: dict[str, Any]) -> dict[str, tf.SparseTensor]:
    chosen = inputs[features.CHOSEN_ITEM_ID]
    ones = _map_values(lambda values: tf.ones_like(values, tf.float32), chosen)
    zeros = _map_values(tf.zeros_like, ones)
    explicit, positions = custom_config["explicit"], custom_config["positions"]
    return {
        features.CHOSEN_LABEL_RATING: inputs[features.CHOSEN_RATING] if explicit else ones,
        features.CHOSEN_LABEL_POSITION: inputs[features.CHOSEN_POSITION] if positions else zeros,
    }


def _item_features(
    inputs: Sparse, custom_config: dict[str, Any], categories: tf.Tensor, slots: int
) -> Tensors:
    category = inputs[features.ITEM_CATEGORY]
    multi_hot = _category_sum(
        category, tf.ones_like(category.values, tf.float32), categories, slots
    )
    numeric = [
        _z_score(_precise(inputs[features.item_numeric(name)])) for name in custom_config["numeric"]
    ]
    # One more than counted, so that an item without interactions has a finite frequency.
    counted = _precise(inputs[features.ITEM_INTERACTION_COUNT])
    count = _map_values(lambda values: values + 1.0, counted)
    total = tft.sum(count)
    log_frequency = _map_values(lambda values: tf.math.log(values / total), count)
    first = tf.cast(_scalar(log_frequency), tf.float32)
    return {
        features.ITEM_CATEGORY_MULTI_HOT: tf.minimum(multi_hot, 1.0),
        features.ITEM_NUMERIC: tf.stack(numeric or [tf.zeros_like(first)], axis=1),
        features.ITEM_LOG_FREQUENCY: first,
    }


def _with_empty_categories(inputs: Sparse) -> Sparse:
    """Adds the category features that a catalogue without categories does not have."""

    # Made of the ids, so that items' outputs go on to depend on items and users' on users.
    def empty(name: str) -> tf.SparseTensor:
        return tf.sparse.retain(inputs[name], tf.zeros_like(inputs[name].values, tf.bool))

    of_items, of_users = empty(features.ITEM_ID), empty(features.USER_ID)
    numbers = _map_values(lambda values: tf.zeros_like(values, tf.float32), of_users)
    return {
        features.ITEM_CATEGORY: of_items,
        features.USER_CATEGORY: of_users,
        features.USER_CATEGORY_COUNT: numbers,
        features.USER_CATEGORY_MEAN_RATING: numbers,
        **inputs,
    }


def _map_values(function: Any, sparse: tf.SparseTensor) -> tf.SparseTensor:
    return tf.SparseTensor(sparse.indices, function(sparse.values), sparse.dense_shape)


def _precise(sparse: tf.SparseTensor) -> tf.SparseTensor:
    """Casts to float64, for what is computed over rows or by a logarithm.

    The last bits depend on the order of the rows and on their place in a batch, which Beam decides.
    Of a float64, rounding to float32 takes them away, and the same data give the same features.
    """
    return _map_values(lambda values: tf.cast(values, tf.float64), sparse)


def _z_score(sparse: tf.SparseTensor) -> tf.Tensor:
    """Scales the first value of each row to mean 0 and variance 1, 0 where there is none: [B]."""
    return tf.cast(_scalar(tft.scale_to_z_score(sparse)), tf.float32)


def _scalar(sparse: tf.SparseTensor) -> tf.Tensor:
    """The first value of each row, 0 where there is none: [B]."""
    return _padded(sparse, 1)[:, 0]


def _padded(sparse: tf.SparseTensor, width: int) -> tf.Tensor:
    """The first values of each row, padded with 0: [B, width]."""
    rows = sparse.dense_shape[0]
    columns = tf.maximum(sparse.dense_shape[1], width)
    wide = tf.sparse.reset_shape(sparse, tf.stack([rows, columns]))
    dense = tf.sparse.to_dense(wide)[:, :width]
    return tf.ensure_shape(dense, [None, width])


def _values_at(sparse: tf.SparseTensor, places: tf.SparseTensor) -> tf.Tensor:
    """The values of `sparse` where `places` has values, 0 where it has none itself: [n]."""
    shape = tf.maximum(sparse.dense_shape, places.dense_shape)
    dense = tf.sparse.to_dense(tf.sparse.reset_shape(sparse, shape))
    return tf.gather_nd(dense, places.indices)


def _index(ids: tf.SparseTensor, vocabulary: tf.Tensor) -> tf.SparseTensor:
    """Vocabulary ranks from 1, and 0 for an unknown id."""
    ranks = tft.apply_vocabulary(ids, vocabulary, default_value=-1)
    return _map_values(lambda values: values + 1, ranks)


def _category_sum(
    category: tf.SparseTensor, weights: tf.Tensor, vocabulary: tf.Tensor, slots: int
) -> tf.Tensor:
    """Adds each category's weight to its slot; categories outside the vocabulary share the last.

    Returns:
        float32 [B, slots].
    """
    ranks = tft.apply_vocabulary(category, vocabulary, default_value=slots - 1)
    where = tf.stack([category.indices[:, 0], ranks.values], axis=1)
    shape = tf.stack([category.dense_shape[0], tf.constant(slots, tf.int64)])
    return tf.ensure_shape(tf.scatter_nd(where, weights, shape), [None, slots])
