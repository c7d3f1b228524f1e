from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from models import features
from models.item_table import ItemTable
from models.options import RankingOptions
from models.ranker import Ranker
from models.ranking_export import save_ranker

MEAN, SPREAD = np.array([1.0, 0.0, 10.0], np.float32), np.array([0.5, 1.0, 2.0], np.float32)
CANDIDATES = tf.constant(
    [[[1.5, 2.0, 10.0], [1.0, 0.0, 14.0]], [[0.0, 1.0, 8.0], [1.0, 3.0, 10.0]]]
)
POSITIONS = tf.constant([1.0, 3.0])
ITEMS = tf.constant([[1, 2, 3], [24, 0, 7]])
MEMBERS = 2

Inputs = Callable[[list[list[int]]], dict[str, tf.Tensor]]


@pytest.fixture
def make(table: ItemTable) -> Callable[..., Ranker]:
    def run(positions: bool = False) -> Ranker:
        options = RankingOptions(hidden_units=8, members=MEMBERS)
        return Ranker(table, MEAN, SPREAD, 3.25, options, positions)

    return run


@pytest.fixture
def ranker(make: Callable[..., Ranker]) -> Ranker:
    return make()


def randomise(ranker: Ranker, inputs: dict[str, tf.Tensor]) -> None:
    ranker.relevance(CANDIDATES, POSITIONS)
    ranker.rating(inputs, ITEMS)
    random = np.random.default_rng(4)
    for variable in ranker.trainable_variables:
        variable.assign(random.normal(size=variable.shape))


def test_all_are_equally_relevant_when_untrained(ranker: Ranker) -> None:
    assert ranker.relevance(CANDIDATES, POSITIONS).numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_relevance_is_the_mean_of_the_opinions_when_members_disagree(ranker: Ranker) -> None:
    ranker.relevance(CANDIDATES, POSITIONS)
    # The hidden layers say nothing yet, so opinions are linear in the scaled features.
    ranker.members[0].linear.kernel.assign([[1.0], [10.0], [100.0]])
    ranker.members[1].linear.kernel.assign([[3.0], [10.0], [-100.0]])
    # Scaled: (1, 2, 0) and (0, 0, 2); (-2, 1, -1) and (0, 3, 0).
    opinions = [each.numpy().tolist() for each in ranker.opinions(CANDIDATES, POSITIONS)]
    assert opinions[0] == [[21.0, 200.0], [-92.0, 30.0]]
    assert opinions[1] == [[23.0, -200.0], [104.0, 30.0]]
    assert ranker.relevance(CANDIDATES, POSITIONS).numpy().tolist() == [[22.0, 0.0], [6.0, 30.0]]


def test_members_are_unlike_each_other_when_made(ranker: Ranker) -> None:
    ranker.relevance(CANDIDATES, POSITIONS)
    assert len(ranker.members) == MEMBERS
    first, second = (member.hidden.kernel for member in ranker.members)
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("members", [1, 0])
def test_options_are_refused_when_nobody_is_left_to_learn_a_fold(members: int) -> None:
    message = "members\\n.*greater than or equal to 2"
    with pytest.raises(ValidationError, match=message):
        RankingOptions(members=members)


def test_relevance_does_not_depend_on_the_other_candidates_when_listed(
    ranker: Ranker, user_inputs: Inputs
) -> None:
    randomise(ranker, user_inputs([[1], [2]]))
    both = ranker.relevance(CANDIDATES, POSITIONS)
    for column in range(2):
        alone = ranker.relevance(CANDIDATES[:, column : column + 1], POSITIONS)
        np.testing.assert_allclose(alone[:, 0], both[:, column], rtol=1e-4)


def test_relevance_reads_the_position_when_the_network_has_learned_it(
    ranker: Ranker, user_inputs: Inputs
) -> None:
    randomise(ranker, user_inputs([[1], [2]]))
    first = ranker.relevance(CANDIDATES, tf.constant([1.0, 1.0])).numpy()
    mixed = ranker.relevance(CANDIDATES, POSITIONS).numpy()
    assert first[0].tolist() == mixed[0].tolist()
    assert np.abs(first[1] - mixed[1]).max() > 1e-3


def test_units_are_dropped_when_training_alone(ranker: Ranker, user_inputs: Inputs) -> None:
    randomise(ranker, user_inputs([[1], [2]]))
    tf.random.set_seed(1)

    def opinions(training: bool) -> Any:
        return np.stack(ranker.opinions(CANDIDATES, POSITIONS, training=training))

    served = opinions(training=False)
    np.testing.assert_array_equal(opinions(training=False), served)
    trained = [opinions(training=True) for _ in range(8)]
    for member in range(MEMBERS):
        assert any(np.abs(each[member] - served[member]).max() > 1e-3 for each in trained)


def test_rating_is_the_mean_when_the_head_is_untrained(ranker: Ranker, user_inputs: Inputs) -> None:
    rating = ranker.rating(user_inputs([[1], []]), ITEMS)
    np.testing.assert_array_equal(rating, np.full([2, 3], 3.25, np.float32))


def test_ratings_do_not_depend_on_the_other_items_when_listed(
    ranker: Ranker, user_inputs: Inputs
) -> None:
    inputs = user_inputs([[1, 2, 3], [9]])
    randomise(ranker, inputs)
    rating = ranker.rating(inputs, ITEMS)
    for column in range(3):
        alone = ranker.rating(inputs, ITEMS[:, column : column + 1])
        np.testing.assert_allclose(alone[:, 0], rating[:, column], rtol=1e-4, atol=1e-4)


def test_ratings_read_what_a_user_likes_of_the_items_categories_when_trained(
    ranker: Ranker, user_inputs: Inputs
) -> None:
    inputs = user_inputs([[1], [1]])
    inputs[features.USER_CATEGORY_RATING] = tf.constant([[0.0, 0.0], [1.0, -3.0]])
    randomise(ranker, inputs)
    for name in ("rating_user_layer", "rating_item_layer"):
        layer = getattr(ranker, name)
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    ranker.rating_match_layer.kernel.assign([[0.0] * 8, [1.0] * 8])
    ranker.rating_head.set_weights([np.full([8, 1], 0.25, np.float32), np.float32([2.0])])
    # Item 1 is of the first category, item 3 of both, item 0 of none; 8 units weigh 1/4 each, and
    # what is below 0 they cut: 2 + 2 max(0, mean).
    rating = ranker.rating(inputs, tf.constant([[1, 3, 0]] * 2))
    np.testing.assert_allclose(rating, [[2.0, 2.0, 2.0], [4.0, 2.0, 2.0]], rtol=1e-6)


def test_only_the_rating_head_knows_the_new_catalogue_when_told(
    ranker: Ranker, table: ItemTable, user_inputs: Inputs
) -> None:
    inputs = user_inputs([[1], [2]])
    randomise(ranker, inputs)
    relevance = ranker.relevance(CANDIDATES, POSITIONS)
    other = ItemTable(table.content, table.category_multi_hot, table.log_frequency + 1.0)
    before = ranker.rating(inputs, ITEMS)
    ranker.know(other)
    np.testing.assert_allclose(ranker.item_features[:, -1], other.log_frequency)
    assert np.abs(ranker.rating(inputs, ITEMS) - before).max() > 1e-3
    np.testing.assert_array_equal(ranker.relevance(CANDIDATES, POSITIONS), relevance)


def specs(inputs: dict[str, tf.Tensor]) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype, name)
        for name, value in inputs.items()
    }


@pytest.mark.parametrize(("positions", "constant"), [(True, 1.0), (False, 0.0)])
def test_export_scores_at_one_position_when_loaded(
    make: Callable[..., Ranker],
    user_inputs: Inputs,
    tmp_path: Path,
    positions: bool,
    constant: float,
) -> None:
    ranker, inputs = make(positions), user_inputs([[1, 2], []])
    randomise(ranker, inputs)
    save_ranker(ranker, ["two_tower", "popularity"], str(tmp_path), specs(inputs), None)
    loaded: Any = tf.saved_model.load(str(tmp_path))
    assert loaded.score_names.numpy().tolist() == [b"two_tower", b"popularity"]
    # The first position of a list, or none where training had none.
    expected = ranker.relevance(CANDIDATES, tf.fill([2], constant))
    np.testing.assert_allclose(loaded.relevance(CANDIDATES), expected, rtol=1e-4, atol=1e-5)
    rating = loaded.rating(inputs, tf.cast(ITEMS, tf.int64))
    np.testing.assert_allclose(rating, ranker.rating(inputs, ITEMS), rtol=1e-4, atol=1e-5)


def test_predicted_ratings_stay_in_the_range_when_one_is_given(
    ranker: Ranker, user_inputs: Inputs, tmp_path: Path
) -> None:
    inputs = user_inputs([[1, 2], []])
    randomise(ranker, inputs)
    free = ranker.rating(inputs, ITEMS).numpy()
    # A range that four of the six lie outside of.
    low, high = (float(end) for end in np.sort(free.ravel())[[2, 3]])
    save_ranker(ranker, ["popularity"], str(tmp_path), specs(inputs), (low, high))
    loaded: Any = tf.saved_model.load(str(tmp_path))
    rating = loaded.rating(inputs, tf.cast(ITEMS, tf.int64))
    np.testing.assert_allclose(rating, np.clip(free, low, high), rtol=1e-4, atol=1e-4)
    assert np.abs(np.clip(free, low, high) - free).max() > 0.1
