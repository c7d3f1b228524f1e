from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from models.requests import predict_request
from models.warmup import warmup_requests, write_warmup_requests


def test_requests_return_in_order_when_written(tmp_path: Path) -> None:
    requests = [predict_request("recommend", {"user_id": ["a"], "k": k}) for k in (3, 1, 2)]
    path = write_warmup_requests(tmp_path, requests)
    # Where TensorFlow Serving looks for it.
    assert path == tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    assert warmup_requests(tmp_path) == requests


def test_there_are_no_requests_when_bundle_has_no_file(tmp_path: Path) -> None:
    assert warmup_requests(tmp_path) == []


def test_log_of_another_kind_is_skipped_when_read(tmp_path: Path) -> None:
    request = predict_request("recommend", {"k": 1})
    path = write_warmup_requests(tmp_path, [request])
    classify = prediction_log_pb2.PredictionLog(classify_log={})
    predict = prediction_log_pb2.PredictionLog(predict_log={"request": request})
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(classify.SerializeToString())
        writer.write(predict.SerializeToString())
    assert warmup_requests(tmp_path) == [request]


def test_writing_fails_when_there_are_more_than_tensorflow_serving_takes(tmp_path: Path) -> None:
    requests = [predict_request("recommend", {})] * 1001
    with pytest.raises(ValueError, match="at most 1000 warm-up requests. Received: 1001."):
        write_warmup_requests(tmp_path, requests)


def test_reading_fails_when_file_is_damaged(tmp_path: Path) -> None:
    path = write_warmup_requests(tmp_path, [predict_request("recommend", {"k": 1})])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(tf.errors.DataLossError):
        warmup_requests(tmp_path)
