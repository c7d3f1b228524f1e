import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.large_build import MemoryWatch, Phase, read_result
from benchmarks.large_catalogue import HISTORY, clustered_vectors, make_catalogue
from benchmarks.large_models import cluster_neighbours
from benchmarks.one_core import WARM_UP, SearchResult, Times, timed
from benchmarks.processes import BenchmarkError
from benchmarks.servable import measure_calls
from benchmarks.servable_results import (
    GIB,
    Limit,
    build_limits,
    call_limits,
    calls_table,
    limits_table,
    median_ms,
    percentile,
    phases_table,
    search_limits,
    search_table,
)
from models.progress import PROGRESS_LOGGER

CALLS = [
    Times("retrieve", 1, [2.0, 1.0, 3.0], [1.0, 1.0, 1.0]),
    Times("recommend", 1, [9.0, 5.0, 4.0], [3.0, 2.0, 1.0]),
    Times("retrieve", 32, [10.0], [9.0]),
    Times("recommend", 32, [35.0], [30.0]),
]
BUILT = read_result(
    {
        "items": 10,
        "dimension": 4,
        "generators": ["two_tower"],
        "phases": [
            {"name": "reading", "seconds": 90.0, "peak_bytes": 9 * GIB},
            {"name": "servable: saving", "seconds": 30.0, "peak_bytes": 3 * GIB},
        ],
        "bundle_bytes": 2 * GIB,
    }
)
FOUND = SearchResult(
    0.97,
    [Times("index", 1, [0.5, 0.25, 1.0], [0.5]), Times("exact", 1, [30.0, 10.0, 20.0], [20.0])],
)


def text_of(table: Table) -> str:
    console = Console(width=120, record=True)
    console.print(table)
    return console.export_text()


def cells(table: Table, row: str) -> list[str]:
    line = next(line for line in text_of(table).splitlines() if row in line)
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_medians_are_of_one_name_and_batch_when_asked_for() -> None:
    assert median_ms(CALLS, "recommend", 1) == 5.0
    assert median_ms(CALLS, "recommend", 32) == 35.0
    with pytest.raises(ValueError, match="calls of rank for 1 were expected. Received: none"):
        median_ms(CALLS, "rank", 1)


def test_percentiles_are_values_that_were_measured_when_few_are_above() -> None:
    # Of 200 values, 198 may not exceed it: the 198th.
    assert percentile([float(value) for value in range(200, 0, -1)], 99) == 198.0
    assert percentile([7.0], 99) == 7.0


def test_ratios_are_to_the_retrieval_of_the_same_batch_when_calls_are_shown() -> None:
    # Medians 5 and 2 for one user; 35 and 10 for 32.
    table = calls_table(CALLS)
    assert cells(table, "recommend │     1") == ["recommend", "1", "5.00", "9.00", "2.00", "2.50"]
    assert cells(table, "recommend │    32") == [
        "recommend",
        "32",
        "35.00",
        "35.00",
        "30.00",
        "3.50",
    ]


def test_limits_of_a_call_hold_when_it_is_quick_enough() -> None:
    ms, ratio = call_limits(CALLS)
    assert (ms.value, ms.holds) == (5.0, True)  # at most 5
    assert (ratio.value, ratio.holds) == (2.5, True)  # at most 4


def test_limits_of_a_build_tell_what_is_missed_when_memory_is_short() -> None:
    minutes, peak, saving = build_limits(BUILT)
    assert (minutes.value, minutes.holds) == (2.0, True)  # 90 + 30 s
    assert (peak.value, peak.holds) == (9.0, False)  # the greatest of all phases
    assert (saving.value, saving.holds) == (1.5, True)  # 3 GiB for a bundle of 2


def test_limits_of_an_index_are_the_least_when_it_is_searched() -> None:
    recall, faster = search_limits(FOUND)
    assert (recall.value, recall.holds) == (0.97, False)
    assert (faster.value, faster.holds) == (40.0, True)  # 20 / 0.5


def test_tables_show_what_was_measured_when_printed() -> None:
    assert cells(phases_table(BUILT), "whole build") == ["whole build", "120.0", "9.00"]
    assert cells(search_table(FOUND), "40 times") == ["1", "0.500", "20.00", "40 times", "0.9700"]
    limits = [Limit("one", 1.0, 2.0), Limit("other", 1.0, 2.0, at_least=True)]
    assert cells(limits_table(limits), "one") == ["one", "1", "≤ 2", "held"]
    assert cells(limits_table(limits), "other") == ["other", "1", "≥ 2", "missed"]


def test_calls_take_turns_when_they_are_timed() -> None:
    order: list[tuple[str, int]] = []
    taken = timed(
        {
            "a": lambda number: order.append(("a", number)),
            "b": lambda number: order.append(("b", number)),
        },
        repeats=3,
    )
    assert order == list(
        (name, number) for number, name in itertools.product(range(WARM_UP + 3), "ab")
    )
    assert {name: [*map(len, pair)] for name, pair in taken.items()} == {"a": [3, 3], "b": [3, 3]}


def test_phases_begin_at_what_the_builder_says_when_it_is_watched() -> None:
    watch = MemoryWatch()
    with watch.watching():
        logging.getLogger(PROGRESS_LOGGER).info("servable: saving")
    assert [phase.name for phase in watch.phases] == ["reading", "servable: saving"]
    assert all(phase.peak_bytes > 0 for phase in watch.phases)
    assert not logging.getLogger(PROGRESS_LOGGER).handlers


def test_results_are_read_back_when_they_were_written() -> None:
    assert BUILT.phases[1] == Phase("servable: saving", 30.0, 3 * GIB)
    assert BUILT.saving_bytes == 3 * GIB


def test_items_lie_in_clusters_when_a_catalogue_is_made() -> None:
    catalogue = make_catalogue(items=2000, dimension=16, users=5, seed=1)
    vectors = catalogue.vectors
    assert np.allclose(np.linalg.norm(vectors[1:], axis=1), 1.0, atol=1e-5)
    assert not vectors[0].any()
    # Two clusters of 1000; items 1 and 3 share one, 1 and 2 do not.
    assert catalogue.cluster.tolist()[:5] == [-1, 0, 1, 0, 1]
    same, other = vectors[1:500:2] @ vectors[501:1001:2].T, vectors[1:500:2] @ vectors[2:501:2].T
    assert same.mean() > other.mean() + 0.4
    again = make_catalogue(items=2000, dimension=16, users=5, seed=1)
    np.testing.assert_array_equal(catalogue.histories, again.histories)


def test_users_stay_in_few_clusters_when_a_catalogue_is_made() -> None:
    catalogue = make_catalogue(items=10_000, dimension=4, users=20, seed=2)
    for history in catalogue.histories:
        assert len(set(history.tolist())) == HISTORY
        assert len(set(catalogue.cluster[history].tolist())) <= 3


def test_a_catalogue_is_refused_when_it_is_smaller_than_a_history() -> None:
    with pytest.raises(ValueError, match="items must be at least 40, a history. Received: 39"):
        make_catalogue(items=39, dimension=4, users=1, seed=0)


def test_vectors_are_the_same_when_their_source_is() -> None:
    cluster = np.array([-1, 0, 1, 0])
    first, second = (clustered_vectors(cluster, 8, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32


def test_neighbours_are_of_the_own_cluster_when_listed() -> None:
    # Six items in clusters 0 1 0 1 0 1: the next of item 1 are 3 and 5, of item 4 they are 6 and 2.
    table = cluster_neighbours(np.array([-1, 0, 1, 0, 1, 0, 1]), number=5)
    assert table.index[:5].tolist() == [[0, 0], [3, 5], [4, 6], [5, 1], [6, 2]]
    assert table.weight[:2].tolist() == [[0.0, 0.0], [1.0, 0.5]]


def test_a_folder_is_refused_when_it_holds_no_servable(tmp_path: Path) -> None:
    with pytest.raises(
        BenchmarkError, match="must be a folder with saved_model.pb. Received: none"
    ):
        measure_calls(tmp_path, tmp_path)
