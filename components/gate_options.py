"""Options of the evaluation gate: a validated part of the configuration tree."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.metrics import names
from models.options import Options


class GateOptions(Options):
    """What a candidate must reach before it is pushed.

    Bounds hold over all users; metrics of slices are reported, not judged. Metrics are named as in
    models/metrics/names.py. `rating_rmse` is in rating units, all others lie between 0 and 1.
    """

    floors: dict[str, float] = {names.RECALL_AT_100: 0.02, names.NDCG_AT_10: 0.005}
    ceilings: dict[str, float] = {}
    # How much worse than the baseline (the last pushed model, or most popular on the first run) a
    # metric may be: an absolute amount, and a share of the baseline's value.
    max_drop: dict[str, float] = {names.NDCG_AT_10: 0.01, names.RECALL_AT_100: 0.02}
    # Relative, because the scale of ratings is the catalogue's own.
    max_relative_drop: dict[str, float] = {names.RATING_RMSE: 0.05}
    # What ndcg@10 must gain over most popular; null leaves that open.
    min_lift: float | None = Field(0.001, ge=-1.0, le=1.0)

    def judges(self, feedback: Literal["explicit", "implicit"]) -> bool:
        """Tells whether any bound is left for this kind of feedback."""
        bounded = {*self.floors, *self.ceilings, *self.max_drop, *self.max_relative_drop}
        if feedback == "implicit":
            bounded -= names.EXPLICIT_ONLY
        return bool(bounded) or self.min_lift is not None

    @field_validator("floors", "ceilings", "max_drop", "max_relative_drop")
    @classmethod
    def _check_names(cls, bounds: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(bounds) - set(names.ALL_METRICS))
        if unknown:
            raise ValueError(
                f"expected metrics out of {', '.join(names.ALL_METRICS)}. "
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
