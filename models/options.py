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


class RankingOptions(Options):
    """The ranker and its training."""

    hidden_units: int = Field(64, ge=1)
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    batch_size: int = Field(256, ge=2)
    negatives: int = Field(128, ge=2)  # half from the batch's positives, half from the catalogue
    rating_weight: float = Field(0.1, ge=0.0)
    learning_rate: float = Field(0.001, gt=0.0)
    max_epochs: int = Field(5, ge=1)
    patience: int = Field(1, ge=1)
    validation_interactions: int = Field(2000, ge=1)


class IndexOptions(Options):
    """How nearest items are found in the servable."""

    kind: Literal["scann", "brute_force"] = "scann"
    partition_from: int = Field(20_000, ge=1)  # smaller catalogues are scored exactly
    leaves_searched_fraction: float = Field(0.1, gt=0.0, le=1.0)
    reorder: int = Field(1000, ge=1)  # candidates whose exact distance is computed
    min_recall: float = Field(0.9, ge=0.0, le=1.0)  # of the index against exact search, at 100


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
