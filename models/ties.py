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
