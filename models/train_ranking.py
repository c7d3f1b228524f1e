"""TFX Trainer entry point for ranking."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models import features
from models.options import RankingOptions
from models.progress import report
from models.ranker import Ranker
from models.ranking import RankingModel
from models.ranking_export import save_ranker
from models.training import callbacks, seed_everything
from models.transformed_data import TransformedData
from models.validation import RankValidation, mask_seen, mean_ndcg

VALIDATION_CANDIDATES = 100  # reordered for each held-out interaction
CORRECTION_SCALES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # 0 keeps retrieval's order


def run_fn(fn_args: Any) -> None:
    """Trains the ranker on top of the retrieval model and saves it.

    Args:
        fn_args: TFX FnArgs; `base_model` is the retrieval export; `custom_config` holds `options`
            (RankingOptions as a dict), `explicit`, `rating_range`, `seed` and `fingerprint`.
    """
    options = RankingOptions.model_validate(fn_args.custom_config["options"])
    explicit = bool(fn_args.custom_config["explicit"])
    seed = int(fn_args.custom_config["seed"])
    seed_everything(seed)
    data = TransformedData([*fn_args.train_files, *fn_args.eval_files], fn_args.transform_output)
    retrieval = tf.saved_model.load(fn_args.base_model)
    table = data.items()
    item_embeddings = retrieval.embed_items(tf.range(table.size + 1, dtype=tf.int64)).numpy()
    labels = data.sample(features.TRAIN_SPLIT, options.validation_interactions, seed)
    mean_rating = float(labels[features.LABEL_RATING].mean()) if explicit else 0.0
    ranker = Ranker(
        table, item_embeddings, float(retrieval.temperature.numpy()), mean_rating, options
    )
    model = RankingModel(ranker, retrieval, table.log_frequency, explicit, options)
    fit(model, data, options, seed, fn_args.model_run_dir)
    rating_range = tuple(fn_args.custom_config["rating_range"]) if explicit else None
    save_ranker(ranker, fn_args.serving_model_dir, data.user_specs(), rating_range)


def fit(
    model: RankingModel,
    data: TransformedData,
    options: RankingOptions,
    seed: int,
    log_folder: str,
) -> tf_keras.callbacks.History:
    """Trains until the order of retrieved items stops getting better; keeps the best epoch.

    A correction that never betters retrieval's own order counts 0; the rating head stays.
    """
    held_out = data.held_out(options.validation_interactions, seed)
    ranker = model.ranker

    @tf.function(reduce_retracing=True)
    def position(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        users = model.embed_users(batch)
        scores = tf.matmul(users, ranker.item_embeddings, transpose_b=True)
        scores = mask_seen(scores, batch[features.SEEN_INDEX])
        candidates = tf.math.top_k(scores, min(VALIDATION_CANDIDATES, scores.shape[1])).indices
        relevance, _ = ranker(batch, users, candidates)
        chosen = tf.cast(batch[features.ITEM_INDEX], candidates.dtype)[:, tf.newaxis]
        own = tf.reduce_max(tf.where(candidates == chosen, relevance, -np.inf), axis=1)
        place = tf.reduce_sum(tf.cast(relevance >= own[:, tf.newaxis], tf.float32), axis=1)
        return tf.where(tf.math.is_finite(own), place, np.inf)

    def measure() -> float:
        return mean_ndcg(held_out, position, ranker.catalogue_size)

    model.compile(optimizer=tf_keras.optimizers.legacy.Adam(options.learning_rate))
    history = model.fit(
        data.interactions(features.TRAIN_SPLIT, options.batch_size, seed),
        epochs=options.max_epochs,
        verbose=0,
        callbacks=callbacks(
            RankValidation(measure, "ranking", options.max_epochs), options.patience, log_folder
        ),
    )
    best = _best_correction(ranker.correction_scale, measure)
    kept = "; the list keeps retrieval's order" if best == 0.0 else ""
    report(f"ranking: the correction counts {best:g}{kept}")
    return history


def _best_correction(scale: tf.Variable, measure: Callable[[], float]) -> float:
    """Sets and returns how much of the correction orders the held-out lists best.

    The ranker learns from interactions that retrieval has learned too, whose logits are surer than
    those of new ones will be: so how far to trust it is decided on interactions new to both.
    """
    found = {}
    for value in CORRECTION_SCALES:
        scale.assign(value)
        found[value] = measure()
    best = max(CORRECTION_SCALES, key=lambda value: found[value])
    scale.assign(best)
    return best
