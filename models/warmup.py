"""Reads and writes the warm-up requests that TensorFlow Serving replays before it serves a model.

Source: https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from models.contract import WARMUP_FILE

# TensorFlow Serving refuses to load a model with more.
MAX_REQUESTS = 1000


def write_warmup_requests(
    bundle_dir: str | Path, requests: Sequence[predict_pb2.PredictRequest]
) -> Path:
    """Writes `requests` into the SavedModel folder `bundle_dir` and returns the file.

    Raises:
        ValueError: if there are more requests than TensorFlow Serving accepts.
    """
    if len(requests) > MAX_REQUESTS:
        raise ValueError(
            f"A bundle may hold at most {MAX_REQUESTS} warm-up requests. "
            f"Received: {len(requests)}. Keep fewer."
        )
    path = Path(bundle_dir) / WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
    return path


def warmup_requests(bundle_dir: str | Path) -> list[predict_pb2.PredictRequest]:
    """Returns the Predict requests of the bundle's warm-up file, none where there is no file.

    Raises:
        tf.errors.DataLossError: if the file is damaged.
        google.protobuf.message.DecodeError: if a record is no PredictionLog.
    """
    path = Path(bundle_dir) / WARMUP_FILE
    if not path.exists():
        return []
    logs = (
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    )
    return [log.predict_log.request for log in logs if log.HasField("predict_log")]
