import pydantic
import pytest

from models.retrieval.options import DEFAULT_KIND, FAMILIES, FamilyOptions, retrieval_options


@pytest.mark.parametrize(("kind", "family"), FAMILIES.items())
def test_options_are_of_the_family_when_its_kind_is_named(
    kind: str, family: type[FamilyOptions]
) -> None:
    options = retrieval_options({"kind": kind, "validation_interactions": 7})
    assert type(options) is family
    assert options.kind == kind
    assert options.validation_interactions == 7


def test_options_are_of_the_default_family_when_no_kind_is_named() -> None:
    assert type(retrieval_options({})) is FAMILIES[DEFAULT_KIND]


def test_all_kinds_are_listed_when_an_unknown_one_is_named() -> None:
    with pytest.raises(pydantic.ValidationError, match=f"one of {', '.join(FAMILIES)}"):
        retrieval_options({"kind": "magic"})
