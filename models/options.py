"""Options of the models: validated parts of the configuration tree."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Options(BaseModel):
    """A frozen part of the configuration that rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TransformOptions(Options):
    """What the transform graph makes of raw features."""

    category_slots: int = Field(
        64, ge=2, le=4096
    )  # widths of category vectors; the last is "other"


class RatingOptions(Options):
    """The rating head and its training, on single interactions."""

    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(0.001, gt=0.0)
    max_epochs: int = Field(5, ge=1)
    patience: int = Field(1, ge=1)
    validation_interactions: int = Field(2000, ge=1)


class RankingOptions(Options):
    """The ranker and its training."""

    members: int = Field(4, ge=2)  # networks whose scores are averaged; each leaves out a fold
    hidden_units: int = Field(48, ge=2)  # of each, and half as many behind them
    dropout: float = Field(0.3, ge=0.0, lt=1.0)
    weight_decay: float = Field(0.001, ge=0.0)  # of hidden layers' squared weights, in the loss
    lists: int = Field(10_000, ge=2)  # users whose candidates are learned from, at most
    batch_size: int = Field(16, ge=1)  # lists a step
    learning_rate: float = Field(0.002, gt=0.0)
    max_epochs: int = Field(20, ge=1)
    patience: int = Field(5, ge=1)
    rating: RatingOptions = RatingOptions()


class IndexOptions(Options):
    """How nearest items are found in the servable."""

    kind: Literal["scann", "brute_force"] = "scann"
    partition_from: int = Field(20_000, ge=1)  # smaller catalogues are scored exactly
    leaves_searched_fraction: float = Field(0.1, gt=0.0, le=1.0)  # at most
    target_recall: float = Field(0.99, ge=0.0, le=1.0)  # at 100; fewer leaves where they reach it
    reorder: int = Field(1000, ge=1)  # candidates whose exact distance is computed
    min_recall: float = Field(0.9, ge=0.0, le=1.0)  # of the index against exact search, at 100
    related: int = Field(50, ge=0)  # neighbours kept for each item; more are searched for
    related_up_to: int = Field(100_000, ge=0)  # items; larger catalogues keep none


class ServingOptions(Options):
    """Limits and sizes of the served signatures."""

    max_k: int = Field(500, ge=100)  # the evaluation reads lists of 100
    candidates: int = Field(500, ge=100)  # retrieved and ranked for each request
    max_batch: int = Field(256, ge=1)  # users in a request
    max_request_items: int = Field(1000, ge=1)  # columns of a list in a request
    warmup_users: int = Field(4, ge=1)

    @model_validator(mode="after")
    def _check(self) -> "ServingOptions":
        if self.candidates < self.max_k:
            raise ValueError(
                f"candidates must be at least max_k = {self.max_k}. Received: {self.candidates}. "
                "Raise serving.candidates or lower serving.max_k."
            )
        return self


class RerankingOptions(Options):
    """How a ranked list is filtered and put into its final order.

    Strengths are from 0 to 1; those of diversity and freshness are defaults, which a request may
    override.
    """

    diversity: float = Field(0.0, ge=0.0, le=1.0)  # 0 leaves the ranker's order, 1 spreads
    diversify_first: int = Field(50, ge=1)  # leading places that are chosen one by one
    freshness: float = Field(0.0, ge=0.0, le=1.0)
    freshness_half_life_days: float = Field(90.0, gt=0.0)  # age at which half the boost is left
    popularity_penalty: float = Field(0.0, ge=0.0, le=1.0)
    category_cap: int | None = Field(None, ge=1)  # most items of one category, where possible
    category_cap_within: int = Field(10, ge=1)  # leading places that the cap holds for
    exclude_categories: tuple[str, ...] = ()
    exclude_flags: tuple[str, ...] = ()
    min_age_days: float | None = Field(None, ge=0.0)
    max_age_days: float | None = Field(None, ge=0.0)

    @model_validator(mode="after")
    def _check(self) -> "RerankingOptions":
        if self.category_cap is not None and self.category_cap_within > self.diversify_first:
            raise ValueError(
                f"category_cap_within must be at most diversify_first = {self.diversify_first}. "
                f"Received: {self.category_cap_within}. Raise reranking.diversify_first or lower "
                "reranking.category_cap_within."
            )
        low, high = self.min_age_days, self.max_age_days
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"min_age_days must be at most max_age_days = {high}. Received: {low}. "
                "Lower reranking.min_age_days or raise reranking.max_age_days."
            )
        return self
