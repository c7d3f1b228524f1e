"""What `benchmarks.models` compares: every family, and the two towers' choices."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from benchmarks.processes import BenchmarkError
from models.retrieval.options import FAMILIES, retrieval_options


@dataclass(frozen=True)
class Candidate:
    """A family with options.

    Attributes:
        name: as the table shows it.
        options: `kind` and what differs from the family's defaults.
    """

    name: str
    options: dict[str, Any]

    @property
    def kind(self) -> str:
        """The family."""
        return str(self.options["kind"])


def _towers(name: str, **options: Any) -> Candidate:
    return Candidate(name, {"kind": "two_tower", **options})


EVERY_FAMILY = (
    Candidate("item-kNN", {"kind": "item_knn"}),
    Candidate("EASE", {"kind": "ease"}),
    Candidate("WALS", {"kind": "weighted_factorization", "solver": "wals"}),
    Candidate("WMF by SGD", {"kind": "weighted_factorization", "solver": "sgd"}),
    Candidate("MF of ratings", {"kind": "rating_factorization"}),
    Candidate("binary MF", {"kind": "binary_factorization"}),
    Candidate("content network", {"kind": "content"}),
    Candidate("softmax, full", {"kind": "softmax", "full": True}),
    Candidate("softmax, sampled", {"kind": "softmax", "full": False}),
    _towers("two towers"),
)
# The first is among the families too; it is fitted once.
CHOICES = (
    _towers("two towers"),
    *(
        _towers(f"{kind.replace('_', '-')} negatives", negatives={"kind": kind})
        for kind in ("in_batch", "uniform", "popularity", "hard")
    ),
    *(
        _towers(f"{kind.replace('_', ' ')} similarity", similarity={"kind": kind})
        for kind in ("dot", "euclidean", "dot_over_norm")
    ),
)


def chosen(
    candidates: Sequence[Candidate], kinds: Sequence[str], options: Sequence[str]
) -> list[Candidate]:
    """Selects candidates and changes their options.

    Args:
        candidates: to choose from.
        kinds: families to keep; none keeps all.
        options: `KIND.KEY=VALUE` each, the value read as YAML; the key may be a path.

    Returns:
        Those kept, with the options of their kind set.

    Raises:
        BenchmarkError: if a kind is unknown, an option is no KIND.KEY=VALUE or does not fit.
    """
    _check_kinds(kinds)
    kept = [
        Candidate(candidate.name, copy.deepcopy(candidate.options))
        for candidate in candidates
        if not kinds or candidate.kind in kinds
    ]
    for option in options:
        path, separator, text = option.partition("=")
        kind, *sections, key = path.split(".") if "." in path else ("", "")
        if not separator or not key:
            raise BenchmarkError(f"--option {option}: KIND.KEY=VALUE was expected.")
        _check_kinds([kind])
        for candidate in kept:
            if candidate.kind == kind:
                place = candidate.options
                for section in sections:
                    place = place.setdefault(section, {})
                place[key] = yaml.safe_load(text)
    for candidate in kept:
        _check_options(candidate)
    return kept


def _check_options(candidate: Candidate) -> None:
    try:
        retrieval_options(candidate.options)
    except ValidationError as err:
        first = err.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BenchmarkError(
            f"--option {key}: {first['msg']}. Received: {first['input']!r}. See docs/models.md."
        ) from err


def _check_kinds(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind not in FAMILIES:
            raise BenchmarkError(f"{kind} is no family: one of {', '.join(FAMILIES)} was expected.")
