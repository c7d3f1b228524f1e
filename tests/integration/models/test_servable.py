"""The servable, built from a trained model and loaded again, through each of its signatures."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from models.warmup import warmup_requests

CATALOGUE = [f"i{item:02d}".encode() for item in range(40)]
EVEN = set(CATALOGUE[::2])


def ask(built: Any, signature: str, **inputs: Any) -> dict[str, Any]:
    outputs = built.signatures[signature](
        **{name: tf.constant(value) for name, value in inputs.items()}
    )
    return {name: value.numpy() for name, value in outputs.items()}


def context(user: bytes, k: int, **changes: Any) -> dict[str, Any]:
    """Inputs of recommend_with_context for one user, with nothing in the context."""
    nothing = [[b""]]
    inputs = {
        "user_id": [user],
        "k": k,
        "history_item_id": nothing,
        "exclude_item_id": nothing,
        "exclude_category": nothing,
        "diversity": [0.0],
        "freshness": [0.0],
    }
    return inputs | changes


def seen_by(built: Any, user: int) -> set[bytes]:
    return set(built.world.raw["users"][user]["seen_item_id"])


def popular(built: Any) -> list[bytes]:
    """Item ids by falling number of interactions; the counts of the first ones may be equal."""
    rows = built.world.raw["items"]
    rows = sorted(rows, key=lambda row: -row["item_interaction_count"][0])
    return [row["item_id"][0] for row in rows]


def counts(built: Any) -> dict[bytes, float]:
    return {row["item_id"][0]: row["item_interaction_count"][0] for row in built.world.raw["items"]}


def test_report_counts_what_was_built(built: Any) -> None:
    assert (built.report.items, built.report.users) == (40, 21)
    assert built.report.embedding_dimension == 8
    assert built.report.retrieval == "two_tower"
    # Both kinds score a catalogue of 40 exactly.
    assert built.report.index_recall == pytest.approx(1.0)


def test_warmup_requests_are_answered_when_replayed(built: Any) -> None:
    requests = warmup_requests(built.path)
    assert [request.model_spec.signature_name for request in requests] == [
        "recommend",
        "recommend",
        "similar_items",
    ]
    for request in requests:
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found = ask(built, request.model_spec.signature_name, **inputs)
        assert found["item_id"].shape[1] == 10


@pytest.mark.parametrize("k", [1, 7, 100])
def test_lists_are_exactly_the_unseen_items_when_users_are_known(built: Any, k: int) -> None:
    found = ask(built, "recommend", user_id=[b"u00", b"u01"], k=k)
    for user, (ids, scores, sources) in enumerate(
        zip(found["item_id"], found["score"], found["source"], strict=True)
    ):
        unseen = set(CATALOGUE) - seen_by(built, user)
        assert len(unseen) == 24  # 40 items less 12 known and 4 later choices
        number = min(k, 24)
        assert set(ids[:number]) <= unseen
        assert len(set(ids[:number])) == number
        assert (np.diff(scores[:number]) <= 0).all()
        assert sources.tolist() == [b"two_tower"] * number + [b""] * (k - number)
        # What the catalogue lacks is padded with "" and 0.
        assert ids[number:].tolist() == [b""] * (k - number)
        assert not scores[number:].any()


def test_default_signature_is_recommend_when_called(built: Any) -> None:
    inputs = {"user_id": [b"u03", b"nobody"], "k": 12}
    named, default = ask(built, "recommend", **inputs), ask(built, "serving_default", **inputs)
    for name, value in named.items():
        np.testing.assert_array_equal(value, default[name])


@pytest.mark.parametrize("k", [0, -1, 101])
@pytest.mark.parametrize(
    "signature", ["recommend", "recommend_with_context", "retrieve", "similar_items"]
)
def test_request_is_refused_when_k_is_out_of_range(built: Any, signature: str, k: int) -> None:
    inputs: dict[str, Any] = {"user_id": [b"u00"], "k": k}
    if signature == "recommend_with_context":
        inputs = context(b"u00", k)
    if signature == "similar_items":
        inputs = {"item_id": [b"i00"], "k": k}
    message = f"k must be between 1 and 100. Received:.*{k}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(built, signature, **inputs)


def test_request_is_refused_when_more_items_are_ranked_than_allowed(built: Any) -> None:
    message = "item_id must have at most 50 columns. Received:.*51"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(built, "rank", user_id=[b"u00"], item_id=[[b"i00"] * 51])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    # TensorFlow puts each part of a message into brackets of its own.
    [
        ("history_item_id", [[b"i01"], [b"i02"]], r"as many rows as user_id,\W+1\W+Received:\W+2"),
        ("exclude_category", [[b"even"]] * 3, r"as many rows as user_id,\W+1\W+Received:\W+3"),
        ("diversity", [0.0, 0.0], r"as many rows as user_id,\W+1\W+Received:\W+2"),
        ("exclude_item_id", [[b"i01"] * 51], r"at most 50 columns. Received:\W+51"),
    ],
)
def test_request_is_refused_when_an_input_does_not_fit(
    built: Any, name: str, value: Any, message: str
) -> None:
    request = context(b"u00", 3, **{name: value})
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must have {message}"):
        ask(built, "recommend_with_context", **request)


@pytest.mark.parametrize("signature", ["recommend", "retrieve", "embed_users"])
def test_request_is_refused_when_the_batch_is_too_large(built: Any, signature: str) -> None:
    k = {} if signature == "embed_users" else {"k": 3}
    message = r"user_id must have at most 10 rows. Received:\W+11"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(built, signature, user_id=[b"u00"] * 11, **k)


@pytest.mark.parametrize("signature", ["recommend", "retrieve", "similar_items", "embed_users"])
def test_answer_is_empty_when_the_batch_is(built: Any, signature: str) -> None:
    ids = "item_id" if signature == "similar_items" else "user_id"
    k = {} if signature == "embed_users" else {"k": 7}
    found = ask(built, signature, **{ids: np.zeros([0], dtype=np.str_)}, **k)
    if k:
        assert found["item_id"].shape == (0, 7)
    else:
        assert found["embedding"].shape[0] == 0


def test_item_counts_once_when_the_stored_history_is_sent_again(built: Any) -> None:
    newest = built.world.raw["users"][0]["seen_item_id"][:3]
    again = context(b"u00", 24, history_item_id=[[*newest, *newest]])
    found = ask(built, "recommend_with_context", **again)
    plain = ask(built, "recommend", user_id=[b"u00"], k=24)
    assert found["item_id"].tolist() == plain["item_id"].tolist()


@pytest.mark.parametrize("strength", ["diversity", "freshness"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_request_is_refused_when_a_strength_is_no_share(
    built: Any, strength: str, value: float
) -> None:
    message = f"{strength} must be between 0 and 1. Received:"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(built, "recommend_with_context", **context(b"u00", 3, **{strength: [value]}))


@pytest.mark.parametrize("user", [b"nobody", b"", "\u00fc".encode()])
def test_list_is_full_and_popular_when_user_is_unknown(built: Any, user: bytes) -> None:
    found = ask(built, "recommend", user_id=[b"u00", user], k=40)
    listed = [counts(built)[item] for item in found["item_id"][1]]
    assert set(found["item_id"][1]) == set(CATALOGUE)
    assert listed == sorted(listed, reverse=True)
    assert set(found["source"][1]) == {b"popular"}
    # A known user in the same batch keeps the list of their own.
    alone = ask(built, "recommend", user_id=[b"u00"], k=40)
    assert found["item_id"][0].tolist() == alone["item_id"][0].tolist()


def test_list_follows_the_taste_when_only_the_request_has_a_history(built: Any) -> None:
    for parity in (0, 1):
        history = [CATALOGUE[item] for item in (parity, parity + 2, parity + 4, parity + 6)]
        request = context(b"nobody", 10, history_item_id=[history])
        found = ask(built, "recommend_with_context", **request)
        own = sum((int(item[1:]) % 2) == parity for item in found["item_id"][0])
        assert own >= 8
        assert not set(history) & set(found["item_id"][0])
        assert set(found["source"][0]) == {b"two_tower"}


def test_history_may_repeat_and_name_unknown_items_when_requested(built: Any) -> None:
    clean = context(b"u00", 24, history_item_id=[[b"i01", b"i03"]])
    messy = context(b"u00", 24, history_item_id=[[b"", b"what", b"i01", b"", b"i03"]])
    found, again = (ask(built, "recommend_with_context", **c) for c in (clean, messy))
    assert found["item_id"].tolist() == again["item_id"].tolist()
    doubled = context(b"u00", 24, history_item_id=[[b"i01", b"i01", b"i01", b"i03"]])
    listed = set(ask(built, "recommend_with_context", **doubled)["item_id"][0])
    # u00 had 24 unseen ones, i01 and i03 (of the other taste) among them.
    assert listed - {b""} == set(CATALOGUE) - seen_by(built, 0) - {b"i01", b"i03"}


@pytest.mark.parametrize("user", [b"u00", b"nobody"])
def test_excluded_are_never_listed_when_requested(built: Any, user: bytes) -> None:
    excluded = [CATALOGUE[1], CATALOGUE[38], b"unknown", CATALOGUE[1], b""]
    request = context(user, 40, exclude_item_id=[excluded], exclude_category=[[b"even"]])
    found = ask(built, "recommend_with_context", **request)
    listed = set(found["item_id"][0]) - {b""}
    seen = seen_by(built, 0) if user == b"u00" else set()
    assert listed == set(CATALOGUE) - EVEN - {CATALOGUE[1]} - seen
    # Everything else is padding, of the source too.
    assert found["source"][0].tolist().count(b"") == 40 - len(listed)


def test_exclusions_hold_for_their_own_row_when_batched(built: Any) -> None:
    found = ask(
        built,
        "recommend_with_context",
        user_id=[b"u00", b"nobody", b"u01"],
        k=40,
        history_item_id=[[b""], [b"i05"], [b""]],
        exclude_item_id=[[b"i39"], [b""], [b"i38"]],
        exclude_category=[[b""], [b"odd"], [b"no such category"]],
        diversity=[0.0] * 3,
        freshness=[1.0] * 3,
    )
    listed = [set(row) - {b""} for row in found["item_id"]]
    assert listed[0] == set(CATALOGUE) - seen_by(built, 0) - {b"i39"}
    assert listed[1] == EVEN
    assert listed[2] == set(CATALOGUE) - seen_by(built, 1) - {b"i38"}


def test_context_changes_nothing_when_it_is_empty(built: Any) -> None:
    plain = ask(built, "recommend", user_id=[b"u04"], k=24)
    found = ask(built, "recommend_with_context", **context(b"u04", 24))
    assert found["item_id"].tolist() == plain["item_id"].tolist()
    no_columns = dict.fromkeys(
        ("history_item_id", "exclude_item_id", "exclude_category"),
        np.zeros([1, 0], dtype=np.str_),
    )
    found = ask(built, "recommend_with_context", **context(b"u04", 24, **no_columns))
    assert found["item_id"].tolist() == plain["item_id"].tolist()


def test_candidates_are_what_is_recommended_when_retrieved(built: Any) -> None:
    inputs = {"user_id": [b"u07", b"nobody"], "k": 40}
    candidates, ranked = ask(built, "retrieve", **inputs), ask(built, "recommend", **inputs)
    for row in range(2):
        assert set(candidates["item_id"][row]) == set(ranked["item_id"][row])
    # Cosines, best first; the known user's last 16 places are padding.
    scores = candidates["score"][0, :24]
    assert (np.diff(scores) <= 0).all()
    assert np.abs(scores).max() <= 1.0 + 1e-5


def test_score_is_that_of_the_list_when_its_items_are_ranked(built: Any) -> None:
    listed = ask(built, "recommend", user_id=[b"u02"], k=6)
    items = [[*listed["item_id"][0], b"unknown", b""]]
    found = ask(built, "rank", user_id=[b"u02"], item_id=items)
    np.testing.assert_allclose(found["score"][0, :6], listed["score"][0], rtol=1e-4, atol=1e-5)
    # An item outside the catalogue comes last and has no rating.
    assert (found["score"][0, 6:] < found["score"][0, :6].min()).all()
    assert found["predicted_rating"][0, 6:].tolist() == [0.0, 0.0]
    # Ratings from 3 to 5 were learned from, out of a range from 1 to 5.
    assert ((found["predicted_rating"][0, :6] > 2) & (found["predicted_rating"][0, :6] <= 5)).all()


def test_neighbours_are_exact_when_similar_items_are_asked(built: Any) -> None:
    vectors = ask(built, "embed_items", item_id=CATALOGUE)["embedding"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    cosines = vectors[9] @ vectors.T
    cosines[9] = -2.0  # itself is left out
    found = ask(built, "similar_items", item_id=[b"i09", b"unknown"], k=5)
    np.testing.assert_allclose(found["score"][0], np.sort(cosines)[::-1][:5], rtol=1e-4, atol=1e-5)
    assert b"i09" not in found["item_id"][0]
    assert found["item_id"][1].tolist() == [b""] * 5
    everything = ask(built, "similar_items", item_id=[b"i09"], k=100)["item_id"][0]
    assert set(everything) == set(CATALOGUE) - {b"i09"} | {b""}


def test_vectors_are_unit_and_zero_when_embedded(built: Any) -> None:
    users = ask(built, "embed_users", user_id=[b"u00", b"nobody", b""])["embedding"]
    np.testing.assert_allclose(np.linalg.norm(users, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(users[1], users[2])
    items = ask(built, "embed_items", item_id=[b"i00", b"unknown"])["embedding"]
    assert not items[1].any()


def test_titles_and_categories_are_returned_when_items_are_described(built: Any) -> None:
    found = ask(built, "describe_items", item_id=[b"i07", b"unknown", b"i00"])
    assert [title.decode() for title in found["title"]] == [
        "Title 7, \u00e9",
        "",
        "Title 0, \u00e9",
    ]
    assert found["category"].tolist() == [[b"odd"], [b""], [b"even"]]


def test_evaluation_knows_only_the_split_when_queries_are_given(
    built: Any, serialize: Callable[..., bytes]
) -> None:
    rows = built.world.raw["queries"]
    found = ask(built, "evaluate", examples=[serialize(row) for row in rows])
    hits = 0
    for row, listed in zip(rows, found["recommended_item_id"], strict=True):
        # 40 items less 12 seen: what was chosen after the split can be found, and often is.
        assert set(listed) - {b""} == set(CATALOGUE) - set(row["seen_item_id"])
        hits += len(set(listed[:10]) & set(row["chosen_item_id"]))
    # By chance 10 of 28 places hold 80 * 10/28 = 29 of the chosen; knowing the parity about
    # 80 * 10/13, as 8 items of the own parity are left, 4 of them chosen, besides 20 others.
    assert hits > 55
    assert found["recommended_item_id"].shape == (20, 100)
    first = [item for item in popular(built) if item not in rows[0]["seen_item_id"]]
    count = counts(built)
    assert [count[item] for item in found["popular_item_id"][0][:28]] == [
        count[item] for item in first
    ]
    assert found["chosen_predicted_rating"].shape == (20, 4)
    assert found["catalogue_size"].tolist() == [40] * 20


def operations(path: str) -> set[str]:
    """Names of all operations in a SavedModel, those in its function library included."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(pathlib.Path(path, "saved_model.pb").read_bytes())
    names: set[str] = set()
    for meta in saved.meta_graphs:
        library = meta.graph_def.library.function
        names |= {node.op for node in meta.graph_def.node}
        names |= {node.op for function in library for node in function.node_def}
        # A call of a function of the library goes by the function's name.
        names -= {function.signature.name for function in library}
    return names


FRESH_PROCESS = """
import json, sys
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

path, kind, names = sys.argv[1], sys.argv[2], sys.argv[3].split()
foreign = [name for name in names if op_def_registry.get(name) is None]
if kind == "scann":
    import scann
found = tf.saved_model.load(path).signatures["recommend"](
    user_id=tf.constant(["u05"]), k=tf.constant(10)
)
items = [item.decode() for item in found["item_id"].numpy()[0]]
ours = [name for name in ("models", "tensorflow_transform") if name in sys.modules]
print(json.dumps([foreign, items, ours]))
"""


def test_core_and_scann_operations_are_enough_when_a_fresh_process_loads(
    built: Any, tmp_path: pathlib.Path
) -> None:
    names = operations(built.path)
    assert "TopKV2" in names  # the list of names is really that of the graph
    assert not names & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    kind = built.report.index_kind
    answer = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, built.path, kind, " ".join(sorted(names))],
        capture_output=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    # Operations that TensorFlow alone does not have, a list, our modules among the imported.
    foreign, items, ours = json.loads(answer.splitlines()[-1])
    assert all(name.startswith("Scann>") for name in foreign)
    assert bool(foreign) == (kind == "scann")
    expected = ask(built, "recommend", user_id=[b"u05"], k=10)["item_id"][0]
    assert items == [item.decode() for item in expected]
    assert ours == []
