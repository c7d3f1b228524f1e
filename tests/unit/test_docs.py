"""The documents name what the code has, no more and no less."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.main import get_command

from models import contract
from models.metrics import names
from models.retrieval.options import DEFAULT_KIND, FAMILIES, FamilyOptions
from pipeline.cli import app
from pipeline.config import load_config

ROOT = Path(__file__).parents[2]


def leaves(model: BaseModel, path: str = "") -> Iterator[tuple[str, object]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


@pytest.fixture(scope="module")
def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \| ", text, flags=re.MULTILINE)
    return dict(rows)


def shown(value: object) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_every_key_is_documented_and_no_other(documented: dict[str, str]) -> None:
    assert list(documented) == [key for key, _ in leaves(load_config())]


@pytest.mark.parametrize("kind", [int, float, str, bool])
def test_documented_default_is_the_one_in_force(documented: dict[str, str], kind: type) -> None:
    for key, value in leaves(load_config()):
        if type(value) is kind:
            # A bar inside a table's cell is escaped.
            assert documented[key].replace("\\|", "|") == shown(value), key


# Those of the default kind are among all keys.
@pytest.mark.parametrize("kind", FAMILIES.keys() - {DEFAULT_KIND})
def test_every_key_of_a_family_is_documented_with_its_default(kind: str) -> None:
    text = (ROOT / "docs" / "models.md").read_text()
    _, _, section = text.partition(f"\n### `{kind}`\n")
    section, _, _ = section.partition("\n### ")
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (`.+?`) \| ", section, flags=re.MULTILINE))
    common = FamilyOptions.model_fields
    own = [(key, value) for key, value in leaves(FAMILIES[kind]()) if key not in {"kind", *common}]
    assert list(rows.items()) == [(key, shown(value)) for key, value in own]


def test_every_metric_that_bounds_may_name_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert [name for name in names.ALL_METRICS if f"`{name}`" not in text] == []


def test_every_signature_is_documented() -> None:
    text = (ROOT / "docs" / "signatures.md").read_text()
    signatures = [
        contract.SERVING_DEFAULT,
        contract.RECOMMEND,
        contract.RECOMMEND_WITH_CONTEXT,
        contract.RETRIEVE,
        contract.RANK,
        contract.SIMILAR_ITEMS,
        contract.EMBED_USERS,
        contract.EMBED_ITEMS,
        contract.DESCRIBE_ITEMS,
        contract.EVALUATE,
    ]
    assert [name for name in signatures if f"`{name}`" not in text] == []


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    listed = set(re.findall(r"`marquee ([a-z]+)", text))
    assert listed == set(get_command(app).commands)


def test_no_place_for_a_result_is_left_empty() -> None:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    assert [str(file) for file in documents if "<!--" in file.read_text(encoding="utf-8")] == []
