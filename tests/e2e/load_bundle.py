"""Loads a SavedModel with TensorFlow, and with ScaNN if told so: `load_bundle.py FOLDER [scann]`.

Prints, as JSON, the operations in it, which of them TensorFlow itself does not have, what it
recommends, and the modules of any other package that were imported on the way. Keras cannot be
imported: TensorFlow would if it could, and the model must not need it.
"""

import importlib
import json
import sys

sys.modules.update({"keras": None, "tf_keras": None})  # type: ignore[dict-item]

import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402
from tensorflow.python.framework import op_def_registry  # noqa: E402

UNWANTED = {"pipeline", "components", "models", "serving", "tensorflow_transform", "tfx"}


def main(folder: str, *libraries: str) -> None:
    """Lists the operations before any library has brought its own, then loads the model."""
    saved = saved_model_pb2.SavedModel()
    with open(f"{folder}/saved_model.pb", "rb") as file:
        saved.ParseFromString(file.read())
    operations = set[str]()
    for graph in (meta.graph_def for meta in saved.meta_graphs):
        operations |= {node.op for node in graph.node}
        for function in graph.library.function:
            operations |= {node.op for node in function.node_def}
    foreign = [name for name in sorted(operations) if op_def_registry.get(name) is None]
    for library in libraries:
        importlib.import_module(library)
    recommend = tf.saved_model.load(folder).signatures["recommend"]
    found = recommend(user_id=tf.constant(["1", "nobody"]), k=tf.constant(5))
    print(
        json.dumps(
            {
                "operations": sorted(operations),
                "foreign": foreign,
                "items": texts(found["item_id"]),
                "unwanted": sorted(UNWANTED & set(sys.modules)),
                "scann": "scann" in sys.modules,
            }
        )
    )


def texts(tensor: tf.Tensor) -> list[list[str]]:
    """Returns a string matrix as lists."""
    return [[text.decode() for text in row] for row in tensor.numpy().tolist()]


if __name__ == "__main__":
    main(*sys.argv[1:])
