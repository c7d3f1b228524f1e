"""Quality of one user's ranked list against the items they then chose."""

import math
from collections.abc import Iterable, Sequence


def hit_ranks(ranked: Sequence[bytes], chosen: Iterable[bytes]) -> list[int]:
    """Finds where the chosen items stand in a list.

    An item that the list repeats counts once, at its best place: a model cannot gain by repeating.

    Args:
        ranked: item ids, best first, b"" pads.
        chosen: item ids the user chose, any order, b"" pads.

    Returns:
        Zero-based places of the hits, ascending.
    """
    wanted = set(chosen) - {b""}
    ranks = []
    for rank, item in enumerate(ranked):
        if item in wanted:
            wanted.remove(item)
            ranks.append(rank)
    return ranks


def recall(ranks: Sequence[int], chosen_count: int, k: int) -> float:
    """Share of the chosen items among the first `k`, 0 to 1."""
    return sum(rank < k for rank in ranks) / chosen_count


def ndcg(ranks: Sequence[int], chosen_count: int, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`, 0 to 1, with binary relevance.

    The ideal list holds min(k, chosen_count) hits at the top.

    Source: Jarvelin and Kekalainen 2002, doi:10.1145/582415.582418.
    """
    gain = sum(1.0 / math.log2(rank + 2) for rank in ranks if rank < k)
    ideal = sum(1.0 / math.log2(rank + 2) for rank in range(min(k, chosen_count)))
    return gain / ideal


def reciprocal_rank(ranks: Sequence[int]) -> float:
    """One over the one-based place of the first hit, or 0 without any."""
    return 1.0 / (ranks[0] + 1) if ranks else 0.0


def hit(ranks: Sequence[int], k: int) -> float:
    """1 if any chosen item is among the first `k`, else 0."""
    return float(bool(ranks) and ranks[0] < k)
