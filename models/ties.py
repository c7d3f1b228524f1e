"""An order among equals that says nothing about them."""

import numpy as np
import numpy.typing as npt

SEED = 20_101  # any; it must only stay


def tie_order(size: int) -> npt.NDArray[np.int64]:
    """Returns a fixed permutation of 0 to size - 1, by which equals are ordered.

    Item indices are ranks by frequency in all training interactions. Broken by index, a tie in
    what is counted earlier would tell which of the equals was chosen more often later.
    """
    return np.random.default_rng(SEED).permutation(size)


def scattered(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Returns a fixed number for each key, of which neighbouring keys have unrelated ones.

    Source: the finalizer of SplitMix64, Steele et al. 2014, doi:10.1145/2660193.2660195.

    Args:
        keys: int64, any shape.
    """
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
