"""Losses over sampled negatives."""

import tensorflow as tf

MASKED_LOGIT = -1e9  # exp underflows to exactly 0 in float32 beside any real logit


def log_expected_count(
    log_frequency: tf.Tensor, from_interactions: int | tf.Tensor, from_catalogue: int, items: int
) -> tf.Tensor:
    """Natural log of how often each item is expected among mixed negatives.

    The negatives are a mixture: some are other interactions' items, so they come by popularity,
    some are drawn uniformly from the catalogue.

    Args:
        log_frequency: float32 [M], natural log of each item's share of interactions.
        from_interactions: number of negatives drawn by popularity.
        from_catalogue: number of negatives drawn uniformly.
        items: size of the catalogue.

    Returns:
        float32 [M].

    Source: Yang et al. 2020, mixed negative sampling, doi:10.1145/3366424.3386195.
    """
    by_popularity = tf.cast(from_interactions, tf.float32) * tf.exp(log_frequency)
    return tf.math.log(by_popularity + from_catalogue / items)


def sampled_softmax(
    positive: tf.Tensor,
    negatives: tf.Tensor,
    log_counts: tf.Tensor,
    accidental_hits: tf.Tensor,
) -> tf.Tensor:
    """Cross-entropy of the positive against sampled negatives, corrected for the sampling.

    A negative stands for 1/(its expected count) items, so the log of that count is taken from
    its logit. The positive is always there and stands for itself.

    Args:
        positive: float32 [B], logits of the chosen items.
        negatives: float32 [B, M], logits of the sampled items.
        log_counts: float32 [M], natural log of the negatives' expected counts.
        accidental_hits: bool [B, M], true where the negative is the row's positive.

    Returns:
        float32 [B], in nats.

    Source: Yi et al. 2019, doi:10.1145/3298689.3346996; Bengio and Senecal 2008.
    """
    corrected = tf.where(accidental_hits, MASKED_LOGIT, negatives - log_counts[tf.newaxis, :])
    logits = tf.concat([positive[:, tf.newaxis], corrected], axis=1)
    return tf.reduce_logsumexp(logits, axis=1) - positive


def listwise_softmax(logits: tf.Tensor, chosen: tf.Tensor, offered: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of lists in which several items were chosen.

    Args:
        logits: float32 [B, N].
        chosen: bool [B, N].
        offered: bool [B, N], what the chosen are compared with, themselves included.

    Returns:
        float32 [B], the sum over the chosen items of -ln of their softmax; 0 for none.

    Source: Cao et al. 2007, Learning to rank: from pairwise approach to listwise approach,
    doi:10.1145/1273496.1273513 (top one probability).
    """
    logits = tf.where(offered, logits, MASKED_LOGIT)
    nats = tf.reduce_logsumexp(logits, axis=1, keepdims=True) - logits
    return tf.reduce_sum(tf.where(chosen & offered, nats, 0.0), axis=1)
