"""A loaded SavedModel that answers Predict requests as TensorFlow Serving does."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import grpc
import scann  # noqa: F401  registers the ops of the index, before any model is loaded
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from models.contract import SERVING_DEFAULT
from serving.errors import RequestError, from_tensorflow

_SERVE_TAG = "serve"
# A TensorProto may repeat its last value to fill its shape, so a few bytes can ask for any amount
# of memory.
_MAX_INPUT_ELEMENTS = 2**24


class Servable:
    """One version of a model, in memory.

    Attributes:
        number: the version.
        signature_defs: the SavedModel's own description of its signatures.
    """

    def __init__(self, path: Path, number: int) -> None:
        """Loads the SavedModel in `path`.

        Raises:
            Exception: whatever TensorFlow raises for a damaged or incomplete SavedModel.
        """
        self.number = number
        self.signature_defs = _read_signature_defs(path)
        # The signatures use variables that only the loaded object keeps alive.
        self._model = tf.saved_model.load(str(path), tags=[_SERVE_TAG])
        self._signatures = dict(self._model.signatures)

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, TensorProto],
        output_filter: Iterable[str] = (),
    ) -> dict[str, TensorProto]:
        """Returns the outputs of a signature.

        Args:
            signature_name: "" stands for `serving_default`.
            inputs: input name to value; all of the signature's inputs and no others.
            output_filter: names of the outputs to return; all where empty.

        Raises:
            RequestError: if the request does not fit the signature, or the graph refuses it.
        """
        name = signature_name or SERVING_DEFAULT
        signature = self._signatures.get(name)
        if signature is None:
            # TensorFlow Serving's code for this is FAILED_PRECONDITION, not INVALID_ARGUMENT.
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found. '
                f"This model offers: {', '.join(sorted(self._signatures))}.",
            )
        specs = signature.structured_input_signature[1]
        _check_names(specs, inputs)
        outputs = _wanted_outputs(signature.structured_outputs, output_filter)
        tensors = {name: _to_tensor(name, specs[name], value) for name, value in inputs.items()}
        try:
            values = signature(**tensors)
            return {name: tf.make_tensor_proto(values[name].numpy()) for name in outputs}
        except tf.errors.OpError as err:
            raise from_tensorflow(err) from err


def _read_signature_defs(path: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    saved_model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if _SERVE_TAG in meta_graph.meta_info_def.tags:
            return dict(meta_graph.signature_def)
    raise ValueError(
        f"The SavedModel in {path} must have a graph tagged '{_SERVE_TAG}'. Received: "
        f"{[list(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]}. "
        "Save it with tf.saved_model.save."
    )


def _check_names(specs: Mapping[str, tf.TensorSpec], inputs: Mapping[str, TensorProto]) -> None:
    expected, sent = sorted(specs), sorted(inputs)
    if expected == sent:
        return
    surplus = sorted(set(sent) - set(expected))
    missing = sorted(set(expected) - set(sent))
    if len(expected) == len(sent):
        message = (
            f"input tensor alias not found in signature: {surplus[0]}. "
            f"Inputs expected to be in the set {{{','.join(expected)}}}."
        )
    else:
        message = (
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({{{','.join(sent)}}}) != len({{{','.join(expected)}}}). "
            f"Sent extra: {{{','.join(surplus)}}}. Missing but required: {{{','.join(missing)}}}."
        )
    raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _wanted_outputs(offered: Iterable[str], output_filter: Iterable[str]) -> list[str]:
    names = sorted(offered)
    wanted: list[str] = []
    for name in output_filter:
        if name not in names:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{','.join(names)}}}.",
            )
        if name in wanted:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT, f"duplicate output tensor alias: {name}"
            )
        wanted.append(name)
    return wanted or names


def _to_tensor(name: str, spec: tf.TensorSpec, value: TensorProto) -> tf.Tensor:
    def refused(message: str) -> RequestError:
        return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)

    if value.dtype != spec.dtype.as_datatype_enum:
        known = types_pb2.DataType.values()
        received = tf.dtypes.DType(value.dtype).name if value.dtype in known[1:] else "no dtype"
        raise refused(
            f"input {name} must be {spec.dtype.name}. Received: {received}. "
            "Convert it before sending."
        )
    if value.tensor_shape.unknown_rank:
        raise refused(f"input {name} must state its shape. Received: unknown rank.")
    sizes = [dimension.size for dimension in value.tensor_shape.dim]
    if min(sizes, default=0) < 0 or not spec.shape.is_compatible_with(sizes):
        raise refused(
            f"input {name} must have shape {spec.shape}. Received: {sizes}. "
            "Reshape it before sending."
        )
    elements = math.prod(sizes)
    if elements > _MAX_INPUT_ELEMENTS:
        raise refused(
            f"input {name} must have at most {_MAX_INPUT_ELEMENTS} elements. "
            f"Received: {elements}. Send several smaller requests."
        )
    try:
        return tf.constant(tf.make_ndarray(value), dtype=spec.dtype, shape=sizes)
    except (ValueError, TypeError) as err:
        raise refused(f"tensor parsing error: {name}: {err}") from err
