import numpy as np
import pytest
from rich.console import Console

from benchmarks.wals import Result, compare, report, synthetic


def test_interactions_are_as_many_as_asked_for_when_made() -> None:
    table = synthetic(users=200, items=150, interactions=3000, seed=1)
    assert len(table.rating) == 3000
    assert (table.users, table.items) == (200, 150)
    assert np.bincount(table.user_index, minlength=table.users + 1)[1:].min() >= 1
    again = synthetic(users=200, items=150, interactions=3000, seed=1)
    assert again.item_index.tolist() == table.item_index.tolist()


def test_items_follow_their_rank_when_made() -> None:
    counts = synthetic(users=500, items=500, interactions=10_000, seed=1).item_counts()
    assert counts[:50].sum() > 2 * counts[50:250].sum() / 4 > counts[250:].sum() / 4


def test_interactions_are_refused_when_they_do_not_fit() -> None:
    with pytest.raises(ValueError, match="interactions must be between 10 and 100.*Received: 5"):
        synthetic(users=10, items=20, interactions=5, seed=0)
    with pytest.raises(ValueError, match="interactions must be between 10 and 100.*Received: 101"):
        synthetic(users=10, items=20, interactions=101, seed=0)


def test_both_reach_about_the_same_objective_when_compared() -> None:
    table = synthetic(users=300, items=150, interactions=4000, seed=2)
    ours, theirs = compare(table, factors=8, iterations=15, repeats=1, seed=0, threads=2)
    assert ours.objective == pytest.approx(theirs.objective, rel=0.05)
    assert len(ours.seconds) == len(theirs.seconds) == 1


def test_the_ratio_is_of_medians_when_reported() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(report(Result([3.0, 9.0, 6.0], 99.0), Result([2.0, 2.5, 1.0], 100.0)))
    # Medians 6 and 2, so 3 times; 99 is 1 % less than 100.
    row = next(line for line in capture.get().splitlines() if "WALS" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "WALS",
        "6.00",
        "3.00",
        "9.00",
        "3.00",
        "99",
        "-1.00 %",
    ]
