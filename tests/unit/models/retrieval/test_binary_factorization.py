from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.retrieval.binary_factorization import (
    BinaryFactorization,
    EngagementFactors,
    factorize_engagement,
    fit,
)
from models.retrieval.factorization import Descent
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import FitContext
from models.retrieval.options import BinaryFactorizationOptions

CONTEXT = FitContext(seed=3, rating_range=(1.0, 5.0), log_folder="")
Shown = tuple[InteractionTable, Any]


def descent(**change: Any) -> Descent:
    values: dict[str, Any] = {
        "dimension": 2,
        "regularization": 0.3,
        "learning_rate": 0.05,
        "iterations": 500,
        "seed": 1,
        "initial_deviation": 0.1,
        "item_biases": True,
        "penalize_biases": True,
    }
    return Descent(**(values | change))


@pytest.fixture(scope="module")
def shown() -> Shown:
    """Users 1 to 20 were shown most of items 1 to 20, and engage with those of their parity."""
    random = np.random.default_rng(4)
    user, item = np.nonzero(random.random((20, 20)) < 0.7)
    table = InteractionTable(user + 1, item + 1, np.ones(len(user), np.float32), 20, 20)
    return table, (user + item) % 2 == 0


@pytest.fixture(scope="module")
def learned(shown: Shown) -> EngagementFactors:
    return factorize_engagement(*shown, descent())


def test_loss_is_log_2_an_entry_when_nothing_is_known_and_classes_are_even() -> None:
    table = InteractionTable(
        np.array([1, 1]), np.array([1, 2]), np.array([5.0, 1.0], np.float32), 1, 2
    )
    start = descent(initial_deviation=0.0, iterations=1)
    # Half engaged: the base log-odds are 0, so each of the 2 entries costs ln 2.
    learned = factorize_engagement(table, np.array([True, False]), start)
    assert learned.losses == pytest.approx([2.0 * np.log(2.0)])
    assert learned.base == 0.0


def test_unknown_user_gets_the_share_engaged_when_the_item_is_unknown_too(
    shown: Shown, learned: EngagementFactors
) -> None:
    nobody = np.array([0])
    assert learned.predict(nobody, nobody) == pytest.approx([shown[1].mean()], rel=1e-5)


def test_taste_is_found_when_items_were_not_shown(shown: Shown, learned: EngagementFactors) -> None:
    table, _ = shown
    user, item = np.nonzero(table.matrix().toarray() == 0)
    probability = learned.predict(user + 1, item + 1)
    taste = (user + item) % 2 == 0
    # All that were never shown: each of the user's taste is likelier than each that is not.
    assert probability[taste].min() > 0.5 > probability[~taste].max()


def test_fold_in_agrees_with_training_when_it_was_there(
    shown: Shown, learned: EngagementFactors
) -> None:
    table, engaged = shown
    own = table.user_index == 3
    w, b = learned.fold_in_user(table.item_index[own], engaged[own])
    # Given the items, the objective is convex in the user: where training has converged, solved.
    np.testing.assert_allclose(w, learned.user[3], atol=0.02)
    assert b == pytest.approx(learned.user_bias[3], abs=0.02)
    own = table.item_index == 6
    x, offset = learned.fold_in_item(table.user_index[own], engaged[own])
    np.testing.assert_allclose(x, learned.item[6], atol=0.02)
    assert offset == pytest.approx(learned.item_offset[6], abs=0.02)


def test_fold_in_says_so_when_nothing_was_shown(learned: EngagementFactors) -> None:
    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="item_index must name at least one. Received: none"):
        learned.fold_in_user(nothing, nothing.astype(bool))
    with pytest.raises(ValueError, match="user_index must name at least one. Received: none"):
        learned.fold_in_item(nothing, nothing.astype(bool))


@pytest.mark.parametrize(("value", "missing"), [(True, "first"), (False, "second")])
def test_says_so_when_a_class_is_missing(shown: Shown, value: bool, missing: str) -> None:
    table, engaged = shown
    with pytest.raises(ValueError, match=f"Received: only the {missing}, .*retrieval.engaged_from"):
        factorize_engagement(table, np.full_like(engaged, value), descent())


def test_engaged_items_stand_first_when_served(
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    user_inputs: Callable[..., dict[str, tf.Tensor]],
) -> None:
    # Users of odd number have rated items of odd number 5, those of even number even ones 4.
    data = in_memory(interactions)
    options = BinaryFactorizationOptions(
        embedding_dimension=2, engaged_from=5.0, regularization=0.1, iterations=100
    )
    model = fit(data, options, CONTEXT)
    assert isinstance(model, BinaryFactorization)
    assert not model.predicts_ratings
    # Engaged from 5: ratings and flags say the same.
    by_flags = model.fold_in_user([1, 2], [True, False])
    assert model.fold_in_user([1, 2], [5.0, 4.5]).tolist() == by_flags.tolist()
    by_flags = model.fold_in_item([1, 2], [True, False])
    assert model.fold_in_item([1, 2], [5.0, 4.5]).tolist() == by_flags.tolist()
    inputs = user_inputs([[], [], []])
    inputs[features.USER_INDEX] = tf.constant([0, 1, 2], tf.int64)
    scores = model.scorer()(inputs).numpy()
    assert np.isfinite(scores).all()
    # All of them agree that items of odd number please those who are shown them.
    assert scores[0, 1::2].min() > scores[0, 2::2].max()
    assert scores[1, 1::2].min() > scores[1, 2::2].max()


def test_says_so_when_feedback_is_implicit(
    interactions: dict[str, Any], in_memory: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match="needs ratings.*Received: implicit feedback. Choose"):
        fit(in_memory(interactions), BinaryFactorizationOptions(), FitContext(3, None, ""))
