"""Options of the candidate generators: `candidates` in the configuration."""

from pydantic import Field, model_validator

from models.options import Options
from models.retrieval.options import (
    EaseOptions,
    FamilyOptions,
    RetrievalOptions,
    WeightedFactorizationOptions,
)


class CoVisitationOptions(Options):
    """Which items are had close to each other, and how much of that is kept."""

    following_window: int = Field(20, ge=1)  # interactions after an item
    nearby_window: int = Field(50, ge=1)  # interactions on either side of it
    popularity_power: float = Field(0.5, ge=0.0, le=1.0)  # of counts that weights are divided by
    shrinkage: float = Field(5.0, ge=0.0)  # added to those counts
    neighbours: int = Field(300, ge=1)  # kept for each item, at most
    entries: int = Field(20_000_000, ge=1)  # kept in a table, at most: 8 bytes each

    def width(self, items: int) -> int:
        """Returns how many neighbours of each item are kept, at most, in a catalogue of `items`."""
        return max(1, min(self.neighbours, self.entries // (items + 1)))


class CandidateOptions(Options):
    """Who nominates the items to rank, and how many; 0 switches a generator off."""

    beside: tuple[RetrievalOptions, ...] = (EaseOptions(), WeightedFactorizationOptions())
    nearest: int = Field(200, ge=1)  # of each family beside the main one
    history: int = Field(10, ge=0)  # newest items whose neighbours are nominated
    neighbours: int = Field(10, ge=0)  # of each of those
    categories: int = Field(3, ge=0)  # of a user, those with most of their interactions
    of_category: int = Field(10, ge=0)
    popular: int = Field(20, ge=0)
    of_attribute: int = Field(20, ge=0)  # popular among users with the same attribute
    fresh: int = Field(20, ge=0)
    fresh_interactions: int = Field(5, ge=0)  # at most, for an item to count as fresh
    co_visitation: CoVisitationOptions = CoVisitationOptions()

    @model_validator(mode="after")
    def _check_kinds(self) -> "CandidateOptions":
        kinds = [family.kind for family in self.beside]
        if len(set(kinds)) < len(kinds):
            raise ValueError(
                "beside: each kind once was expected, for `source` names it. Received: "
                f"{', '.join(kinds)}. Take the repeated one out."
            )
        return self

    def beside_of(self, main: FamilyOptions, explicit: bool) -> tuple[FamilyOptions, ...]:
        """Returns the families beside the main one that the feedback allows.

        Args:
            main: options of the main family, which is not repeated.
            explicit: whether interactions have ratings.
        """
        return tuple(
            family
            for family in self.beside
            if family.kind != main.kind and (explicit or not family.needs_ratings)
        )
