"""A small SavedModel that refuses some values of k, and ways to lay it out as versions."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from models.requests import predict_request
from models.warmup import write_warmup_requests
from serving.servable import Servable


class _Toy(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="user_id"),
            tf.TensorSpec([], tf.int32, name="k"),
        ]
    )
    def recommend(self, user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_positive(k, message="k must be at least 1")
        tf.debugging.assert_less_equal(k, 10, message="k must be at most 10.")
        return {
            "item_id": tf.tile(user_id[:, tf.newaxis], [1, k]),
            "score": tf.zeros([tf.shape(user_id)[0], k]),
        }


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("toy") / "model"
    toy = _Toy()
    tf.saved_model.save(toy, str(path), signatures={"serving_default": toy.recommend})
    write_warmup_requests(path, [predict_request("serving_default", {"user_id": ["u"], "k": 1})])
    return path


@pytest.fixture(scope="session")
def servable(saved_model: Path) -> Servable:
    return Servable(saved_model, 3)


@pytest.fixture
def push(saved_model: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Copies the model to `tmp_path` as a version, and returns its folder."""

    def push(number: int) -> Path:
        return Path(shutil.copytree(saved_model, tmp_path / str(number)))

    return push
