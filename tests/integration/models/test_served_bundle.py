"""What the saved bundle is made of, and who can load it."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from models.warmup import warmup_requests


def test_warmup_requests_are_answered_when_replayed(built: Any) -> None:
    requests = warmup_requests(built.path)
    assert [request.model_spec.signature_name for request in requests] == [
        "recommend",
        "recommend",
        "recommend_with_context",
        "similar_items",
    ]
    for request in requests:
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found = built.ask(request.model_spec.signature_name, **inputs)
        assert found["item_id"].shape[1] == 10


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
    expected = built.ask("recommend", user_id=[b"u05"], k=10)["item_id"][0]
    assert items == [item.decode() for item in expected]
    assert ours == []
