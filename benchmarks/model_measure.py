"""Fits a retrieval model and measures its lists, its predicted ratings, its time and its size."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pyarrow import compute

from benchmarks import metrics
from benchmarks.baselines import top_k
from benchmarks.candidates import Candidate
from benchmarks.model_results import Result
from benchmarks.processes import BenchmarkError
from benchmarks.quality import Task
from benchmarks.split import time_per_user
from benchmarks.transformed import Transformed
from models import features
from models.retrieval.linear import LinearRetrieval
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.options import retrieval_options
from models.retrieval.registry import fit_retrieval
from models.training import seed_everything

K = metrics.RECALL_K
BATCH = 128  # users whose scores are held at once
RATED_BATCH = 16  # users whose held-out ratings are predicted at once
LATENCY_USERS = 200  # asked one by one
WARM_UP_USERS = 5  # of these, not counted: TensorFlow traces

Scorer = Callable[[Tensors], tf.Tensor]


@dataclass(frozen=True)
class HeldOut:
    """Held-out ratings.

    Attributes:
        user: int64 [n], rows of the transformed users.
        item_index: int64 [n].
        rating: float64 [n].
    """

    user: NDArray[np.int64]
    item_index: NDArray[np.int64]
    rating: NDArray[np.float64]


class Judge:
    """Asks fitted models for every test user's list."""

    def __init__(self, task: Task, transformed: Transformed, rating_column: str | None):
        """Matches the ids of the task with those of the transformed examples.

        Args:
            task: the data set, divided.
            transformed: of the task's part to learn from.
            rating_column: of the interactions file; None for implicit feedback.

        Raises:
            BenchmarkError: if the transformed examples lack a test user or a held-out item.
        """
        self._task = task
        self._users = transformed.users
        self.data = transformed.data
        item_ids = {item_id: index for index, item_id in enumerate(transformed.item_ids, 1)}
        user_ids = {user_id: row for row, user_id in enumerate(transformed.users.ids)}
        try:
            index = np.array([item_ids[item_id] for item_id in task.dataset.item_ids])
            self._rows = np.array([user_ids[task.dataset.user_ids[user]] for user in task.users])
        except KeyError as err:
            raise BenchmarkError(
                f"{err} was expected among what the pipeline transformed, and is not. See its log "
                "for rejected rows."
            ) from err
        self._column = np.full(len(item_ids) + 1, metrics.NO_ITEM)
        self._column[index] = np.arange(len(index))
        self._rated = _held_out(task, index, user_ids, rating_column) if rating_column else None

    def most_popular(self) -> Result:
        """Measures the list of the items with the most interactions, all of the task's training."""
        started = time.perf_counter()
        scores = np.zeros([1, len(self._column)], np.float32)
        counts = np.asarray(self._task.train.sum(axis=0)).ravel()
        scores[0, 1:] = counts[self._column[1:]]
        seconds = time.perf_counter() - started

        def score(inputs: Tensors) -> tf.Tensor:
            return tf.tile(scores, [len(inputs[features.USER_INDEX]), 1])

        return self.measure("most-popular", score, None, seconds, len(counts))

    def fit(self, candidate: Candidate, context: FitContext) -> list[Result]:
        """Fits a candidate and measures it.

        Args:
            candidate: the family and its options.
            context: seed, range of the ratings, folder for logs.

        Returns:
            What it reached; of a linear model, with exact weights and then as it is served.

        Raises:
            ValueError: if an option does not fit or the family cannot learn from the data.
            FloatingPointError: if the training diverged.
        """
        options = retrieval_options(candidate.options)
        seed_everything(context.seed)
        started = time.perf_counter()
        model = fit_retrieval(self.data, options, context)
        seconds = time.perf_counter() - started
        parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
        if not isinstance(model, LinearRetrieval):
            return [self.measure(candidate.name, model.scorer(), model, seconds, parameters)]
        served = f"{candidate.name}, rank {model.direction_size} as served"
        exact = self.measure(candidate.name, model.scorer(), model, seconds, model.weights.size)
        return [exact, self.measure(served, model.served_scorer(), model, seconds, parameters)]

    def measure(
        self,
        name: str,
        scorer: Scorer,
        model: RetrievalModel | None,
        seconds: float,
        parameters: int,
    ) -> Result:
        """Asks for everyone's list.

        Args:
            name: of the result.
            scorer: scores of all items, float32 [B, N+1], by item index.
            model: predicts ratings, if it does; None where there is only a scorer.
            seconds: that fitting took.
            parameters: numbers learned.
        """
        parts = [
            self._recommend(scorer, self._users.rows(self._rows[start : start + BATCH]))
            for start in range(0, len(self._rows), BATCH)
        ]
        lists = np.concatenate(parts)
        predicts = model is not None and model.predicts_ratings
        return Result(
            name=name,
            quality=metrics.evaluate(lists, self._task.test, self._task.users),
            rmse=self._rmse(model) if model is not None and predicts else None,
            fit_seconds=seconds,
            query_ms=self._query_ms(scorer),
            parameters=parameters,
        )

    def _recommend(self, scorer: Scorer, inputs: Tensors) -> NDArray[np.int64]:
        """Best items that users have not seen, int64 [B, K], columns of the task, -1 pads."""
        scores = np.array(scorer(inputs))
        scores[:, 0] = -np.inf
        np.put_along_axis(scores, inputs[features.SEEN_INDEX].numpy(), -np.inf, axis=1)
        best = top_k(scores, K)
        left = np.take_along_axis(scores, best, axis=1) > -np.inf
        return np.where(left, self._column[best], metrics.NO_ITEM)

    def _query_ms(self, scorer: Scorer) -> float:
        taken = []
        for row in self._rows[:LATENCY_USERS]:
            inputs = self._users.rows(np.array([row]))
            started = time.perf_counter()
            self._recommend(scorer, inputs)
            taken.append(1000 * (time.perf_counter() - started))
        return statistics.median(taken[WARM_UP_USERS:] or taken)

    def _rmse(self, model: RetrievalModel) -> float | None:
        """Root mean squared error over the held-out ratings of all test users."""
        if self._rated is None:
            return None
        errors = []
        users, first = np.unique(self._rated.user, return_index=True)
        ends = np.append(first[1:], len(self._rated.user))
        for start in range(0, len(users), RATED_BATCH):
            batch = slice(start, start + RATED_BATCH)
            lengths = ends[batch] - first[batch]
            present = np.arange(lengths.max()) < lengths[:, np.newaxis]
            rows = slice(first[start], ends[batch][-1])
            items = np.zeros(present.shape, np.int64)
            items[present] = self._rated.item_index[rows]
            predicted = model.predict_rating(self._users.rows(users[batch]), tf.constant(items))
            errors.append(predicted.numpy()[present] - self._rated.rating[rows])
        return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def _held_out(
    task: Task, index: NDArray[np.int64], user_ids: dict[str, int], rating_column: str
) -> HeldOut:
    dataset = task.dataset
    held_out = time_per_user(dataset.user, dataset.timestamp)
    rows = np.array([user_ids.get(user_id, -1) for user_id in dataset.user_ids])
    user = rows[dataset.user[held_out]]
    rating = compute.cast(dataset.table[rating_column], "float64").to_numpy()[held_out]
    order = np.argsort(user, kind="stable")
    return HeldOut(user[order], index[dataset.item[held_out]][order], rating[order])
