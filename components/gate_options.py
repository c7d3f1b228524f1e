"""Options of the evaluation gate: a validated part of the configuration tree."""

from collections.abc import Collection
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.metrics import names
from models.options import Options


class GateOptions(Options):
    """What a candidate must reach before it is pushed.

    Bounds hold over all users; metrics of slices are reported, not judged. Metrics are named as in
    models/metrics/names.py and described in docs/evaluation.md. `rating_rmse` is in rating units,
    `novelty@10` in bits, `intra_list_diversity@10` lies between 0 and 2, all others but differences
    between 0 and 1.
    """

    floors: dict[str, float] = {
        names.RECALL_AT_100: 0.02,
        names.NDCG_AT_10: 0.005,
        # One list for everyone has 0.
        names.PERSONALIZATION_AT_10: 0.1,
        # Less is left only where the embeddings have collapsed into one direction.
        names.INTRA_LIST_DIVERSITY_AT_10: 0.001,
        # One item in ten thousand: ten that everyone gets, of more than 100,000, are fewer.
        names.CATALOGUE_COVERAGE_AT_10: 0.0001,
    }
    # A Gini coefficient grows with the catalogue, for users see but ten items each: of a million
    # items, ten that everyone gets make 0.999991, and ten each to a thousand users at least 0.99.
    ceilings: dict[str, float] = {
        names.EXPOSURE_GINI_AT_10: 0.9999,
        names.NDCG_AT_10_GAP_BY_ACTIVITY: 0.5,
    }
    # How much worse than the baseline (the last pushed model, or most popular on the first run) a
    # metric may be: an absolute amount, and a share of the baseline's value.
    max_drop: dict[str, float] = {names.NDCG_AT_10: 0.01, names.RECALL_AT_100: 0.02}
    # Relative, because the scale of ratings is the catalogue's own.
    max_relative_drop: dict[str, float] = {names.RATING_RMSE: 0.05}
    # What ndcg@10 must gain over most popular; null leaves that open.
    min_lift: float | None = Field(0.001, ge=-1.0, le=1.0)

    @property
    def bounded(self) -> set[str]:
        """The metrics that a floor, a ceiling or a drop is set for."""
        return {*self.floors, *self.ceilings, *self.max_drop, *self.max_relative_drop}

    def check_attributes(self, attributes: Collection[str]) -> None:
        """Checks that the gaps that have bounds are between users that the data can tell apart.

        The options of the gate do not know those of the data, so whoever has both calls this.

        Args:
            attributes: names of the user attributes in the configuration.

        Raises:
            ValueError: if a bound is on the gap by another attribute, or an attribute's gap would
                have the name of the one by activity.
        """
        if names.ACTIVITY in attributes:
            raise ValueError(
                f"a user attribute other than {names.ACTIVITY!r} was expected: "
                f"{names.NDCG_AT_10_GAP_BY_ACTIVITY} is the gap between users by their number of "
                f"interactions. Received: {', '.join(attributes)}. Rename it."
            )
        known = [names.NDCG_AT_10_GAP_BY_ACTIVITY, *map(names.gap_by, attributes)]
        gaps = {name for name in self.bounded if names.gap_attribute(name) is not None}
        unknown = sorted(gaps - set(known))
        if unknown:
            raise ValueError(
                f"gate: gaps out of {', '.join(known)} were expected. Received: "
                f"{', '.join(unknown)}. Configure the user attribute, or take the bound out."
            )

    def judges(self, feedback: Literal["explicit", "implicit"]) -> bool:
        """Tells whether any bound is left for this kind of feedback."""
        bounded = self.bounded
        if feedback == "implicit":
            bounded -= names.EXPLICIT_ONLY
        return bool(bounded) or self.min_lift is not None

    @field_validator("floors", "ceilings", "max_drop", "max_relative_drop")
    @classmethod
    def _check_names(cls, bounds: dict[str, float]) -> dict[str, float]:
        known = set(names.ALL_METRICS)
        unknown = sorted(name for name in set(bounds) - known if not names.gap_attribute(name))
        if unknown:
            raise ValueError(
                f"expected metrics out of {', '.join(names.ALL_METRICS)}, or "
                f"{names.gap_by('NAME')} for a user attribute NAME. "
                f"Received: {', '.join(unknown)}."
            )
        return bounds

    @model_validator(mode="after")
    def _check_bounds(self) -> "GateOptions":
        for field in ("max_drop", "max_relative_drop"):
            for name, drop in getattr(self, field).items():
                if drop < 0.0:
                    raise ValueError(f"{field}.{name} must be at least 0. Received: {drop}.")
        for name in sorted(set(self.floors) & set(self.ceilings)):
            if self.floors[name] > self.ceilings[name]:
                raise ValueError(
                    f"floors.{name} must not be above ceilings.{name}. "
                    f"Received: {self.floors[name]} and {self.ceilings[name]}."
                )
        return self


class CardOptions(Options):
    """What the model card shows."""

    sample_users: int = Field(3, ge=0, le=50)
    list_length: int = Field(10, ge=1, le=100)  # recommendations a sample user
    history_length: int = Field(10, ge=1, le=100)  # past items a sample user, newest first
