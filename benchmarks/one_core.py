"""Measures calls in process on one processor: `python -m benchmarks.one_core WHAT PATH RESULT`.

WHAT is `calls`, PATH then a servable, or `search`, PATH then the folder of a large build. Both hold
TensorFlow, ScaNN and every other library to one processor, which has to happen before they start
threads: hence a process of its own.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import contract

if TYPE_CHECKING:
    from models.index import Index
    from models.item_table import FloatArray

K = 10
BATCH = 32
CALLS = {1: 300, BATCH: 40}  # timed, by the number of users in each
WARM_UP = 20  # calls before them
DIVERSITY = 0.3
SEED = 0
USERS_FILE = "assets/users.txt"  # of a servable, one id a line
ITEMS_FILE = "assets/item_vocabulary"
NEIGHBOURS = 100  # searched for, where an index is measured
SEARCH_CALLS = 15
QUERIES = 256  # that an index is narrowed by, and as many others that it is judged by
ITEMS_AT_ONCE = 65_536  # embedded

Call = Callable[[Sequence[bytes]], Any]


@dataclass(frozen=True)
class Times:
    """What calls of one kind took.

    Attributes:
        name: of what is called.
        batch: users, or queries, in a call.
        milliseconds: of each call; of each query where an index is searched.
        processor: milliseconds that the processor worked for it, in all threads, which other
            programs on the same processor do not add to as they do to the time that passes.
    """

    name: str
    batch: int
    milliseconds: list[float]
    processor: list[float]


@dataclass(frozen=True)
class SearchResult:
    """How an index searches.

    Attributes:
        recall: of its first 100 against exact search, over users.
        times: of `index` and of `exact`.
    """

    recall: float
    times: list[Times]


def hold_to_one_core() -> None:
    """Binds this process to the last processor it may use, and TensorFlow to one thread."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def timed(
    calls: dict[str, Callable[[int], object]], repeats: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Times calls in turns, so that whatever else the machine does slows all of them.

    Args:
        calls: by name; each is told how often all were called before.
        repeats: timed; WARM_UP come before them.

    Returns:
        Milliseconds that passed, and that the processor worked, by name.
    """
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    for number in range(-WARM_UP, repeats):
        for name, call in calls.items():
            started, worked = time.perf_counter(), time.process_time()
            call(number + WARM_UP)
            if number >= 0:
                taken[name][1].append(1000.0 * (time.process_time() - worked))
                taken[name][0].append(1000.0 * (time.perf_counter() - started))
    return taken


def measure_calls(servable: Path) -> list[Times]:
    """Times a servable's calls for lists of K.

    Args:
        servable: a SavedModel with a file of its users.

    Returns:
        Of each call and batch.
    """
    model = load(servable)
    user_ids = (servable / USERS_FILE).read_bytes().splitlines()
    chooser = random.Random(SEED)
    measured = []
    for batch, repeats in CALLS.items():
        size = min(batch, len(user_ids))
        asked = [chooser.sample(user_ids, size) for _ in range(WARM_UP + repeats)]
        calls = {name: _asking(call, asked) for name, call in list_calls(model.signatures).items()}
        taken = timed(calls, repeats)
        measured += [Times(name, size, *milliseconds) for name, milliseconds in taken.items()]
    return measured


def _asking(call: Call, asked: Sequence[Sequence[bytes]]) -> Callable[[int], object]:
    return lambda number: call(asked[number])


def load(servable: Path) -> Any:
    """Loads a servable, whichever kind of index it has."""
    import scann  # noqa: F401 - registers the operations of the index
    import tensorflow as tf

    return tf.saved_model.load(str(servable))


def list_calls(signatures: Any) -> dict[str, Call]:
    """Returns what is timed: retrieval alone, and whole recommendations with and without spread.

    Args:
        signatures: of a loaded servable.
    """
    import tensorflow as tf

    k = tf.constant(K)

    def plain(name: str) -> Call:
        def call(user_ids: Sequence[bytes]) -> Any:
            return signatures[name](user_id=tf.constant(user_ids), k=k)[contract.ITEM_ID].numpy()

        return call

    def with_context(diversity: float) -> Call:
        def call(user_ids: Sequence[bytes]) -> Any:
            nothing = tf.fill([len(user_ids), 1], "")
            listed = signatures[contract.RECOMMEND_WITH_CONTEXT](
                user_id=tf.constant(user_ids),
                k=k,
                history_item_id=nothing,
                exclude_item_id=nothing,
                exclude_category=nothing,
                diversity=tf.fill([len(user_ids)], diversity),
                freshness=tf.zeros([len(user_ids)]),
            )
            return listed[contract.ITEM_ID].numpy()

        return call

    return {
        contract.RETRIEVE: plain(contract.RETRIEVE),
        contract.RECOMMEND: plain(contract.RECOMMEND),
        "with context, diversity 0": with_context(0.0),
        f"with context, diversity {DIVERSITY}": with_context(DIVERSITY),
    }


def measure_search(folder: Path) -> SearchResult:
    """Measures the main family's index of a large build against exact search.

    The index is built again, as the builder builds it, of the vectors that the bundle answers with.

    Args:
        folder: of the build.
    """
    import numpy as np

    from benchmarks.large_build import BUNDLE
    from models.index import BruteForceIndex, build_index, narrow_search, recall_against_exact
    from pipeline.config import load_config

    vectors, queries = _embeddings(folder / BUNDLE)
    options = load_config().index
    index = build_index(vectors, options)
    narrow_search(index, vectors, queries[:QUERIES], NEIGHBOURS, options)
    # Over others than those that it was narrowed by.
    others = queries[QUERIES:]
    recall = recall_against_exact(index, vectors, others, NEIGHBOURS)
    exact = BruteForceIndex(vectors)
    chooser = np.random.default_rng(SEED)
    asked = [others[chooser.choice(len(others), BATCH)] for _ in range(WARM_UP + SEARCH_CALLS)]
    times = []
    for batch in (1, BATCH):
        calls = {
            "index": _search(index, asked, batch),
            "exact": _search(exact, asked, batch),
        }
        for name, taken in timed(calls, SEARCH_CALLS).items():
            passed, worked = ([one / BATCH for one in column] for column in taken)
            times.append(Times(name, batch, passed, worked))
    return SearchResult(recall, times)


def _embeddings(servable: Path) -> tuple["FloatArray", "FloatArray"]:
    """Asks a servable for the vectors of all items, float32 [N, D], and of users, [U, D]."""
    signatures = load(servable).signatures
    item_ids = (servable / ITEMS_FILE).read_bytes().splitlines()
    user_ids = (servable / USERS_FILE).read_bytes().splitlines()[: 2 * QUERIES]
    items = _embedded(signatures[contract.EMBED_ITEMS], contract.ITEM_ID, item_ids, ITEMS_AT_ONCE)
    users = _embedded(signatures[contract.EMBED_USERS], contract.USER_ID, user_ids, QUERIES)
    return items, users


def _embedded(embed: Any, name: str, ids: Sequence[bytes], at_once: int) -> "FloatArray":
    import numpy as np
    import tensorflow as tf

    parts = [
        embed(**{name: tf.constant(ids[start : start + at_once])})[contract.EMBEDDING].numpy()
        for start in range(0, len(ids), at_once)
    ]
    return np.concatenate(parts)


def _search(index: "Index", asked: "Sequence[FloatArray]", batch: int) -> Callable[[int], object]:
    """Returns a call that searches for BATCH queries, `batch` at a time, within one graph.

    That is how a servable searches: what it takes to enter a graph from Python is no part of it.
    """
    import tensorflow as tf

    n = tf.constant(NEIGHBOURS)

    @tf.function
    def search(queries: tf.Tensor) -> tf.Tensor:
        groups = tf.reshape(queries, [-1, batch, queries.shape[1]])
        return tf.map_fn(
            lambda group: index.search(group, n)[0],
            groups,
            fn_output_signature=tf.int32,
            parallel_iterations=1,
        )

    def call(number: int) -> object:
        return search(tf.constant(asked[number])).numpy()

    return call


def main(what: str, path: Path, result_file: Path) -> None:
    """Measures and writes the result as JSON."""
    hold_to_one_core()
    if what == "calls":
        result: object = [asdict(times) for times in measure_calls(path)]
    else:
        result = asdict(measure_search(path))
    result_file.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
