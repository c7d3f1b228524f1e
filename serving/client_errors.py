"""What can go wrong for a client.

ClientError
├── ServerUnavailableError      no server answers at the target
│   ├── ServerTimeoutError      it is there, and too slow
│   └── ModelNotReadyError      it is there, and has no version loaded
├── ModelNotFoundError          it serves no model of that name, or not that version
├── InvalidRequestError         the request does not fit the model
└── ServerError                 the server failed
"""

import grpc

from serving.errors import NO_VERSION_LOADED


class ClientError(Exception):
    """Base of all; the message says what happened and how to mend it."""


class ServerUnavailableError(ClientError):
    """No server answers at the target."""


class ServerTimeoutError(ServerUnavailableError):
    """The server did not answer in time."""


class ModelNotReadyError(ServerUnavailableError):
    """The server runs, and has no version of the model loaded."""


class ModelNotFoundError(ClientError):
    """The server does not serve the model or version asked for."""


class InvalidRequestError(ClientError):
    """The model refuses the request: an input is out of range, missing or of the wrong kind."""


class ServerError(ClientError):
    """The server failed while it answered."""


def from_rpc_error(error: grpc.RpcError, target: str) -> ClientError:
    """Returns what a caller is told of a failed call to the server at `target`."""
    code, details = error.code(), error.details()
    if code is grpc.StatusCode.UNAVAILABLE:
        if details.startswith(NO_VERSION_LOADED):
            return ModelNotReadyError(f"The server at {target} is not ready: {details}")
        return ServerUnavailableError(
            f"No server at {target}; start one with marquee serve --model-dir DIR. ({details})"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerTimeoutError(
            f"The server at {target} did not answer in time. Allow more time, or look at its load."
        )
    if code is grpc.StatusCode.NOT_FOUND:
        return ModelNotFoundError(
            f"The server at {target} does not have the model: {details}. "
            "Look at what --model-dir it serves."
        )
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE):
        return InvalidRequestError(details)
    if code is grpc.StatusCode.FAILED_PRECONDITION:
        return InvalidRequestError(f"{details} Serve a model that offers this signature.")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ServerError(f"{target} is no TensorFlow Serving API: {details}. Check the port.")
    return ServerError(f"The server at {target} failed with {code.name}: {details}. See its log.")
