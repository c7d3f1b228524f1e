"""The configuration: one YAML file over the defaults, as one frozen, validated tree."""

import copy
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from components.errors import MarqueeError
from components.gate_options import CardOptions, GateOptions
from components.options import DataOptions
from models.candidates.options import CandidateOptions
from models.options import (
    IndexOptions,
    Options,
    RankingOptions,
    RerankingOptions,
    ServingOptions,
    TransformOptions,
)
from models.retrieval.options import (
    FAMILIES,
    BinaryFactorizationOptions,
    RetrievalOptions,
    TwoTowerOptions,
)

# A file that describes its own interactions, catalogue or users means all of it: a default column
# left over from another catalogue would be a trap.
REPLACED_WHOLE = ("data.interactions", "data.catalogue", "data.users")


class ConfigError(MarqueeError):
    """The configuration is wrong: says which key, what was expected and what came."""


class CanaryOptions(Options):
    """How the serving gate tries the model."""

    users: int = Field(50, ge=1)
    start_timeout_s: int = Field(300, ge=1)


class BeamOptions(Options):
    """How data is processed."""

    args: tuple[str, ...] = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


class Config(Options):
    """All that a run depends on, but for where data and output are."""

    name: str = Field("marquee", pattern=r"^[a-z][a-z0-9-]{0,62}$")
    seed: int = Field(17, ge=0)
    data: DataOptions
    transform: TransformOptions = TransformOptions()
    retrieval: RetrievalOptions = TwoTowerOptions()
    candidates: CandidateOptions = CandidateOptions()
    ranking: RankingOptions = RankingOptions()
    index: IndexOptions = IndexOptions()
    reranking: RerankingOptions = RerankingOptions()
    serving: ServingOptions = ServingOptions()
    gate: GateOptions = GateOptions()
    canary: CanaryOptions = CanaryOptions()
    card: CardOptions = CardOptions()
    beam: BeamOptions = BeamOptions()

    @model_validator(mode="after")
    def _check_gate(self) -> "Config":
        self.gate.check_attributes(self.data.attributes)
        if not self.gate.judges(self.data.interactions.feedback):
            raise ValueError(
                "gate: at least one bound on a metric that the data has was expected. Received "
                "none: nothing would ever be pushed. Set gate.floors, or leave gate out."
            )
        return self

    @model_validator(mode="after")
    def _check_filters(self) -> "Config":
        columns = self.data.catalogue.columns
        for key, wanted, column in (
            ("exclude_flags", self.reranking.exclude_flags, columns.flags),
            ("exclude_categories", self.reranking.exclude_categories, columns.categories),
        ):
            if wanted and not column:
                name = key.removeprefix("exclude_")
                raise ValueError(
                    f"reranking.{key} needs a catalogue with {name}. Received: "
                    f"{', '.join(wanted)}, and no data.catalogue.columns.{name}. Map the column, "
                    f"or take reranking.{key} out."
                )
        return self

    @model_validator(mode="after")
    def _check_feedback(self) -> "Config":
        if self.retrieval.needs_ratings and self.data.interactions.feedback != "explicit":
            others = [kind for kind, family in FAMILIES.items() if not family.needs_ratings]
            raise ValueError(
                f"retrieval.kind: {self.retrieval.kind} learns from ratings, so explicit "
                "data.interactions.feedback was expected. Received: implicit. Map a column of "
                f"ratings, or choose one of {', '.join(others)}."
            )
        if isinstance(self.retrieval, BinaryFactorizationOptions):
            low, high = self.data.interactions.rating_range
            if not low < self.retrieval.engaged_from <= high:
                raise ValueError(
                    f"retrieval.engaged_from: above {low} and at most {high}, the range of "
                    f"ratings, was expected. Received: {self.retrieval.engaged_from}. Give the "
                    "lowest rating that is an engagement."
                )
        return self


def load_config(file: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Loads the configuration.

    Args:
        file: YAML, laid over the defaults key by key; its `data.interactions`, `data.catalogue` and
            `data.users` replace the defaults' whole. With interactions of its own, the users are
            those that it describes, or none.
        overrides: `key.path=value`, each value read as YAML.

    Returns:
        The validated tree.

    Raises:
        ConfigError: if a file cannot be read, a key is unknown or a value does not fit.
    """
    tree = yaml.safe_load(resources.files("pipeline").joinpath("default.yaml").read_text())
    interactions, users = tree["data"]["interactions"], copy.deepcopy(tree["data"]["users"])
    if file is not None:
        _lay_over(tree, _read(file), path="")
    for override in overrides:
        _set(tree, override)
    data = tree["data"]
    replaced = isinstance(data, dict) and data.get("interactions") is not interactions
    if replaced and data.get("users") == users:
        # They are users of the default's interactions: beside another log, a file of that name
        # need not have their columns.
        data["users"] = None
    try:
        return Config.model_validate(tree)
    except ValidationError as err:
        raise ConfigError(_sentence(err, file)) from err


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"--config {file}: cannot be read: {err.strerror}.") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        problem = " ".join(str(err).split())
        raise ConfigError(f"--config {file}: YAML was expected: {problem}.") from err
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"--config {file}: `key: value` lines were expected at the top.")
    return content


def _lay_over(tree: dict[str, Any], layer: dict[str, Any], path: str) -> None:
    for key, value in layer.items():
        place = f"{path}{key}"
        if (
            isinstance(value, dict)
            and isinstance(tree.get(key), dict)
            and (place not in REPLACED_WHOLE)
        ):
            _lay_over(tree[key], value, f"{place}.")
        else:
            tree[key] = value


def _set(tree: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path:
        raise ConfigError(f"--set {override}: KEY.PATH=VALUE was expected.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise ConfigError(f"--set {override}: the value is no YAML.") from err
    *sections, key = path.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section.")
    tree[key] = value


def _split_at_kind(
    location: tuple[str | int, ...],
) -> tuple[tuple[str | int, ...], str, tuple[str | int, ...]]:
    """Returns what pydantic has before and after the kind of a family, and the kind, "" for none.

    Pydantic names the member of a union, which no one writes into a configuration.
    """
    for place in (1, 3):
        section, rest = location[:place], location[place:]
        holds_family = section == ("retrieval",) or section[:2] == ("candidates", "beside")
        if holds_family and rest and rest[0] in FAMILIES:
            return section, str(rest[0]), rest[1:]
    return location, "", ()


def _key(location: tuple[str | int, ...]) -> str:
    before, _, after = _split_at_kind(location)
    return ".".join(str(part) for part in (*before, *after))


def _known_keys(location: tuple[str | int, ...]) -> str:
    """What to say after "is no known key": the keys of a family, where the key is one's."""
    _, kind, after = _split_at_kind(location)
    if len(after) == 1:
        keys = FAMILIES[kind].model_fields
        return f" of kind {kind}, which has {', '.join(keys)}; see docs/models.md"
    return "; see docs/configuration.md"


def _sentence(err: ValidationError, file: Path | None) -> str:
    """The first problem of each key, in one line."""
    problems = []
    for detail in err.errors():
        key = _key(detail["loc"])
        if detail["type"] == "extra_forbidden":
            problems.append(f"{key} is no known key{_known_keys(detail['loc'])}")
        elif detail["type"] == "unknown_kind":
            received = detail["input"]["kind"]
            problems.append(f"{key}.kind: {detail['msg']}. Received: {received!r}")
        elif detail["type"] == "model_type":
            problems.append(
                f"{key}: a section was expected, with keys of its own such as {key}.kind=NAME "
                f"where it has kinds. Received: {detail['input']!r}"
            )
        elif detail["type"] == "missing":
            problems.append(f"{key} is missing")
        else:
            message = detail["msg"].removeprefix("Value error, ").rstrip(".")
            # Our own validators say themselves what they received.
            received = "" if "Received" in message else f". Received: {detail['input']!r}"
            problems.append(f"{key + ': ' if key else ''}{message}{received}")
    where = f" (with {file})" if file else ""
    return f"configuration{where}: {'; '.join(problems)}."
