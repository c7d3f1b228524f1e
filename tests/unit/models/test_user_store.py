import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.user_store import UserStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> UserStore:
    file = tmp_path_factory.mktemp("store") / "ids.txt"
    file.write_bytes(b"ann\nbob\n")
    columns = {
        features.USER_INDEX: np.array([0, 2, 1]),
        features.USER_STATISTICS: np.array([[-1, 0], [1, 2], [3, 4]], np.float32),
        features.USER_CATEGORY_SHARE: np.array([[0.0], [0.5], [1.0]], np.float32),
        features.USER_CATEGORY_RATING: np.array([[0.0], [0.1], [0.2]], np.float32),
        features.USER_ATTRIBUTE_INDEX: np.array([[0], [3], [1]]),
    }
    seen = [np.array([7, 8, 9, 7], np.int32), np.array([], np.int32)]
    return UserStore(columns, seen, str(file), max_history=3)


def test_rows_are_zero_when_users_are_unknown(store: UserStore) -> None:
    assert store.rows(tf.constant(["bob", "", "ann", "eve"])).numpy().tolist() == [2, 0, 1, 0]


def test_seen_items_are_padded_when_users_have_seen_less(store: UserStore) -> None:
    seen = store.seen(tf.constant([0, 1, 2], tf.int64))
    assert seen.numpy().tolist() == [[0] * 4, [7, 8, 9, 7], [0] * 4]
    nobody = store.seen(tf.constant([0, 2], tf.int64))
    assert nobody.shape == (2, 0)


def test_features_are_the_first_rows_when_user_is_unknown(store: UserStore) -> None:
    row = tf.constant([1, 0], tf.int64)
    inputs = store.inputs(row, tf.zeros([2, 0], tf.int32))
    assert set(inputs) == {*features.USER_FEATURES, features.SEEN_INDEX}
    assert inputs[features.USER_INDEX].numpy().tolist() == [2, 0]
    assert inputs[features.USER_STATISTICS].numpy().tolist() == [[1, 2], [-1, 0]]
    assert inputs[features.USER_CATEGORY_SHARE].numpy().tolist() == [[0.5], [0.0]]


@pytest.mark.parametrize(
    ("history", "expected"),
    [([], [0, 0, 0]), ([4], [4, 0, 0]), ([4, 5, 6], [4, 5, 6]), ([4, 5, 6, 7], [4, 5, 6])],
)
def test_history_has_the_towers_width_when_given_any(
    store: UserStore, history: list[int], expected: list[int]
) -> None:
    given = tf.reshape(tf.constant(history, tf.int32), [1, -1])
    inputs = store.inputs(tf.constant([1], tf.int64), given)
    assert inputs[features.HISTORY_INDEX].numpy().tolist() == [expected]
    assert inputs[features.HISTORY_INDEX].dtype == tf.int64
    assert inputs[features.SEEN_INDEX].numpy().tolist() == [history]
    assert inputs[features.SEEN_INDEX].dtype == tf.int64
