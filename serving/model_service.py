"""TensorFlow Serving's ModelService: GetModelStatus."""

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from serving.errors import RequestError
from serving.model_manager import ModelManager, VersionState
from serving.prediction_service import check_model_spec


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Answers for one model; HandleReloadConfigRequest stays UNIMPLEMENTED."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    def GetModelStatus(  # noqa: N802  the name is the protocol's
        self,
        request: get_model_status_pb2.GetModelStatusRequest,
        context: grpc.ServicerContext,
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of each version seen since the start, or of the one asked for."""
        try:
            states = self._states(request)
        except RequestError as err:
            context.abort(err.code, str(err))
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state in states.items():
            status = response.model_version_status.add(version=number, state=state.state)
            status.status.error_code = state.code
            status.status.error_message = state.message
        return response

    def _states(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> dict[int, VersionState]:
        spec = request.model_spec
        check_model_spec(request.HasField("model_spec"), spec)
        states = self._manager.states() if spec.name == self._manager.model_name else {}
        if spec.HasField("version"):
            number = spec.version.value
            if number not in states:
                raise RequestError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Could not find version {number} of model {spec.name}",
                )
            return {number: states[number]}
        if not states:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}"
            )
        return states
