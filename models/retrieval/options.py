"""Options of each family of retrieval models: `retrieval` in the configuration, by its `kind`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from models.options import Options

DEFAULT_KIND = "two_tower"


class FamilyOptions(Options):
    """What all families share."""

    needs_ratings: ClassVar[bool] = False

    kind: str
    validation_interactions: int = Field(5000, ge=1)
    sabotage: bool = False  # random embeddings instead of trained ones, to try the gate


class NegativeOptions(Options):
    """Which items a chosen item is compared with."""

    kind: Literal["mixed", "in_batch", "uniform", "popularity", "hard"] = "mixed"
    drawn: int = Field(1024, ge=1)  # a step, shared by a batch; in_batch draws none
    hardest: int = Field(64, ge=1)  # of the drawn, for each interaction; only for hard


class SimilarityOptions(Options):
    """How alike a user's and an item's vector are."""

    kind: Literal["cosine", "dot", "euclidean", "dot_over_norm"] = "cosine"
    norm_power: float = Field(0.5, ge=0.0, le=1.0)  # of the item's norm; only for dot_over_norm


class TwoTowerOptions(FamilyOptions):
    """The two towers and their training."""

    kind: Literal["two_tower"] = "two_tower"
    embedding_dimension: int = Field(64, ge=2, le=1024)
    hidden_units: int = Field(128, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)
    user_id_dropout: float = Field(0.3, ge=0.0, le=1.0)  # trains the unknown user's embedding
    similarity: SimilarityOptions = SimilarityOptions()
    temperature: float = Field(0.1, gt=0.0)  # of cosines, where it starts; it is learned
    negatives: NegativeOptions = NegativeOptions()
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(0.002, gt=0.0)
    max_epochs: int = Field(12, ge=1)
    patience: int = Field(2, ge=1)  # epochs without a better validation nDCG


class SoftmaxOptions(FamilyOptions):
    """A network over the user's features with a softmax over the catalogue."""

    kind: Literal["softmax"] = "softmax"
    embedding_dimension: int = Field(64, ge=2, le=1024)  # of the last hidden layer
    hidden_units: int = Field(128, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)
    full: bool = True  # over all items; else over sampled negatives
    max_items: int = Field(100_000, ge=1)  # when full; a batch of 512 takes some 400 MB then
    negatives: NegativeOptions = NegativeOptions()  # only when not full
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(0.002, gt=0.0)
    max_epochs: int = Field(12, ge=1)
    patience: int = Field(2, ge=1)


class RatingFactorizationOptions(FamilyOptions):
    """Matrix factorization of ratings by gradient descent on all of them at once."""

    needs_ratings: ClassVar[bool] = True

    kind: Literal["rating_factorization"] = "rating_factorization"
    embedding_dimension: int = Field(32, ge=1, le=1024)
    regularization: float = Field(10.0, ge=0.0)
    learning_rate: float = Field(0.1, gt=0.0)
    iterations: int = Field(200, ge=1)


class BinaryFactorizationOptions(FamilyOptions):
    """Logistic matrix factorization of shown items, engaged with or not."""

    needs_ratings: ClassVar[bool] = True

    kind: Literal["binary_factorization"] = "binary_factorization"
    embedding_dimension: int = Field(32, ge=1, le=1024)
    engaged_from: float = 4.0  # rating; a lower one is shown and not engaged with
    regularization: float = Field(5.0, ge=0.0)
    learning_rate: float = Field(0.1, gt=0.0)
    iterations: int = Field(200, ge=1)


class WeightedFactorizationOptions(FamilyOptions):
    """Weighted matrix factorization of implicit feedback."""

    kind: Literal["weighted_factorization"] = "weighted_factorization"
    solver: Literal["wals", "sgd"] = "wals"
    embedding_dimension: int = Field(32, ge=1, le=1024)
    regularization: float = Field(5.0, ge=0.0)
    unobserved_weight: float = Field(0.4, ge=0.0)  # of an item of mean frequency
    frequency_power: float = Field(0.25, ge=0.0, le=1.0)  # of an item's frequency in its weight
    side_feature_weight: float = Field(0.0, ge=0.0)  # of categories; 0 leaves them out
    iterations: int = Field(15, ge=1)  # of wals
    learning_rate: float = Field(0.05, gt=0.0)  # of sgd
    batch_size: int = Field(4096, ge=2)  # of sgd
    max_epochs: int = Field(20, ge=1)  # of sgd

    @model_validator(mode="after")
    def _check(self) -> "WeightedFactorizationOptions":
        if self.regularization == 0.0 and self.unobserved_weight == 0.0:
            raise ValueError(
                "regularization or unobserved_weight above 0 was expected. Received: 0 for both, "
                "which leaves more than one solution. Raise one of them."
            )
        return self


class ContentOptions(FamilyOptions):
    """Two networks over content features that predict ratings."""

    kind: Literal["content"] = "content"
    hidden_units: tuple[Annotated[int, Field(ge=1)], ...] = (256, 128)  # none is a linear model
    embedding_dimension: int = Field(32, ge=1, le=1024)
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(0.01, gt=0.0)
    max_epochs: int = Field(30, ge=1)
    patience: int = Field(5, ge=1)  # epochs without a lower validation error


class ItemKnnOptions(FamilyOptions):
    """Nearest items by cosine."""

    kind: Literal["item_knn"] = "item_knn"
    neighbours: int = Field(50, ge=1)
    embedding_dimension: int = Field(256, ge=1, le=1024)  # rank of what is served


class EaseOptions(FamilyOptions):
    """The closed-form linear autoencoder."""

    kind: Literal["ease"] = "ease"
    regularization: float = Field(300.0, gt=0.0)
    max_items: int = Field(20_000, ge=1)  # with interactions; 20,000 take 1.6 GB a matrix
    embedding_dimension: int = Field(256, ge=1, le=1024)  # rank of what is served


# By kind, in the order in which they are documented.
FAMILIES: dict[str, type[FamilyOptions]] = {
    str(family.model_fields["kind"].default): family
    for family in (
        TwoTowerOptions,
        SoftmaxOptions,
        WeightedFactorizationOptions,
        RatingFactorizationOptions,
        BinaryFactorizationOptions,
        ContentOptions,
        ItemKnnOptions,
        EaseOptions,
    )
}


def _kind_of(value: Any) -> str:
    """Reads the kind; what names none is of the default kind."""
    if isinstance(value, dict):
        return str(value.get("kind", DEFAULT_KIND))
    return str(getattr(value, "kind", DEFAULT_KIND))


RetrievalOptions = Annotated[
    Annotated[TwoTowerOptions, Tag("two_tower")]
    | Annotated[SoftmaxOptions, Tag("softmax")]
    | Annotated[WeightedFactorizationOptions, Tag("weighted_factorization")]
    | Annotated[RatingFactorizationOptions, Tag("rating_factorization")]
    | Annotated[BinaryFactorizationOptions, Tag("binary_factorization")]
    | Annotated[ContentOptions, Tag("content")]
    | Annotated[ItemKnnOptions, Tag("item_knn")]
    | Annotated[EaseOptions, Tag("ease")],
    Discriminator(
        _kind_of,
        custom_error_type="unknown_kind",
        custom_error_message=f"kind must be one of {', '.join(FAMILIES)}",
    ),
]

_ADAPTER: TypeAdapter[Any] = TypeAdapter(RetrievalOptions)


def retrieval_options(values: dict[str, Any]) -> Any:
    """Validates the options of the family that `values` names by `kind`.

    Args:
        values: option values by name.

    Returns:
        The family's options.

    Raises:
        pydantic.ValidationError: if the kind or a key is unknown or a value does not fit.
    """
    return _ADAPTER.validate_python(values)
