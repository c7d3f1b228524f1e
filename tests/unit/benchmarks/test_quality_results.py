import json

import pytest
from rich.console import Console

from benchmarks.metrics import Quality
from benchmarks.quality_results import ServedResult, as_json, table_of

SERVED = [
    ServedResult(17, Quality(0.125, 0.2, 0.25, 0.5, 1.0), 3.0, 0, 60.0, 2**30),
    ServedResult(18, Quality(0.375, 0.4, 0.75, 0.5, 0.5), 5.0, 0, 70.0, 2**31),
]
CLASSIC = {"most-popular": Quality(0.1, 0.2, 0.3, 0.4, 0.5)}


def printed(served: list[ServedResult], width: int = 120) -> list[str]:
    console = Console(record=True, width=width)
    console.print(table_of(served, CLASSIC))
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_every_seed_and_the_mean_have_a_row_when_there_are_several() -> None:
    lines = printed(SERVED)
    # ndcg (0.125 + 0.375) / 2, recalls 0.6 / 2 and 1 / 2, mrr 0.5, coverage 1.5 / 2, ms 8 / 2.
    mean = "│ Marquee, mean of 2 │ 0.2500 │ 0.3000 │ 0.5000 │ 0.5000 │ 0.7500 │ 4.0 │"
    assert lines[3:7] == [
        "│ Marquee, seed 17 │ 0.1250 │ 0.2000 │ 0.2500 │ 0.5000 │ 1.0000 │ 3.0 │",
        "│ Marquee, seed 18 │ 0.3750 │ 0.4000 │ 0.7500 │ 0.5000 │ 0.5000 │ 5.0 │",
        mean,
        "│ most-popular │ 0.1000 │ 0.2000 │ 0.3000 │ 0.4000 │ 0.5000 │ – │",
    ]
    assert lines[1].strip("┃ ").split(" ┃ ") == [
        "recommender",
        "nDCG@10",
        "recall@10",
        "recall@100",
        "MRR",
        "coverage@10",
        "ms",
    ]


def test_there_is_no_mean_when_there_is_one_run() -> None:
    (row,) = [line for line in printed(SERVED[:1]) if "Marquee" in line]
    assert row.startswith("│ Marquee, seed 17 │ 0.1250")


def test_numbers_are_whole_when_there_is_little_room() -> None:
    (row,) = [line for line in printed(SERVED, width=80) if "0.3750" in line]
    assert row.endswith("│ 0.3750 │ 0.4000 │ 0.7500 │ 0.5000 │ 0.5000 │ 5.0 │")


def test_figures_are_the_same_when_written_as_json() -> None:
    report = json.loads(json.dumps(as_json(SERVED, CLASSIC)))
    assert [run["seed"] for run in report["served"]] == [17, 18]
    assert report["mean"]["ndcg_at_10"] == pytest.approx(0.25)
    assert report["mean"]["median_ms"] == 4.0
    assert report["classic"]["most-popular"]["recall_at_10"] == 0.2
