"""What an ensemble learns from a batch of lists."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import ranking
from models.item_table import ItemTable
from models.options import RankingOptions
from models.ranker import Ranker, Tensors
from models.ranking import RelevanceTraining

LISTS, CANDIDATES, WIDTH, MEMBERS = 3, 4, 2, 3

Floats = npt.NDArray[np.float32]
Make = Callable[..., RelevanceTraining]


@pytest.fixture
def make(table: ItemTable) -> Make:
    """Makes the training of a ranker; random weights if asked for, else scores are 0."""

    def run(weights: bool = True, weight_decay: float = 0.0) -> RelevanceTraining:
        options = RankingOptions(
            members=MEMBERS, hidden_units=8, dropout=0.0, weight_decay=weight_decay
        )
        mean, spread = np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)
        ranker = Ranker(table, mean, spread, 0.0, options, positions=False)
        ranker.opinions(tf.zeros([1, 1, WIDTH]), tf.zeros([1]))
        random = np.random.default_rng(4)
        for variable in ranker.trainable_variables if weights else []:
            variable.assign(random.normal(size=variable.shape))
        return RelevanceTraining(ranker)

    return run


def batch(folds: list[int], offered: list[int] | None = None) -> Tensors:
    """Lists of these folds, in each of which the first is chosen; always the same first rows."""
    values = np.random.default_rng(7).normal(size=[LISTS, CANDIDATES, WIDTH])
    numbers = np.array(offered or [CANDIDATES] * len(folds))
    return {
        ranking.CANDIDATES: tf.constant(values[: len(folds)], tf.float32),
        ranking.CHOSEN: tf.constant([[True, False, False, False]] * len(folds)),
        ranking.OFFERED: tf.constant(np.arange(CANDIDATES) < numbers[:, np.newaxis]),
        ranking.POSITION: tf.zeros([len(folds)]),
        ranking.FOLD: tf.constant(folds),
    }


def gradients(training: RelevanceTraining, own: Tensors) -> list[list[Floats]]:
    """What each member would be moved by."""
    with tf.GradientTape() as tape:
        loss = training.batch_loss(own)
    members = [member.trainable_variables for member in training.ranker.members]
    return [
        [found.numpy() for found in each]
        for each in tape.gradient(loss, members, unconnected_gradients="zero")
    ]


def distance(some: list[Floats], other: list[Floats]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(some, other, strict=True))


def test_a_member_learns_nothing_from_a_list_when_it_is_of_its_fold(make: Make) -> None:
    training = make()
    without, planted = gradients(training, batch([1, 2])), gradients(training, batch([1, 2, 0]))
    # The third list is of fold 0: the first member is moved as if it were not there.
    assert distance(planted[0], without[0]) < 1e-6
    for member in (1, 2):
        assert distance(planted[member], without[member]) > 1e-3


def test_a_member_stays_when_all_lists_are_of_its_fold(make: Make) -> None:
    found = gradients(make(), batch([1, 1]))
    assert all((each == 0.0).all() for each in found[1])
    for member in (0, 2):
        assert max(np.abs(each).max() for each in found[member]) > 1e-3


def test_the_loss_is_the_mean_of_the_members_when_each_has_learned_its_lists(make: Make) -> None:
    # All scores are 0: a choice of two costs ln 2, one of four 2 ln 2. The first member learns
    # from both, the second from the second list, the third from the first: 1.5, 2 and 1 ln 2.
    loss = make(weights=False).batch_loss(batch([1, 2], offered=[2, 4]))
    assert float(loss) == pytest.approx(1.5 * np.log(2.0))


def test_a_member_adds_nothing_to_the_loss_when_it_has_no_list(make: Make) -> None:
    # ln 4 of two members, 0 of the third.
    loss = make(weights=False).batch_loss(batch([2]))
    assert float(loss) == pytest.approx(2.0 * np.log(4.0) / 3.0)


def test_the_weights_of_hidden_layers_decay_when_asked(make: Make) -> None:
    own = batch([0, 1])
    plain, decayed = make(), make(weight_decay=0.01)
    squares = sum(
        float(np.sum(layer.kernel.numpy() ** 2))
        for member in decayed.ranker.members
        for layer in (member.hidden, member.second)
    )
    # The mean of the members' own decays, so that more members do not decay faster.
    expected = float(plain.batch_loss(own)) + 0.01 * squares / MEMBERS
    assert float(decayed.batch_loss(own)) == pytest.approx(expected, rel=1e-5)
