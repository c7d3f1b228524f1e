"""How users' lists share out a catalogue: from what each item was shown how often."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class Exposure(NamedTuple):
    """What users were shown; an accumulator, which grows with the catalogue, not with users.

    Attributes:
        shown_to: item to how many users have it in their list.
        lengths: length of a list to how many users have one so long.
        catalogue_size: items that could have been shown.
    """

    shown_to: Counter[bytes]
    lengths: Counter[int]
    catalogue_size: int

    def with_list(self, ranked: Sequence[bytes], catalogue_size: int) -> "Exposure":
        """Adds one user's list to this same accumulator; b"" pads, a repeated item counts once."""
        items = set(ranked) - {b""}
        self.shown_to.update(items)
        self.lengths[len(items)] += 1
        return self._replace(catalogue_size=max(self.catalogue_size, catalogue_size))


def no_exposure() -> Exposure:
    """Returns the exposure of no user."""
    return Exposure(Counter(), Counter(), 0)


def merge(exposures: Iterable[Exposure]) -> Exposure:
    """Adds up the exposures of different users."""
    merged = no_exposure()
    for exposure in exposures:
        merged.shown_to.update(exposure.shown_to)
        merged.lengths.update(exposure.lengths)
        size = max(merged.catalogue_size, exposure.catalogue_size)
        merged = merged._replace(catalogue_size=size)
    return merged


def coverage(exposure: Exposure) -> float:
    """Share of the catalogue that is shown to anybody; NaN without a catalogue."""
    size = exposure.catalogue_size
    return len(exposure.shown_to) / size if size else float("nan")


def gini(exposure: Exposure) -> float:
    """Gini coefficient of how often each item of the catalogue is shown, from 0 to 1.

    0: all items equally often; 1: one item alone. Items that are never shown count. NaN where
    nothing is shown; 0 for a catalogue of a single item.

    With exposures x_1 <= ... <= x_n it is sum((2 i - n - 1) x_i) / ((n - 1) sum(x)).

    Source: Shani and Gunawardana 2011, doi:10.1007/978-0-387-85820-3_8.
    """
    size = exposure.catalogue_size
    shown = np.sort(np.fromiter(exposure.shown_to.values(), np.float64))
    if not shown.size:
        return float("nan")
    if size < 2:
        return 0.0
    # The never shown come first and add nothing.
    place = np.arange(size - shown.size + 1, size + 1)
    return float((2 * place - size - 1) @ shown / ((size - 1) * shown.sum()))


def personalization(exposure: Exposure) -> float:
    """One less the expected overlap of two different users' lists, from 0 to 1.

    0: everyone gets the same list; 1: no two users share an item. An item that n users have is
    shared by n (n - 1) of the ordered pairs of users, so no pair is ever compared: what all pairs
    share, as a part of what they could share, which is the shorter of the two lists. For U lists of
    10 that is 1 - sum(n (n - 1)) / (10 U (U - 1)). NaN where no two users have a list.

    Source: Zhou et al. 2010, doi:10.1073/pnas.1000488107 (the mean Hamming distance of lists).
    """
    shared = sum(count * (count - 1) for count in exposure.shown_to.values())
    possible = _shorter_of_pairs(exposure.lengths)
    return 1.0 - shared / possible if possible else float("nan")


def _shorter_of_pairs(lengths: Counter[int]) -> int:
    """Sums the shorter length over all ordered pairs of two different users."""
    total, at_least = 0, lengths.total()
    # The shorter of a pair reaches a length if both do.
    for length in range(1, max(lengths, default=0) + 1):
        at_least -= lengths[length - 1]
        total += at_least * (at_least - 1)
    return total
