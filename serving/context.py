"""What a request for recommendations says beyond who asks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import contract
from serving.client_errors import InvalidRequestError

_CONFIGURED = -1.0  # the strength by which the servable knows that it was left open


@dataclass(frozen=True)
class Context:
    """What holds for one user's list alone.

    Attributes:
        history: ids of items, newest first, that come before what is stored of the user; they are
            not recommended.
        exclude: ids of other items that must not be in the list.
        exclude_categories: categories none of whose items may be in the list.
        diversity: how much the items should differ, from 0, the ranker's order, to 1; None is
            what the model is configured with.
        freshness: how much new items are moved up, from 0 to 1; None likewise.

    Raises:
        InvalidRequestError: if a strength is not from 0 to 1, or a text stands for a list.
    """

    history: Sequence[str] = ()
    exclude: Sequence[str] = ()
    exclude_categories: Sequence[str] = ()
    diversity: float | None = None
    freshness: float | None = None

    def __post_init__(self) -> None:
        """Checks the values, so that a mistake is told before anyone is asked."""
        for name in ("history", "exclude", "exclude_categories"):
            values = getattr(self, name)
            # A text is a sequence of texts too: its letters.
            if isinstance(values, str):
                raise InvalidRequestError(
                    f"{name} must be a list of texts. Received: the text {values!r}. "
                    f"Give [{values!r}]."
                )
        for name in ("diversity", "freshness"):
            strength = getattr(self, name)
            if strength is not None and not 0.0 <= strength <= 1.0:
                raise InvalidRequestError(
                    f"{name} must be from 0 to 1. Received: {strength}. Give a strength between "
                    "them, or leave it out for what the model is configured with."
                )

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, so that who asks is all there is to know."""
        lists = (self.history, self.exclude, self.exclude_categories)
        return not any(map(len, lists)) and self.diversity is None and self.freshness is None


def context_inputs(contexts: Sequence[Context]) -> dict[str, NDArray[np.generic]]:
    """Returns the inputs of `recommend_with_context`, but for the users and k.

    Args:
        contexts: B of them, one for each user.

    Returns:
        By name: ids and categories, object [B, longest list], at least one column, "" pads;
        strengths, float32 [B], unitless.
    """
    return {
        contract.HISTORY_ITEM_ID: _padded([context.history for context in contexts]),
        contract.EXCLUDE_ITEM_ID: _padded([context.exclude for context in contexts]),
        contract.EXCLUDE_CATEGORY: _padded([context.exclude_categories for context in contexts]),
        contract.DIVERSITY: _strengths([context.diversity for context in contexts]),
        contract.FRESHNESS: _strengths([context.freshness for context in contexts]),
    }


def _padded(lists: Sequence[Sequence[str]]) -> NDArray[np.object_]:
    padded = np.full((len(lists), max([1, *map(len, lists)])), b"", dtype=object)
    for row, texts in zip(padded, lists, strict=True):
        row[: len(texts)] = [text.encode() for text in texts]
    return padded


def _strengths(given: Sequence[float | None]) -> NDArray[np.float32]:
    return np.array([_CONFIGURED if one is None else one for one in given], dtype=np.float32)
