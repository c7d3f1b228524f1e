from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import features
from models.errors import UnsuitableDataError
from models.item_table import ItemTable
from models.options import RankingOptions, RatingOptions
from models.ranker import Ranker
from models.ranking_lists import RankingLists
from models.train_ranking import fit_rating, fit_relevance
from models.training import seed_everything
from models.validation import VALIDATION_NDCG, VALIDATION_RMSE

USERS, CANDIDATES, WIDTH = 120, 8, 3
OPTIONS = RankingOptions(
    members=2,
    hidden_units=8,
    dropout=0.0,
    weight_decay=0.0,
    batch_size=20,
    learning_rate=0.02,
    max_epochs=8,
    patience=8,
    rating=RatingOptions(
        batch_size=64, learning_rate=0.02, max_epochs=6, validation_interactions=80
    ),
)
SEED = 3

Floats = npt.NDArray[np.float32]


def noise(seed: int = 1) -> Floats:
    shape = [USERS, CANDIDATES, WIDTH]
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def lists(
    values: Floats, chosen: npt.NDArray[Any], position: Floats | None = None, missed: float = 0.0
) -> RankingLists:
    shown = np.zeros(chosen.shape, np.float32) if position is None else position
    return RankingLists(
        values.astype(np.float16),
        np.ones(chosen.shape, np.bool_),
        chosen.astype(np.bool_),
        np.where(chosen, shown, 0.0).astype(np.float32),
        np.full(len(chosen), missed, np.float32),
    )


def best_by(values: Floats) -> npt.NDArray[np.bool_]:
    """Marks the candidate with the greatest value in each list [L, C]."""
    return values == values.max(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def train(table: ItemTable, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Trains the order; returns the ranker and what Keras says of the training."""

    def run(
        own: RankingLists,
        positions: bool = False,
        prepare: Callable[[Ranker], None] = lambda ranker: None,
        **changes: Any,
    ) -> Any:
        seed_everything(SEED)
        options = OPTIONS.model_copy(update=changes)
        width = own.features.shape[2]
        mean, spread = np.zeros(width, np.float32), np.ones(width, np.float32)
        ranker = Ranker(table, mean, spread, 3.0, options, positions)
        prepare(ranker)
        folder = str(tmp_path_factory.mktemp("logs"))
        return ranker, fit_relevance(ranker, own, options, SEED, folder).history

    return run


def relevance(ranker: Ranker, values: Floats, position: float = 0.0) -> Floats:
    return ranker.relevance(tf.constant(values), tf.fill([len(values)], position)).numpy()


def test_the_telling_feature_orders_new_lists_when_trained(train: Callable[..., Any]) -> None:
    values = noise()
    ranker, history = train(lists(values, best_by(values[:, :, 1])))
    new = noise(seed=2)
    first = relevance(ranker, new).argmax(axis=1)
    # By chance, one of eight.
    assert np.mean(first == new[:, :, 1].argmax(axis=1)) > 0.9
    assert history[VALIDATION_NDCG][-1] > 0.9
    assert history["loss"][-1] < history["loss"][0]


def test_an_order_that_is_not_linear_is_learned_when_the_network_sees_it(
    train: Callable[..., Any],
) -> None:
    # Whoever is nearest to 0 is chosen: no weight of the feature says so.
    values = noise()
    ranker, _ = train(lists(values, best_by(-np.abs(values[:, :, 0]))), max_epochs=20)
    new = noise(seed=2)
    first = relevance(ranker, new).argmax(axis=1)
    assert np.mean(first == np.abs(new[:, :, 0]).argmin(axis=1)) > 0.6


def test_more_popular_items_come_first_when_popularity_alone_tells_something(
    train: Callable[..., Any],
) -> None:
    values = noise()
    # Chosen by a softmax over the first feature: the most popular often, but not always.
    keys = values[:, :, 0] + np.random.default_rng(5).gumbel(size=[USERS, CANDIDATES])
    ranker, history = train(lists(values, best_by(keys)), max_epochs=4)
    alike = np.zeros([1, 3, WIDTH], np.float32)
    alike[0, :, 0] = [-1.5, 0.0, 1.5]
    assert (np.diff(relevance(ranker, alike)[0]) > 0.0).all()
    # Better than chance, which is the mean gain of eight places.
    by_chance = np.mean(1.0 / np.log2(np.arange(CANDIDATES) + 2.0))
    assert max(history[VALIDATION_NDCG]) > by_chance


def test_weights_are_equal_when_the_seed_is(train: Callable[..., Any]) -> None:
    values = noise()
    own = lists(values, best_by(values[:, :, 1]))
    both = [train(own, max_epochs=2, dropout=0.3) for _ in range(2)]
    assert both[0][1] == both[1][1]
    for one, other in zip(*(ranker.get_weights() for ranker, _ in both), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_position_tells_choices_apart_when_it_is_known(train: Callable[..., Any]) -> None:
    # What is shown first is taken for the first feature, what is shown ninth for the second.
    values = noise()
    shown_first = (np.arange(USERS) % 2 == 0)[:, np.newaxis]
    chosen = np.where(shown_first, best_by(values[:, :, 0]), best_by(values[:, :, 1]))
    position = np.broadcast_to(np.where(shown_first, 1.0, 9.0), chosen.shape).astype(np.float32)
    own = lists(values, chosen, position)
    ranker, _ = train(own, positions=True, max_epochs=30, patience=30)
    new = noise(seed=2)
    for shown, feature in ((1.0, 0), (9.0, 1)):
        first = relevance(ranker, new, shown).argmax(axis=1)
        assert np.mean(first == new[:, :, feature].argmax(axis=1)) > 0.7
    # When served, all that is listed is thought to be shown first.
    assert ranker.serving_position == 1.0


def first_loss(train: Callable[..., Any], own: RankingLists) -> float:
    """The loss before anything was learned: all logits are 0."""
    _, history = train(own, max_epochs=1, batch_size=1000, learning_rate=1e-9)
    return float(history["loss"][0])


def test_choices_at_other_positions_are_no_negatives_when_compared(
    train: Callable[..., Any],
) -> None:
    chosen = np.array([[True, True, False]] * 4)
    same = lists(np.zeros([4, 3, 1], np.float32), chosen)
    # Both together are compared with all three.
    assert first_loss(train, same) == pytest.approx(np.log(3.0))
    position = np.array([[1.0, 2.0, 0.0]] * 4, np.float32)
    apart = lists(np.zeros([4, 3, 1], np.float32), chosen, position)
    # Each with itself and what was not chosen.
    assert first_loss(train, apart) == pytest.approx(np.log(2.0))


def test_padding_is_no_negative_when_lists_are_short(train: Callable[..., Any]) -> None:
    own = lists(np.zeros([4, 3, 1], np.float32), np.array([[True, False, False]] * 4))
    own.there[:, 2] = False
    assert first_loss(train, own) == pytest.approx(np.log(2.0))


def test_validation_counts_what_is_no_candidate_when_measured(train: Callable[..., Any]) -> None:
    # Untrained, candidates stay in their order: the only found one is second of two.
    chosen = np.array([[False, True, False]] * 5)
    own = lists(np.zeros([5, 3, 1], np.float32), chosen, missed=1.0)
    _, history = train(own, max_epochs=1, learning_rate=1e-9)
    gain = 1.0 / np.log2(3.0)
    assert history[VALIDATION_NDCG] == [pytest.approx(gain / (1.0 + gain))]


def test_padding_comes_last_when_validated(train: Callable[..., Any]) -> None:
    own = lists(np.zeros([5, 3, 1], np.float32), np.array([[False, False, True]] * 5))
    own.there[:, :2] = False
    _, history = train(own, max_epochs=1, learning_rate=1e-9)
    assert history[VALIDATION_NDCG] == [pytest.approx(1.0)]


def silence(ranker: Ranker) -> None:
    """Leaves the linear scores alone: the hidden layers get 0, and stay there."""
    ranker.opinions(tf.zeros([1, 1, ranker.feature_mean.shape[0]]), tf.zeros([1]))
    for member in ranker.members:
        member.hidden.kernel.assign(tf.zeros_like(member.hidden.kernel))


def told_apart(number: int) -> RankingLists:
    """Lists of two, the second chosen; each has a feature of its own, which says so."""
    values = np.zeros([number, 2, number], np.float32)
    values[np.arange(number), 1, np.arange(number)] = 1.0
    return lists(values, np.array([[False, True]] * number))


def test_a_list_is_learned_by_all_members_but_one_when_trained(train: Callable[..., Any]) -> None:
    ranker, _ = train(told_apart(12), members=3, prepare=silence, max_epochs=2, batch_size=5)
    # A list's feature is nowhere else, so whoever has a weight for it has learned from that list.
    learned = np.stack([member.linear.kernel[:, 0] for member in ranker.members]) != 0.0
    # Two of three members each, and each member leaves out a third of the twelve.
    assert learned.sum(axis=0).tolist() == [2] * 12
    assert learned.sum(axis=1).tolist() == [8] * 3


def test_lists_are_judged_by_the_member_that_left_them_out_when_validated(
    train: Callable[..., Any],
) -> None:
    own = told_apart(12)
    ranker, history = train(own, members=3, prepare=silence, max_epochs=3)
    # Who left a list out knows nothing of its feature and leaves the order: the chosen is second.
    assert history[VALIDATION_NDCG] == [pytest.approx(1.0 / np.log2(3.0))] * 3
    assert history["loss"][-1] < history["loss"][0]
    # All together know all.
    assert relevance(ranker, own.features.astype(np.float32)).argmax(axis=1).tolist() == [1] * 12


def test_each_fold_has_its_own_judge_when_members_disagree(train: Callable[..., Any]) -> None:
    def disagree(ranker: Ranker) -> None:
        silence(ranker)
        for number, member in enumerate(ranker.members):
            member.linear.kernel.assign(tf.one_hot([number], 2, axis=0))

    # The first member puts the first of two on top, the second the second.
    values = np.stack([np.eye(2, dtype=np.float32)] * 5)
    own = lists(values, np.array([[True, False]] * 5))
    _, history = train(own, prepare=disagree, members=2, max_epochs=1, learning_rate=1e-9)
    # Three of five lists are of the first fold, two of the second.
    gain = 1.0 / np.log2(3.0)
    assert history[VALIDATION_NDCG] == [pytest.approx((3.0 + 2.0 * gain) / 5.0)]


def test_one_user_is_enough_when_there_is_no_other(train: Callable[..., Any]) -> None:
    values = noise()[:1]
    ranker, _ = train(lists(values, best_by(values[:, :, 1])), learning_rate=0.1)
    # All members learn from it but the one that it is the fold of, who judges without.
    assert relevance(ranker, values).argmax() == values[0, :, 1].argmax()


def test_training_is_refused_when_nobodys_choice_is_a_candidate(train: Callable[..., Any]) -> None:
    own = lists(noise(), np.zeros([USERS, CANDIDATES], np.bool_), missed=1.0)
    with pytest.raises(UnsuitableDataError, match="a choice among.*Received: none. Raise"):
        train(own)


def test_training_stops_with_step_and_batch_named_when_the_loss_is_nan(
    train: Callable[..., Any],
) -> None:
    values = noise()
    message = "the loss of relevance is (nan|inf) at step [0-9]+: batch [0-9]+ of epoch 1. Lower"
    with pytest.raises(FloatingPointError, match=message):
        train(lists(values, best_by(values[:, :, 1])), learning_rate=1e30)


@pytest.fixture(scope="module")
def train_rating(
    table: ItemTable,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Any]:
    """Trains the ratings, 5 of users with odd numbers and 4 of others, whose means say so."""
    odd = interactions[features.USER_INDEX] % 2
    statistics = np.stack([np.zeros(len(odd)), 2.0 * odd - 1.0], axis=1).astype(np.float32)
    data = in_memory(interactions | {features.USER_STATISTICS: statistics})

    def run(**changes: Any) -> Any:
        seed_everything(SEED)
        rating = OPTIONS.rating.model_copy(update=changes)
        options = OPTIONS.model_copy(update={"rating": rating})
        one = np.ones(1, np.float32)
        ranker = Ranker(table, 0.0 * one, one, 4.5, options, positions=False)
        folder = str(tmp_path_factory.mktemp("logs"))
        return ranker, fit_rating(ranker, data, options, SEED, folder).history

    return run


def test_ratings_are_those_of_the_user_when_their_mean_tells_them(
    train_rating: Callable[..., Any], user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    ranker, history = train_rating()
    inputs = user_inputs([[1], [2]])
    inputs[features.USER_STATISTICS] = tf.constant([[0.0, 1.0], [0.0, -1.0]])
    rating = ranker.rating(inputs, tf.constant([[1, 3], [2, 4]])).numpy()
    np.testing.assert_allclose(rating, [[5.0, 5.0], [4.0, 4.0]], atol=0.1)
    # Of the mean, the error would be 0.5.
    assert min(history[VALIDATION_RMSE]) < 0.1


def test_rating_training_stops_when_the_loss_is_nan(train_rating: Callable[..., Any]) -> None:
    with pytest.raises(FloatingPointError, match="the loss of rating is (nan|inf) at step"):
        train_rating(learning_rate=1e30)


def test_relevance_stays_when_ratings_are_trained(train_rating: Callable[..., Any]) -> None:
    ranker, _ = train_rating(max_epochs=1)
    asked = tf.constant([[[1.0], [2.0]]])
    # The order's heads are as they were made: without any weight.
    assert ranker.relevance(asked, tf.zeros([1])).numpy().tolist() == [[0.0, 0.0]]
