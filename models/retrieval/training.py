"""Training of the families that are Keras models, judged by rank after each epoch."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from models import features
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.training import callbacks
from models.transformed_data import TransformedData
from models.validation import Validation, mask_seen, mean_ndcg, position_of


def fit_by_rank(
    model: Any, data: TransformedData, options: Any, context: FitContext
) -> tf_keras.callbacks.History:
    """Trains until the validation nDCG stops rising; keeps the best epoch.

    Args:
        model: a Keras model that is a RetrievalModel.
        data: the transformed examples.
        options: with `batch_size`, `learning_rate`, `max_epochs`, `patience` and
            `validation_interactions`.
        context: seed and folder for logs.

    Raises:
        FloatingPointError: if the loss is not finite.
    """
    held_out = data.held_out(options.validation_interactions, context.seed)
    model.compile(optimizer=tf_keras.optimizers.legacy.Adam(options.learning_rate))
    return model.fit(
        data.interactions(options.batch_size, context.seed),
        epochs=options.max_epochs,
        verbose=0,
        callbacks=callbacks(
            Validation(rank_measure(model, held_out), "retrieval", options.max_epochs),
            options.patience,
            context.log_folder,
        ),
    )


def rank_measure(model: RetrievalModel, held_out: dict[str, Any]) -> Callable[[], float]:
    """Returns a function that measures the nDCG of held-out interactions, with weights of then.

    Args:
        model: judged.
        held_out: transformed interactions, each column [n, ...].
    """

    @tf.function(reduce_retracing=True)
    def position(batch: Tensors, items: tf.Tensor) -> tf.Tensor:
        scores = tf.matmul(model.embed_users(batch), items, transpose_b=True)
        scores = mask_seen(scores, batch[features.SEEN_INDEX])
        return position_of(scores, batch[features.ITEM_INDEX])

    def measure() -> float:
        items = model.embed_items(tf.range(model.catalogue_size + 1, dtype=tf.int64))
        return mean_ndcg(held_out, lambda batch: position(batch, items), model.catalogue_size)

    return measure
