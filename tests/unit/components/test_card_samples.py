import os
import pathlib

import pytest
import tensorflow as tf

from components.card_samples import Recommendation, sample_users


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory, save_candidate) -> str:
    path = tmp_path_factory.mktemp("samples") / "model"
    save_candidate(path, "oracle")
    return str(path)


def test_lists_stand_beside_histories_when_the_model_answers(model_path: str, examples) -> None:
    users_uri = os.path.join(examples.uri, "Split-users")
    first, second = sample_users(model_path, users_uri, 3, 10, 3)
    assert first.user_id == "u0"
    # The catalogue no longer has the item "gone": its id stands in.
    assert first.history == ["<script>alert(1)</script> & i0", "gone"]
    assert first.recommendations == [
        Recommendation("<script>alert(1)</script> & i1", 0.5, "two_tower"),
        Recommendation("<script>alert(1)</script> & i2", 0.5, "two_tower"),
    ]
    assert second.history == []


def test_history_and_list_are_cut_when_limits_are_short(model_path: str, examples) -> None:
    users_uri = os.path.join(examples.uri, "Split-users")
    (only,) = sample_users(model_path, users_uri, 1, 1, 1)
    assert len(only.history) == len(only.recommendations) == 1


def test_nothing_is_asked_when_no_users_are_wanted_or_there() -> None:
    assert sample_users("nowhere", "nowhere", 0, 10, 10) == []
    assert sample_users("nowhere", "nowhere", 3, 10, 10) == []


def test_error_is_raised_when_there_is_no_model(tmp_path: pathlib.Path, examples) -> None:
    with pytest.raises((OSError, tf.errors.OpError), match="nowhere"):
        sample_users(str(tmp_path / "nowhere"), os.path.join(examples.uri, "Split-users"), 1, 1, 1)
