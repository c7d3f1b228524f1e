"""Folding: trained on positives alone, items of other groups land on the user's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models import features
from models.item_table import ItemTable
from models.retrieval.model import FitContext
from models.retrieval.options import NegativeOptions, SimilarityOptions, TwoTowerOptions
from models.retrieval.two_tower import TwoTowerRetrieval, fit
from models.training import seed_everything

OPTIONS = TwoTowerOptions(
    embedding_dimension=8,
    hidden_units=16,
    batch_size=64,
    similarity=SimilarityOptions(kind="dot"),
    learning_rate=0.02,
    max_epochs=12,
    patience=12,
)


def share_of_other_group(model: Any, inputs: dict[str, tf.Tensor]) -> float:
    """Share of the other group among the first 12 items; the groups are odd and even items."""
    scores = model.scorer()(inputs).numpy()[:, 1:]
    first = 1 + np.argsort(-scores, axis=1)[:, :12]
    own = inputs[features.HISTORY_INDEX].numpy()[:, :1] % 2
    return float((first % 2 != own).mean())


def fit_positives(model: TwoTowerRetrieval, batches: tf.data.Dataset) -> None:
    """Lets the score of what was chosen be 1, and asks nothing of any other."""
    optimizer = tf_keras.optimizers.legacy.Adam(OPTIONS.learning_rate)

    @tf.function
    def step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            users = model.embed_users(batch, training=True)
            items = model.embed_items(batch[features.ITEM_INDEX])
            loss = tf.reduce_mean((tf.reduce_sum(users * items, axis=1) - 1.0) ** 2)
        variables = [*model.item_tower.trainable_variables, *model.user_tower.trainable_variables]
        distinct = list({id(variable): variable for variable in variables}.values())
        gradients = tape.gradient(loss, distinct)
        optimizer.apply_gradients(zip(gradients, distinct, strict=True))
        return loss

    losses = [float(step(batch)) for batch in batches.repeat(OPTIONS.max_epochs)]
    assert losses[-1] < 0.05 < losses[0]


def test_other_groups_rank_high_when_trained_on_positives_alone(
    table: ItemTable,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    user_inputs: Callable[..., dict[str, tf.Tensor]],
) -> None:
    seed_everything(7)
    model = TwoTowerRetrieval(table, 16, OPTIONS)
    batches = in_memory(interactions).interactions(OPTIONS.batch_size, 7)
    fit_positives(model, batches)
    # By chance half of the first items are of the other group.
    assert share_of_other_group(model, user_inputs([[1, 5, 9], [2, 6, 10]])) > 0.3


@pytest.mark.parametrize("kind", ["mixed", "in_batch", "uniform", "popularity", "hard"])
def test_own_group_comes_first_when_trained_with_negatives(
    kind: str,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    user_inputs: Callable[..., dict[str, tf.Tensor]],
    tmp_path: Any,
) -> None:
    seed_everything(7)
    negatives = NegativeOptions(kind=kind, drawn=32, hardest=8)
    options = OPTIONS.model_copy(update={"negatives": negatives})
    model = fit(in_memory(interactions), options, FitContext(7, None, str(tmp_path)))
    assert share_of_other_group(model, user_inputs([[1, 5, 9], [2, 6, 10]])) == 0.0
