"""TFX Trainer entry point for ranking."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from models import features, ranking
from models.candidates.options import CandidateOptions
from models.candidates.stage import Stage
from models.errors import UnsuitableDataError
from models.item_table import FloatArray
from models.options import IndexOptions, RankingOptions
from models.progress import report
from models.ranker import Ranker
from models.ranking_export import save_ranker
from models.ranking_features import RankingFeatures
from models.ranking_lists import RankingLists, ranking_lists
from models.training import callbacks, seed_everything
from models.transformed_data import TransformedData
from models.validation import VALIDATION_RMSE, Validation

LIST_LENGTH = 10  # of the nDCG that the order is validated by
VALIDATION_BATCH = 256  # lists
SMALLEST_SPREAD = 1e-6  # of a feature that is the same everywhere


def run_fn(fn_args: Any) -> None:
    """Trains the ranker on what the earlier retrieval stage returns and saves it.

    Args:
        fn_args: TFX FnArgs; `base_model` is the earlier stage; `custom_config` holds `options`
            (RankingOptions as a dict), `candidates` and `index` (likewise), `size` (candidates of
            a request), `explicit`, `rating_range`, `positions`, `seed` and `fingerprint`.
    """
    custom_config = fn_args.custom_config
    options = RankingOptions.model_validate(custom_config["options"])
    candidates = CandidateOptions.model_validate(custom_config["candidates"])
    index_options = IndexOptions.model_validate(custom_config["index"])
    explicit, seed = bool(custom_config["explicit"]), int(custom_config["seed"])
    seed_everything(seed)
    files = [*fn_args.train_files, *fn_args.eval_files]
    earlier = TransformedData(files, fn_args.transform_output, earlier=True)
    stage = Stage(fn_args.base_model)
    generators = stage.generators(candidates, index_options, int(custom_config["size"]))
    seen_by_ranker = RankingFeatures(generators, earlier.items(), stage.mean_rating)
    queries = earlier.ranking_queries(options.lists, seed)
    report(f"ranking: retrieving for {len(queries[features.USER_INDEX])} users")
    lists = ranking_lists(queries, generators, seen_by_ranker)
    report(f"ranking: {lists.recall:.3f} of what users then chose is among their candidates")
    ranker = Ranker(
        earlier.items(),
        *_scale(lists),
        earlier.mean_rating() if explicit else 0.0,
        options,
        positions=bool(custom_config["positions"]),
    )
    fit_relevance(ranker, lists, options, seed, fn_args.model_run_dir)
    if explicit:
        fit_rating(ranker, earlier, options, seed, fn_args.model_run_dir)
    everything = TransformedData(files, fn_args.transform_output)
    ranker.know(everything.items())
    rating_range = tuple(custom_config["rating_range"]) if explicit else None
    save_ranker(
        ranker,
        generators.score_names,
        fn_args.serving_model_dir,
        earlier.user_specs(),
        rating_range,
    )


def fit_relevance(
    ranker: Ranker, lists: RankingLists, options: RankingOptions, seed: int, log_folder: str
) -> tf_keras.callbacks.History:
    """Trains until the order of lists stops getting better, each judged by who has not learned it.

    Args:
        ranker: to be trained; it keeps the best epoch's weights.
        lists: of all users.
        options: of the training.
        seed: of the folds, and of the order.
        log_folder: for TensorBoard.

    Raises:
        UnsuitableDataError: if nobody chose one of their candidates.
        FloatingPointError: if the loss is not finite.
    """
    if not lists.chosen.any():
        raise UnsuitableDataError(
            "at least one user with a choice among their candidates was expected, for the ranker "
            "to learn from. Received: none. Raise serving.candidates or data.split.late_fraction, "
            "or deliver more interactions a user."
        )
    number = len(lists.missed)
    fold = np.random.default_rng(seed).permutation(number).astype(np.int32) % options.members
    model = ranking.RelevanceTraining(ranker)
    model.compile(optimizer=tf_keras.optimizers.legacy.Adam(options.learning_rate))
    return model.fit(
        _batches(lists, fold, options.batch_size, seed),
        epochs=options.max_epochs,
        verbose=0,
        callbacks=callbacks(
            Validation(_list_ndcg(ranker, lists, fold), "ranking", options.max_epochs),
            options.patience,
            log_folder,
        ),
    )


def fit_rating(
    ranker: Ranker, data: TransformedData, options: RankingOptions, seed: int, log_folder: str
) -> tf_keras.callbacks.History:
    """Trains until the error of held-out ratings stops falling; keeps the best epoch's weights.

    Args:
        ranker: to be trained.
        data: of the earlier time.
        options: of the training.
        seed: of the order.
        log_folder: for TensorBoard.
    """
    rating = options.rating
    held_out = data.held_out(rating.validation_interactions, seed)
    inputs = {name: tf.constant(held_out[name]) for name in features.USER_FEATURES}
    item_index = tf.constant(held_out[features.ITEM_INDEX])[:, tf.newaxis]

    def rmse() -> float:
        predicted = ranker.rating(inputs, item_index).numpy()[:, 0]
        return float(np.sqrt(np.mean((predicted - held_out[features.LABEL_RATING]) ** 2)))

    model = ranking.RatingTraining(ranker)
    model.compile(optimizer=tf_keras.optimizers.legacy.Adam(rating.learning_rate))
    return model.fit(
        data.interactions(rating.batch_size, seed),
        epochs=rating.max_epochs,
        verbose=0,
        callbacks=callbacks(
            Validation(rmse, "rating", rating.max_epochs, VALIDATION_RMSE),
            rating.patience,
            log_folder,
        ),
    )


def _scale(lists: RankingLists) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each feature over the candidates, float32 [F] each."""
    rows = lists.features[lists.there].astype(np.float32)
    spread = rows.std(axis=0)
    return rows.mean(axis=0), np.where(spread > SMALLEST_SPREAD, spread, 1.0).astype(np.float32)


def _batches(
    lists: RankingLists, fold: npt.NDArray[np.int32], batch_size: int, seed: int
) -> tf.data.Dataset:
    """Streams comparisons in another order each epoch."""
    comparisons = lists.comparisons()
    random = np.random.default_rng(seed)
    shape = lists.features.shape[1:]

    def epoch() -> Iterator[dict[str, Any]]:
        order = random.permutation(len(comparisons))
        for start in range(0, len(order), batch_size):
            row, position = comparisons[order[start : start + batch_size]].T
            at_position = np.round(lists.position[row]) == position[:, np.newaxis]
            chosen = lists.chosen[row] & at_position
            yield {
                ranking.CANDIDATES: lists.features[row].astype(np.float32),
                ranking.CHOSEN: chosen,
                # What the user chose at another position is no negative.
                ranking.OFFERED: lists.there[row] & (chosen | ~lists.chosen[row]),
                ranking.POSITION: position.astype(np.float32),
                ranking.FOLD: fold[row],
            }

    flags = tf.TensorSpec([None, shape[0]], tf.bool)
    return tf.data.Dataset.from_generator(
        epoch,
        output_signature={
            ranking.CANDIDATES: tf.TensorSpec([None, *shape], tf.float32),
            ranking.CHOSEN: flags,
            ranking.OFFERED: flags,
            ranking.POSITION: tf.TensorSpec([None], tf.float32),
            ranking.FOLD: tf.TensorSpec([None], tf.int32),
        },
    ).prefetch(1)


def _list_ndcg(
    ranker: Ranker, lists: RankingLists, fold: npt.NDArray[np.int32]
) -> Callable[[], float]:
    """Returns a function that measures nDCG@10 of each list as the member that left it out has it.

    What was chosen and is no candidate counts as not found.
    """
    gains = 1.0 / np.log2(np.arange(LIST_LENGTH) + 2.0)
    relevant = lists.chosen.sum(axis=1) + lists.missed
    ideal = np.array([gains[: int(number)].sum() for number in relevant])

    @tf.function(reduce_retracing=True)
    def order(candidates: tf.Tensor, there: tf.Tensor, member: tf.Tensor) -> tf.Tensor:
        position = tf.fill([tf.shape(candidates)[0]], ranker.serving_position)
        opinions = tf.stack(ranker.opinions(candidates, position), axis=1)
        relevance = tf.gather(opinions, member, axis=1, batch_dims=1)
        relevance = tf.where(there, relevance, relevance.dtype.min)
        return tf.math.top_k(relevance, min(LIST_LENGTH, candidates.shape[1])).indices

    def measure() -> float:
        found = np.zeros(len(ideal))
        for start in range(0, len(ideal), VALIDATION_BATCH):
            rows = slice(start, start + VALIDATION_BATCH)
            candidates = tf.cast(lists.features[rows], tf.float32)
            first = order(candidates, lists.there[rows], fold[rows]).numpy()
            hits = np.take_along_axis(lists.chosen[rows], first, axis=1)
            found[rows] = hits @ gains[: first.shape[1]]
        return float(np.mean(found / ideal))

    return measure
