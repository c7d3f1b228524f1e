"""Which module fits which family."""

from collections.abc import Callable
from typing import Any

from models.retrieval import (
    binary_factorization,
    content,
    ease,
    item_knn,
    rating_factorization,
    softmax,
    two_tower,
    weighted_factorization,
)
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import FamilyOptions
from models.transformed_data import TransformedData

_FIT: dict[str, Callable[[TransformedData, Any, FitContext], RetrievalModel]] = {
    "two_tower": two_tower.fit,
    "softmax": softmax.fit,
    "weighted_factorization": weighted_factorization.fit,
    "rating_factorization": rating_factorization.fit,
    "binary_factorization": binary_factorization.fit,
    "content": content.fit,
    "item_knn": item_knn.fit,
    "ease": ease.fit,
}


def fit_retrieval(
    data: TransformedData, options: FamilyOptions, context: FitContext
) -> RetrievalModel:
    """Fits a model of the family that the options belong to.

    Args:
        data: the transformed examples.
        options: of the family.
        context: seed, range of the ratings, folder for logs.

    Returns:
        The fitted model.

    Raises:
        ValueError: if the family cannot learn from these data.
        FloatingPointError: if the training diverged.
    """
    return _FIT[options.kind](data, options, context)
