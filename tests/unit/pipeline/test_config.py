from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retrieval.options import EaseOptions, TwoTowerOptions
from pipeline.config import ConfigError, load_config

OTHER_CATALOGUE = """\
data:
  catalogue:
    file: songs.csv
    columns: {item: song}
"""

NO_BOUNDS = "floors: {}, ceilings: {}, max_drop: {}, max_relative_drop: {}, min_lift: null"


def write(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def one_line(file: Path | None = None, *overrides: str) -> str:
    """Returns the error's message, which must be a single line."""
    with pytest.raises(ConfigError) as caught:
        load_config(file, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_has_the_default_data_set_when_nothing_is_given() -> None:
    config = load_config()
    assert config.data.interactions.columns.item == "movieId"
    assert config.data.catalogue.numeric["year"].column == "title"
    assert config.retrieval == TwoTowerOptions()


def test_keeps_other_defaults_when_a_file_sets_one_key(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "retrieval: {max_epochs: 3}\n"))
    assert config.retrieval == TwoTowerOptions(max_epochs=3)
    assert config.data == load_config().data


def test_replaces_the_catalogue_whole_when_a_file_describes_one(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, OTHER_CATALOGUE))
    # The defaults have a title, categories, a year and a text for no category: none of another
    # catalogue's business.
    assert config.data.catalogue.model_dump(exclude_defaults=True) == {
        "file": "songs.csv",
        "columns": {"item": "song"},
    }
    assert config.data.interactions == load_config().data.interactions


def test_replaces_the_interactions_whole_when_a_file_describes_them(tmp_path: Path) -> None:
    columns = "{user: listener, item: song, timestamp: when}"
    text = f"data: {{interactions: {{file: plays.csv, feedback: implicit, columns: {columns}}}}}\n"
    interactions = load_config(write(tmp_path, text)).data.interactions
    assert interactions.columns.rating is None
    assert interactions.rating_range == (1.0, 5.0)  # the option's own, not the default file's 0.5


def test_leaves_no_default_users_when_a_file_has_interactions_of_its_own(tmp_path: Path) -> None:
    assert load_config().data.attributes == ["age", "gender", "occupation"]
    columns = "{user: listener, item: song, timestamp: when}"
    own = f"interactions: {{file: plays.csv, feedback: implicit, columns: {columns}}}"
    file = write(tmp_path, f"data: {{{own}}}\n")
    assert load_config(file).data.users is None
    assert load_config(file, ["data.split.eval_fraction=0.3"]).data.users is None
    users = "users: {file: listeners.csv, columns: {user: listener}, attributes: {land: country}}"
    data = load_config(write(tmp_path, f"data: {{{own}, {users}}}\n")).data
    assert (data.users.file, data.users.required, data.attributes) == (
        "listeners.csv",
        True,
        ["land"],
    )


@pytest.mark.parametrize(
    "override", ["data.interactions.file=votes.csv", "data.users.required=true"]
)
def test_keeps_the_default_users_when_one_key_is_set(override: str) -> None:
    assert load_config(overrides=[override]).data.users.columns.user == "userId"


def test_reads_no_users_when_a_file_says_so(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "data: {users: null}\n")).data.users is None


def test_changes_one_column_when_set_names_it() -> None:
    config = load_config(overrides=["data.interactions.columns.user=uid"])
    assert config.data.interactions.columns.user == "uid"
    assert config.data.interactions.columns.item == "movieId"


def test_set_wins_when_the_file_sets_the_same_key(tmp_path: Path) -> None:
    file = write(tmp_path, "retrieval: {max_epochs: 3, patience: 1}\n")
    config = load_config(file, ["retrieval.max_epochs=5", "retrieval.max_epochs=6"])
    assert (config.retrieval.max_epochs, config.retrieval.patience) == (6, 1)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("gate.min_lift=null", "min_lift", None),
        ("gate.min_lift=", "min_lift", None),
        ("gate.floors={recall@100: 0.5}", "floors", {"recall@100": 0.5}),
        ("gate.floors.recall@100=0.5", "floors", {"recall@100": 0.5}),
    ],
)
def test_reads_the_value_as_yaml_when_set(override: str, key: str, value: object) -> None:
    assert getattr(load_config(overrides=[override]).gate, key) == value


@given(epochs=st.integers(1, 10**6))
def test_takes_any_number_in_range_when_set(epochs: int) -> None:
    config = load_config(overrides=[f"retrieval.max_epochs={epochs}"])
    assert config.retrieval.max_epochs == epochs


def test_keeps_an_equals_sign_when_the_value_has_one() -> None:
    config = load_config(overrides=["data.interactions.file=day=*/log.csv"])
    assert config.data.interactions.file == "day=*/log.csv"


def test_takes_an_empty_file_as_the_defaults_when_it_has_no_keys(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "# nothing yet\n")) == load_config()


def test_is_frozen_when_assigned_to() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config().retrieval.max_epochs = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "key", "received"),
    [
        ("retrieval.max_epochs=0", "retrieval.max_epochs", "Received: 0"),
        ("retrieval.max_epochs=many", "retrieval.max_epochs", "Received: 'many'"),
        ("index.kind=annoy", "index.kind", "Received: 'annoy'"),
        ("data.interactions.rating_range=[5, 1]", "data.interactions", "Received: [5.0, 1.0]"),
        ("data.interactions.columns.rating=", "data.interactions", "columns.rating is needed"),
        ("gate.floors={recall@7: 0.1}", "gate.floors", "Received: recall@7"),
        ("serving.candidates=200", "serving", "Raise serving.candidates"),
        ("retrieval=3", "retrieval", "Received: 3"),
        ("retrieval.kind=eas", "retrieval.kind", "kind must be one of two_tower, softmax,"),
        ("retrieval.kind=eas", "retrieval.kind", "Received: 'eas'"),
        ("retrieval.similarity=dot", "retrieval.similarity", "Received: 'dot'"),
        ("retrieval.negatives.kind=all", "retrieval.negatives.kind", "Received: 'all'"),
        (f"gate={{{NO_BOUNDS}}}", "gate", "none"),
        ("serving.candidates=100", "serving", "Received: 100"),
        ("name=Not a name", "name", "Received: 'Not a name'"),
        ("data.catalogue.numeric.year.pattern=(", "data.catalogue.numeric.year.pattern", "no regu"),
        ("data.catalogue.released.format=day", "data.catalogue.released.format", "'day'"),
        ("data.users.attributes={Zip code: zip}", "data.users.attributes", "'Zip code'"),
        ("gate.ceilings={ndcg@10_gap_by_plan: 0.1}", "gate", "Received: ndcg@10_gap_by_plan"),
    ],
)
def test_names_key_and_value_when_a_value_does_not_fit(
    override: str, key: str, received: str
) -> None:
    message = one_line(None, override)
    assert f"configuration: {key}: " in message
    assert received in message


@pytest.mark.parametrize("key", ["ranking.max_epoch", "retreival.max_epochs", "data.colour"])
def test_names_the_key_when_it_is_unknown(key: str) -> None:
    known = key if not key.startswith("retreival") else "retreival"
    assert f"{known} is no known key; see docs/configuration.md" in one_line(None, f"{key}=1")


def test_takes_the_keys_of_the_kind_when_another_family_is_chosen() -> None:
    config = load_config(overrides=["retrieval.kind=ease", "retrieval.regularization=100"])
    assert config.retrieval == EaseOptions(regularization=100.0)
    message = one_line(None, "retrieval.kind=ease", "retrieval.dropout=0.1")
    assert (
        "configuration: retrieval.dropout is no known key of kind ease, which has kind, " in message
    )
    assert "regularization, max_items, embedding_dimension; see docs/models.md" in message


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        (
            "[{kind: ease, bla: 1}]",
            "candidates.beside.0.bla is no known key of kind ease, which has kind, ",
        ),
        ("[{kind: item_knn}, {kind: ease, max_items: 0}]", "candidates.beside.1.max_items: Input"),
        ("[{kind: eas}]", "candidates.beside.0.kind: kind must be one of two_tower, softmax,"),
        ("[{bla: 1}]", "candidates.beside.0.bla is no known key of kind two_tower, which has"),
        ("[{negatives: {drawn: 0}}]", "candidates.beside.0.negatives.drawn: Input"),
        ("[{negatives: {bla: 0}}]", "candidates.beside.0.negatives.bla is no known key; see docs/"),
    ],
)
def test_names_the_key_as_it_is_written_when_a_family_beside_is_wrong(
    beside: str, message: str
) -> None:
    assert f"configuration: {message}" in one_line(None, f"candidates.beside={beside}")


@pytest.mark.parametrize("kind", ["rating_factorization", "binary_factorization"])
def test_refuses_a_family_that_needs_ratings_when_there_are_none(tmp_path: Path, kind: str) -> None:
    columns = "{user: listener, item: song, timestamp: when}"
    text = f"data: {{interactions: {{file: plays.csv, feedback: implicit, columns: {columns}}}}}\n"
    message = one_line(write(tmp_path, text), f"retrieval.kind={kind}")
    assert f"retrieval.kind: {kind} learns from ratings" in message
    assert "Received: implicit. Map a column of ratings, or choose one of two_tower," in message


@pytest.mark.parametrize("engaged_from", ["0.5", "5.5"])
def test_refuses_engagement_from_a_rating_that_divides_nothing(engaged_from: str) -> None:
    sets = ("retrieval.kind=binary_factorization", f"retrieval.engaged_from={engaged_from}")
    message = one_line(None, *sets)
    assert "retrieval.engaged_from: above 0.5 and at most 5.0, the range of ratings" in message


@pytest.mark.parametrize("value", [".inf", ".nan", "-1"])
def test_refuses_a_regularization_that_is_no_finite_positive_number(value: str) -> None:
    sets = ("retrieval.kind=weighted_factorization", f"retrieval.regularization={value}")
    assert "configuration: retrieval.regularization: Input should be" in one_line(None, *sets)


def test_refuses_a_factorization_that_nothing_bounds() -> None:
    sets = [f"retrieval.{key}=0" for key in ("regularization", "unobserved_weight")]
    message = one_line(None, "retrieval.kind=weighted_factorization", *sets)
    assert "regularization or unobserved_weight above 0 was expected" in message


def test_names_the_file_when_its_key_is_unknown(tmp_path: Path) -> None:
    file = write(tmp_path, "gate: {flors: {}}\n")
    assert f"(with {file}): gate.flors is no known key" in one_line(file)


def test_names_the_key_when_it_is_missing(tmp_path: Path) -> None:
    file = write(tmp_path, "data: {catalogue: {file: songs.csv}}\n")
    assert "data.catalogue.columns is missing" in one_line(file)


def test_names_every_key_when_several_are_wrong() -> None:
    message = one_line(None, "retrieval.dropout=2", "ranking.dropout=3")
    assert "retrieval.dropout: " in message
    assert "ranking.dropout: " in message


@pytest.mark.parametrize("content", ["gate: [1", "a: b: c", "\tgate: 1"])
def test_says_where_when_a_file_is_no_yaml(tmp_path: Path, content: str) -> None:
    file = write(tmp_path, content)
    message = one_line(file)
    assert f"--config {file}: YAML was expected: " in message
    assert "line 1" in message


@pytest.mark.parametrize("content", ["- gate", "gate", "3", "[]", "false"])
def test_refuses_the_file_when_it_holds_no_keys_but_something(tmp_path: Path, content: str) -> None:
    file = write(tmp_path, content)
    assert f"--config {file}: `key: value` lines were expected" in one_line(file)


def test_refuses_the_file_when_it_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"gate: \xff\xfe")
    assert f"--config {file}: YAML was expected: " in one_line(file)


def test_names_the_file_when_it_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    assert one_line(file) == f"--config {file}: cannot be read: No such file or directory."


@pytest.mark.parametrize("override", ["retrieval.max_epochs", "=3", ""])
def test_says_what_set_needs_when_it_has_no_key_or_value(override: str) -> None:
    assert one_line(None, override) == f"--set {override}: KEY.PATH=VALUE was expected."


def test_refuses_set_when_its_value_is_no_yaml() -> None:
    assert one_line(None, "gate.floors={x") == "--set gate.floors={x: the value is no YAML."


def test_refuses_set_when_a_value_stands_where_a_section_was_expected() -> None:
    message = one_line(None, "data.interactions.file.name=x")
    assert "data.interactions.file.name=x: file is a value, not a section." in message


@pytest.mark.parametrize(
    ("filtered", "column"), [("exclude_flags", "flags"), ("exclude_categories", "categories")]
)
def test_a_filter_is_refused_when_its_column_is_not_mapped(filtered: str, column: str) -> None:
    with pytest.raises(ConfigError, match=f"{filtered} needs a catalogue with {column}"):
        load_config(None, [f"data.catalogue.columns.{column}=null", f"reranking.{filtered}=[some]"])
