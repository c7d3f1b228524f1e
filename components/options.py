"""Options of the data and gate components: validated parts of the configuration tree."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.options import Options

_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]*")  # it becomes a part of a file's name


class InteractionColumns(Options):
    """Header names of the interactions file."""

    user: str
    item: str
    rating: str | None = None
    timestamp: str
    position: str | None = None  # place from 1 at which the item was shown


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


class PatternColumn(Options):
    """A catalogue column, or a part of its text."""

    column: str
    pattern: str | None = None  # a regular expression whose first group is what is meant

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


class NumericColumn(PatternColumn):
    """A numeric item feature, read from a catalogue column."""


class ReleasedColumn(PatternColumn):
    """When an item was released, read from a catalogue column."""

    format: Literal["year", "s", "ms", "iso"]  # s, ms: since 1970 UTC


class CatalogueColumns(Options):
    """Header names of the catalogue file."""

    item: str
    title: str | None = None
    categories: str | None = None
    flags: str | None = None  # marks that filters may name, separated as the categories are


class CatalogueOptions(Options):
    """Where the catalogue is and how to read it."""

    file: str
    columns: CatalogueColumns
    category_separator: str = Field("|", min_length=1)
    no_category: str | None = None  # the text that stands for an item without any category
    numeric: dict[str, NumericColumn] = {}
    released: ReleasedColumn | None = None


class UserColumns(Options):
    """Header names of the users file."""

    user: str
    categories: str | None = None  # what the user says to like, separated as in the catalogue


class UserOptions(Options):
    """Where more is known of users than their interactions, and how to read it."""

    file: str
    required: bool = True  # whether a folder without the file is an error
    columns: UserColumns
    attributes: dict[str, str] = {}  # column by name

    @field_validator("attributes")
    @classmethod
    def _check_names(cls, attributes: dict[str, str]) -> dict[str, str]:
        for name in attributes:
            if not _ATTRIBUTE_NAME.fullmatch(name):
                raise ValueError(
                    "names of lower-case letters, digits and underscores, a letter first, were "
                    f"expected. Received: {name!r}. Rename it: only the column must be as in the "
                    "file."
                )
        return attributes


class SplitOptions(Options):
    """How interactions are divided into train, late and eval."""

    strategy: Literal[
        "time_per_user", "global_time", "random_per_user", "random_per_item", "leave_one_out"
    ] = "time_per_user"
    eval_fraction: float = Field(0.05, gt=0.0, lt=1.0)
    late_fraction: float = Field(0.2, gt=0.0, lt=1.0)  # of what is not eval


class DataOptions(Options):
    """What the example generators, the schema and the data gate need."""

    interactions: InteractionOptions
    catalogue: CatalogueOptions
    users: UserOptions | None = None
    split: SplitOptions = SplitOptions()
    max_history: int = Field(50, ge=1, le=1000)
    max_rejected_fraction: float = Field(0.01, ge=0.0, le=1.0)
    seed: int = 17

    @property
    def attributes(self) -> list[str]:
        """Names of the users' attributes, sorted."""
        return sorted(self.users.attributes) if self.users else []

    @model_validator(mode="after")
    def _check_stated(self) -> "DataOptions":
        stated = self.users.columns.categories if self.users else None
        if stated and not self.catalogue.columns.categories:
            raise ValueError(
                "users.columns.categories needs a catalogue with categories. Received: "
                f"{stated!r}, and no catalogue.columns.categories. Map both or neither."
            )
        return self
