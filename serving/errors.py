"""Errors that a model server answers with, and how TensorFlow's become gRPC's."""

import re

import grpc
import tensorflow as tf

# How the answer begins while no version has been loaded yet; the client recognises it.
NO_VERSION_LOADED = "No version of model"

_STATUS_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_NOISE = (
    re.compile(r"^Graph execution error:\s*"),
    re.compile(r"Detected at node .*?<stack traces unavailable>\n", re.DOTALL),
    re.compile(r"\s*\[\[\{?\{?(?:node )?[^\]]*\}?\}?\]\]"),
    re.compile(r"\s*\[Op:[^\]]*\]\s*(?:name:.*)?$"),
)
_ASSERTION = re.compile(r"assertion failed: \[(.*?)\](?: \[Condition .*)?$", re.DOTALL)


class ServingError(Exception):
    """A server cannot start as asked: says what was expected, received, and how to mend it."""


class RequestError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: the gRPC status of the answer; the message is its details.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def from_tensorflow(error: tf.errors.OpError) -> RequestError:
    """Returns what a client is told of an error raised in the graph."""
    code = _STATUS_BY_NUMBER.get(error.error_code, grpc.StatusCode.UNKNOWN)
    return RequestError(code, clean_message(error.message))


def clean_message(message: str) -> str:
    """Returns TensorFlow's `message` without the names of nodes and ops, which no caller knows.

    Of a failed assertion only the author's sentence is kept, not the tensors compared.
    """
    for noise in _NOISE:
        message = noise.sub("", message)
    message = message.strip()
    assertion = _ASSERTION.search(message)
    # TensorFlow puts each part of an assertion's message into brackets of its own.
    return assertion.group(1).replace("] [", " ").strip() if assertion else message
