"""TensorFlow Serving's PredictionService: Predict and GetModelMetadata."""

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from models.contract import SERVING_DEFAULT
from serving.errors import RequestError
from serving.model_manager import ModelManager
from serving.servable import Servable

_SIGNATURE_DEF = "signature_def"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers for one model; Classify, Regress and MultiInference stay UNIMPLEMENTED."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    def Predict(  # noqa: N802  the name is the protocol's
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Runs one signature on the inputs of the request."""
        try:
            servable = self._find(request)
            spec = request.model_spec
            outputs = servable.predict(spec.signature_name, request.inputs, request.output_filter)
        except RequestError as err:
            context.abort(err.code, str(err))
        response = predict_pb2.PredictResponse(outputs=outputs)
        response.model_spec.name = spec.name
        response.model_spec.version.value = servable.number
        response.model_spec.signature_name = spec.signature_name or SERVING_DEFAULT
        return response

    def GetModelMetadata(  # noqa: N802  the name is the protocol's
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        context: grpc.ServicerContext,
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Describes the signatures of the loaded version."""
        try:
            _check_metadata_fields(request)
            servable = self._find(request)
        except RequestError as err:
            context.abort(err.code, str(err))
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signature_defs)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = servable.number
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        return response

    def _find(
        self,
        request: predict_pb2.PredictRequest | get_model_metadata_pb2.GetModelMetadataRequest,
    ) -> Servable:
        spec = request.model_spec
        check_model_spec(request.HasField("model_spec"), spec)
        version = spec.version.value if spec.HasField("version") else None
        if spec.name != self._manager.model_name:
            sought = f"Latest({spec.name})"
            if version is not None:
                sought = f"Specific({spec.name}, {version})"
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {sought}"
            )
        return self._manager.current(version)


def check_model_spec(present: bool, spec: model_pb2.ModelSpec) -> None:
    """Refuses a request without a model, or with a version label: no labels are configured.

    Raises:
        RequestError: INVALID_ARGUMENT.
    """
    if not present:
        raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
    if spec.version_label:
        raise RequestError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Unrecognized servable version label: {spec.version_label}",
        )


def _check_metadata_fields(request: get_model_metadata_pb2.GetModelMetadataRequest) -> None:
    if not request.metadata_field:
        raise RequestError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "GetModelMetadataRequest must specify at least one metadata_field",
        )
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT, f"Metadata field {field} is not supported"
            )
