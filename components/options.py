"""Options of the data and gate components: validated parts of the configuration tree."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.options import Options


class InteractionColumns(Options):
    """Header names of the interactions file."""

    user: str
    item: str
    rating: str | None = None
    timestamp: str


class InteractionOptions(Options):
    """Where interactions are and how to read them."""

    file: str  # relative to the data folder; a glob may match several files
    columns: InteractionColumns
    feedback: Literal["explicit", "implicit"] = "explicit"
    rating_range: tuple[float, float] = (1.0, 5.0)
    timestamp_unit: Literal["s", "ms"] = "s"

    @model_validator(mode="after")
    def _check(self) -> "InteractionOptions":
        low, high = self.rating_range
        if not low < high:
            raise ValueError(f"rating_range must be [lowest, highest]. Received: [{low}, {high}].")
        if self.feedback == "explicit" and not self.columns.rating:
            raise ValueError(
                "columns.rating is needed for explicit feedback. Received none. "
                "Name the column or set feedback to implicit."
            )
        return self


class NumericColumn(Options):
    """A numeric item feature, read from a catalogue column."""

    column: str
    pattern: str | None = None  # a regular expression whose first group is the number

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as err:
                raise ValueError(f"pattern is no regular expression: {err}") from err
            if groups != 1:
                raise ValueError(f"pattern must have exactly one group. Received: {groups}.")
        return pattern


class CatalogueColumns(Options):
    """Header names of the catalogue file."""

    item: str
    title: str | None = None
    categories: str | None = None


class CatalogueOptions(Options):
    """Where the catalogue is and how to read it."""

    file: str
    columns: CatalogueColumns
    category_separator: str = Field("|", min_length=1)
    no_category: str | None = None  # the text that stands for an item without any category
    numeric: dict[str, NumericColumn] = {}


class SplitOptions(Options):
    """How interactions are divided into train, late and eval."""

    strategy: Literal[
        "time_per_user", "global_time", "random_per_user", "random_per_item", "leave_one_out"
    ] = "time_per_user"
    eval_fraction: float = Field(0.2, gt=0.0, lt=1.0)
    late_fraction: float = Field(0.2, gt=0.0, lt=1.0)  # of what is not eval


class DataOptions(Options):
    """What the example generators, the schema and the data gate need."""

    interactions: InteractionOptions
    catalogue: CatalogueOptions
    split: SplitOptions = SplitOptions()
    max_history: int = Field(50, ge=1, le=1000)
    max_rejected_fraction: float = Field(0.01, ge=0.0, le=1.0)
    seed: int = 17
