"""Which items a chosen item is compared with in training, and the loss of that comparison.

Positives alone teach a model that everything matches: items of other groups fold onto the user's
own. Negatives pull them apart; the kinds differ in which they draw and in what that costs.
"""

from dataclasses import dataclass

import tensorflow as tf

from models.item_table import FloatArray
from models.losses import MASKED_LOGIT, log_expected_count, sampled_softmax
from models.retrieval.options import NegativeOptions


@dataclass(frozen=True)
class Draw:
    """The negatives of one batch, shared by its rows.

    Attributes:
        item_index: int [B + M], what the model embeds: the rows' chosen items, then the drawn.
        log_counts: float32 [n], natural log of how often each negative is expected; the negatives
            are all of `item_index` where rows lend each other theirs, else the drawn.
        excluded: bool [B, n], true where a negative is no wrong answer for the row.
    """

    item_index: tf.Tensor
    log_counts: tf.Tensor
    excluded: tf.Tensor


class NegativeSampler:
    """Draws negatives and compares chosen items with them.

    - `in_batch`: the items of the batch's other rows, which come by popularity and cost nothing;
      items that are rarely chosen are rarely pushed away.
    - `uniform`: drawn from the catalogue, each item alike; most are easy to tell apart.
    - `mixed`: both.
    - `popularity`: drawn by the items' frequency.
    - `hard`: those of a uniform draw that the model scores highest, for each row.
    """

    def __init__(self, log_frequency: FloatArray, options: NegativeOptions):
        """Makes the sampler.

        Args:
            log_frequency: float32 [N+1], natural log of each item's share of interactions.
            options: kind and numbers.
        """
        self._options = options
        self._catalogue_size = len(log_frequency) - 1
        self._lends = options.kind in ("mixed", "in_batch")
        # Constants, not variables: the exported model has no use for them.
        self._log_frequency = tf.constant(log_frequency)
        shares = tf.exp(tf.constant(log_frequency[1:], tf.float64))
        self._cumulative_share = tf.cumsum(shares) / tf.reduce_sum(shares)

    def draw(self, positive_index: tf.Tensor, history_index: tf.Tensor) -> Draw:
        """Draws the negatives of a batch.

        Args:
            positive_index: int [B], the chosen items.
            history_index: int [B, H], what the users had chosen before, 0 pads.
        """
        drawn = self._drawn(positive_index)
        item_index = tf.concat([positive_index, drawn], axis=0)
        negative_index = item_index if self._lends else drawn
        excluded = positive_index[:, tf.newaxis] == negative_index[tf.newaxis, :]
        if self._options.kind == "hard":
            # A random negative is seldom one that the user has chosen; among the highest-scoring
            # ones those gather, and the training would push away what it has just pulled.
            excluded |= _contains(history_index, negative_index)
        return Draw(item_index, self._log_counts(positive_index, negative_index), excluded)

    def losses(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        draw: Draw,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """Cross-entropy of each row's chosen item against its negatives.

        Args:
            users: float32 [B, D], embeddings of the rows' users.
            items: float32 [B + M, D], embeddings of the draw's `item_index`.
            draw: of this batch.
            temperature: what dot products are divided by.

        Returns:
            float32 [B], in nats.
        """
        if self._lends:
            negatives = tf.matmul(users, items, transpose_b=True) / temperature
            # The batch's own items come first, so the diagonal is the positives.
            positive = tf.linalg.diag_part(negatives)
        else:
            rows = tf.shape(users)[0]
            positive = tf.reduce_sum(users * items[:rows], axis=1) / temperature
            negatives = tf.matmul(users, items[rows:], transpose_b=True) / temperature
        if self._options.kind == "hard":
            return self._hardest_losses(positive, negatives, draw.excluded)
        return sampled_softmax(positive, negatives, draw.log_counts, draw.excluded)

    def _drawn(self, positive_index: tf.Tensor) -> tf.Tensor:
        kind, number, dtype = self._options.kind, self._options.drawn, positive_index.dtype
        if kind == "in_batch":
            return tf.zeros([0], dtype)
        if kind == "popularity":
            place = tf.random.uniform([number], dtype=tf.float64)
            index = tf.searchsorted(self._cumulative_share, place, side="right")
            # A place between the last share's rounded end and 1 is the last item's.
            return tf.cast(tf.minimum(index, self._catalogue_size - 1) + 1, dtype)
        drawn = tf.random.uniform([number], 1, self._catalogue_size + 1, dtype=dtype)
        # Copies of one item would fill the places of the hardest.
        return tf.unique(drawn).y if kind == "hard" else drawn

    def _log_counts(self, positive_index: tf.Tensor, negative_index: tf.Tensor) -> tf.Tensor:
        kind, number = self._options.kind, self._options.drawn
        by_popularity = tf.shape(positive_index)[0] if self._lends else 0
        if kind == "popularity":
            by_popularity = number
        uniformly = 0 if kind in ("in_batch", "popularity") else number
        return log_expected_count(
            tf.gather(self._log_frequency, negative_index),
            by_popularity,
            uniformly,
            self._catalogue_size,
        )

    def _hardest_losses(
        self, positive: tf.Tensor, negatives: tf.Tensor, excluded: tf.Tensor
    ) -> tf.Tensor:
        """Compares with the highest-scoring negatives, uncorrected.

        Which items those are depends on the model itself, so no probability of their being drawn
        is known, and none is taken off: the loss orders items well, but its logits are no longer
        those of a choice among the catalogue.

        Source: Robinson et al. 2021, Contrastive learning with hard negative samples,
        arXiv:2010.04592.
        """
        wrong = tf.where(excluded, MASKED_LOGIT, negatives)
        number = tf.minimum(self._options.hardest, tf.shape(wrong)[1])
        hardest = tf.math.top_k(wrong, number, sorted=False).values
        logits = tf.concat([positive[:, tf.newaxis], hardest], axis=1)
        return tf.reduce_logsumexp(logits, axis=1) - positive


def _contains(history_index: tf.Tensor, item_index: tf.Tensor) -> tf.Tensor:
    """Returns whether each history [B, H] has each item [n], bool [B, n]."""
    same = history_index[:, :, tf.newaxis] == item_index[tf.newaxis, tf.newaxis, :]
    return tf.reduce_any(same, axis=1)
