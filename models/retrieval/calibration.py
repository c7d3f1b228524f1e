"""Turns scores into logits of a choice: how much each score counts, learned from held-out choices.

A rating says how much a user will like an item, not whether they will come to it, and the squared
error of a factorization has no scale that a softmax could use. A conditional logit over the scores
gives both: its weights maximise the likelihood of the held-out choices among sampled items.

Source: McFadden 1974, Conditional logit analysis of qualitative choice behavior.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy import optimize, special

from models import features
from models.retrieval.model import FitContext, Tensors
from models.retrieval.options import FamilyOptions
from models.transformed_data import TransformedData
from models.validation import Columns, row_batches

Doubles = npt.NDArray[np.float64]

ALTERNATIVES = 1000  # sampled for each choice
CHOICES = 2000  # at most
# Of a standardised score: a family that finds nothing keeps its order all the same.
MIN_WEIGHT = 1e-3
UNAVAILABLE = -1e9  # logit of what the user has had already


@dataclass(frozen=True)
class Choices:
    """Held-out choices, each among alternatives drawn uniformly from the catalogue.

    Attributes:
        item_index: int64 [n, 1 + M]; the first is the chosen item.
        scores: float64 [n, 1 + M], of one score.
        offset: float64 [n, 1 + M], log of how many items each stands for.
    """

    item_index: npt.NDArray[np.int64]
    scores: Doubles
    offset: Doubles


def calibrate(
    score: Callable[[Tensors], tf.Tensor],
    data: TransformedData,
    options: FamilyOptions,
    context: FitContext,
) -> float:
    """Returns what scores are divided by to become logits of the held-out choices.

    Args:
        score: gives scores of all items, float32 [B, N+1], by item index.
        data: the transformed examples.
        options: of the family, for the number of held-out interactions.
        context: for the seed.
    """
    choices = _held_out_choices(score, data, options, context)
    (weight,) = choice_weights(choices.scores[:, :, np.newaxis], choices.offset)
    return float(1.0 / weight)


def calibrate_with_popularity(
    score: Callable[[Tensors], tf.Tensor],
    data: TransformedData,
    options: FamilyOptions,
    context: FitContext,
) -> tuple[float, float]:
    """Returns how much scores, and log frequencies of items, count in the logits of choices.

    For families that predict how much a user likes an item and not whether they will choose it.

    Args:
        score: gives scores of all items, float32 [B, N+1], by item index.
        data: the transformed examples.
        options: of the family, for the number of held-out interactions.
        context: for the seed.
    """
    choices = _held_out_choices(score, data, options, context)
    popularity = data.items().log_frequency[choices.item_index]
    both = np.stack([choices.scores, popularity], axis=2)
    of_score, of_popularity = choice_weights(both, choices.offset)
    return float(of_score), float(of_popularity)


def _held_out_choices(
    score: Callable[[Tensors], tf.Tensor],
    data: TransformedData,
    options: FamilyOptions,
    context: FitContext,
) -> Choices:
    held_out = data.held_out(min(options.validation_interactions, CHOICES), context.seed)
    return draw_choices(held_out, score, data.items().size, context.seed)


def draw_choices(
    held_out: Columns,
    score: Callable[[Tensors], tf.Tensor],
    catalogue_size: int,
    seed: int,
) -> Choices:
    """Scores held-out choices, and alternatives to each.

    Args:
        held_out: transformed interactions, each column [n, ...]. What is in SEEN_INDEX is no
            alternative: nobody chooses that again, and a family that has memorised it would look
            sure of it.
        score: gives scores of all items, float32 [B, N+1], by item index.
        catalogue_size: N.
        seed: of the alternatives.

    Returns:
        The choices.
    """
    random = np.random.default_rng(seed)
    chosen = held_out[features.ITEM_INDEX].astype(np.int64)
    drawn = random.integers(1, catalogue_size + 1, [len(chosen), ALTERNATIVES])
    item_index = np.concatenate([chosen[:, np.newaxis], drawn], axis=1)
    scores = np.empty(item_index.shape)
    done = 0
    for batch in row_batches(held_out, catalogue_size):
        rows = slice(done, done + len(batch[features.ITEM_INDEX]))
        scores[rows] = np.take_along_axis(score(batch).numpy(), item_index[rows], axis=1)
        done = rows.stop
    # A drawn item stands for as many as the catalogue has for each draw; the chosen for itself.
    offset = np.full(item_index.shape, np.log(catalogue_size / ALTERNATIVES))
    offset[:, 0] = 0.0
    had = np.concatenate([held_out[features.SEEN_INDEX], chosen[:, np.newaxis]], axis=1)
    for row, items in enumerate(had):
        offset[row, 1:][np.isin(drawn[row], items)] = UNAVAILABLE
    return Choices(item_index, scores, offset)


def choice_weights(scores: Doubles, offset: Doubles) -> Doubles:
    """Fits the weights of a conditional logit.

    Args:
        scores: [n, 1 + M, F]; the first alternative is the chosen item.
        offset: [n, 1 + M], added to the weighted scores.

    Returns:
        float64 [F], positive; the logit is the weighted sum of the scores.

    Raises:
        FloatingPointError: if the scores are not finite.
    """
    if not np.isfinite(scores).all():
        raise FloatingPointError(
            "scores must be finite. Received: some that are not. The model has diverged: lower its "
            "learning_rate or raise its regularization."
        )
    spread = scores.std(axis=(0, 1))
    spread[spread == 0.0] = 1.0
    values = scores / spread

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        logits = values @ weights + offset
        nats = special.logsumexp(logits, axis=1) - logits[:, 0]
        expected = np.einsum("nm,nmf->nf", special.softmax(logits, axis=1), values)
        return float(nats.mean()), (expected - values[:, 0]).mean(axis=0)

    found = optimize.minimize(
        loss,
        np.ones(values.shape[2]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(MIN_WEIGHT, None)] * values.shape[2],
    )
    return np.asarray(found.x / spread)
