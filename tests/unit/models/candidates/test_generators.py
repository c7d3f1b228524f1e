"""Who nominates what, over twelve items with planted scores, counts and lists."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf


def test_the_nearest_come_first_when_only_the_main_family_nominates(planted: Any) -> None:
    generators = planted.make(4)
    found = generators.retrieve(planted.users_of(generators, [[5]]), tf.constant([[5, 4]]))
    assert planted.listed(generators, found) == [(item, "two_tower") for item in (6, 7, 3, 8)]
    # 2 less a step, and 1 less for being smaller.
    assert found.score.numpy().tolist() == [[98.0, 96.0, 95.0, 94.0]]


def test_families_take_turns_when_there_are_two(planted: Any) -> None:
    generators = planted.make(6, nearest=2)
    assert planted.retrieved(generators, [5], []) == [
        (5, "two_tower"),
        (12, "ease"),
        (6, "two_tower"),
        (11, "ease"),
        # Ease has nominated its two.
        (4, "two_tower"),
        (7, "two_tower"),
    ]


def test_neighbours_are_of_the_newest_items_when_the_history_is_longer(planted: Any) -> None:
    generators = planted.make(5, history=2, neighbours=1)
    # Item 12 has no neighbours, the first of item 2 is 8; item 1 is not asked for. The main family
    # comes with 12, which is excluded, in turn 0, and with 8 in turn 4.
    expected = [(8, "neighbours"), *((item, "two_tower") for item in (11, 10, 9, 7))]
    assert planted.retrieved(generators, [12, 2, 1], [12, 2, 1]) == expected
    everybody = planted.make(9, history=3, neighbours=2)
    sources = dict(planted.retrieved(everybody, [12, 2, 1], [12, 2, 1]))
    assert [item for item in sources if sources[item] == "neighbours"] == [8, 7, 6]


def test_categories_are_the_users_own_when_they_have_a_share(planted: Any) -> None:
    generators = planted.make(12, categories=2, of_category=2)
    # Nothing of the first category, and most of the third: its only item comes first.
    found = planted.retrieved(generators, [], [], share=[0.0, 0.25, 0.75])
    assert found[:3] == [(8, "categories"), (6, "categories"), (7, "categories")]
    # The rest is filled up by what is popular.
    assert found[3:] == [(item, "popular") for item in (1, 2, 3, 4, 5, 9, 10, 11, 12)]


def test_categories_without_a_share_nominate_nothing_when_a_user_has_few(planted: Any) -> None:
    generators = planted.make(3, categories=3, of_category=2)
    found = planted.retrieved(generators, [], [], share=[1.0, 0.0, 0.0])
    assert found == [(4, "categories"), (5, "categories"), (1, "popular")]


def test_attributes_nominate_in_turns_when_a_user_has_two(planted: Any) -> None:
    generators = planted.make(6, of_attribute=2)
    found = planted.retrieved(generators, [], [], attributes=[1, 1])
    assert found[:4] == [(item, "attributes") for item in (3, 2, 8, 5)]
    assert planted.retrieved(generators, [], [], attributes=[2, 0])[:2] == [
        (7, "attributes"),
        (1, "popular"),
    ]


def test_fresh_items_come_at_their_stride_when_others_nominate(planted: Any) -> None:
    counts = np.full(13, 9.0, np.float32)
    counts[1] = 0.0  # nobody had item 1
    generators = planted.make(12, counts=counts, fresh=2, fresh_interactions=0)
    # The turns of items 12 to 1 are 0 to 11; item 1 is fresh, too, in turn 10, where the main
    # family comes first with item 2.
    expected = [*((item, "two_tower") for item in range(12, 1, -1)), (1, "fresh")]
    assert planted.retrieved(generators, [12], []) == expected


@pytest.mark.parametrize(
    ("fresh", "most", "expected"),
    # In an order that says nothing, of which a cold user gets the first; item 12 may not be shown.
    [(9, 5, {9, 10, 11}), (2, 5, {9, 11}), (9, 0, {11}), (0, 5, set())],
)
def test_fresh_items_are_those_with_few_interactions_when_told(
    planted: Any, fresh: int, most: int, expected: set[int]
) -> None:
    generators = planted.make(4, passes=[*range(1, 12)], fresh=fresh, fresh_interactions=most)
    found = planted.retrieved(generators, [], [])
    assert {item for item, source in found if source == "fresh"} == expected


def test_cold_users_get_lists_in_turns_when_nothing_tells_what_is_near(planted: Any) -> None:
    generators = planted.make(8, **planted.EVERYTHING)
    found = planted.retrieved(generators, [], [], share=[0.0, 1.0, 0.0], attributes=[1, 0])
    assert found == [
        # Turn 0 of each, then turn 1, then what is left of each.
        (6, "categories"),
        (3, "attributes"),
        (1, "popular"),
        (7, "categories"),
        (8, "attributes"),
        (2, "popular"),
        # The third popular is there already. Turns 10 and 20:
        (9, "fresh"),
        (11, "fresh"),
    ]


def test_each_source_is_named_when_all_nominate(planted: Any) -> None:
    generators = planted.make(11, **planted.EVERYTHING)
    # Of turn 0: itself, 12, then 8 of 1 and 2's neighbours, 4, 3 and 2 of attributes, 1.
    found = dict(planted.retrieved(generators, [10, 1], [], share=[1.0, 0, 0], attributes=[1, 1]))
    turn_0 = [(10, "two_tower"), (12, "ease"), (8, "neighbours"), (4, "categories")]
    turn_0 += [(3, "attributes"), (2, "attributes"), (1, "popular")]
    assert list(found.items())[:7] == turn_0
    assert generators.sources == [
        "two_tower",
        "ease",
        "neighbours",
        "categories",
        "attributes",
        "fresh",
        "popular",
    ]


def test_nobody_else_nominates_when_all_are_switched_off(planted: Any) -> None:
    generators = planted.make(12)
    share, attributes = [1.0, 1.0, 1.0], [1, 1]
    found = planted.retrieved(generators, [2, 1], [], share=share, attributes=attributes)
    assert {source for _, source in found} == {"two_tower"}


def test_what_filters_refuse_never_comes_when_everybody_nominates_it(planted: Any) -> None:
    passes = [2, 5, 7, 9]
    generators = planted.make(6, passes=passes, **planted.EVERYTHING)
    for history in ([], [1, 2], [12]):
        found = planted.retrieved(generators, history, [], share=[1.0, 1.0, 1.0], attributes=[1, 1])
        assert sorted(item for item, _ in found) == passes


def test_lists_are_filled_up_when_a_filter_leaves_too_little(planted: Any) -> None:
    generators = planted.make(4, **planted.EVERYTHING)
    users = planted.users_of(generators, [[6]])
    # Only items 10 to 12 and 1 are allowed: the main family asks for 4 times as many, finds all.
    found = generators.retrieve(users, tf.constant([[6]]), lambda index: (index > 9) | (index == 1))
    assert sorted(item for item, _ in planted.listed(generators, found)) == [1, 10, 11, 12]
    cold = planted.users_of(generators, [[]])
    found = generators.retrieve(
        cold, tf.zeros([1, 0], tf.int32), lambda index: (index > 3) & (index < 8)
    )
    # Popular are 1 to 3 and fresh 9 and 10, of which none is allowed.
    assert planted.listed(generators, found) == [(item, "popular") for item in (4, 5, 6, 7)]


def test_lists_are_padded_when_the_catalogue_is_used_up(planted: Any) -> None:
    generators = planted.make(20, **planted.EVERYTHING)
    found = generators.retrieve(planted.users_of(generators, [[3]]), tf.constant([[3, 0, 12]]))
    items = found.index[0].numpy().tolist()
    assert sorted(items[:10]) == [item for item in range(1, 13) if item not in (3, 12)]
    assert items[10:] == [0] * 10
    assert found.source[0, 10:].numpy().tolist() == [-1] * 10


def test_scores_are_those_of_each_generator_when_items_are_asked_about(planted: Any) -> None:
    generators = planted.make(4, nearest=2)
    scores = generators.scores(planted.users_of(generators, [[2, 1]]), tf.constant([[8, 1, 0, 7]]))
    found = dict(zip(generators.score_names, scores.numpy()[0], strict=True))
    # Over the temperature 0.5: 100 - 2 * 6, 100 - 2 - 1 and 100 - 2 * 5.
    np.testing.assert_allclose(found["two_tower"], [176.0, 194.0, 0.0, 180.0])
    np.testing.assert_allclose(found["ease"], [8.0, 1.0, 0.0, 7.0])
    # Item 2 counts whole, item 1 one place further back, or as much.
    back = np.exp(-0.1)
    recent = [2.0 + 3.0 * back, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(found["following_recent"], recent, rtol=1e-6)
    np.testing.assert_allclose(found["following_whole"], [5.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(found["nearby_recent"], [0.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(found["nearby_whole"], [0.0, 1.0, 0.0, 0.0])
    # One more than counted of 213 + 12.
    expected = np.log([17 / 225, 51 / 225, 1 / 225, 18 / 225])
    np.testing.assert_allclose(found["popularity"], expected, rtol=1e-6)
    assert list(found)[-1] == "popularity"


def test_scores_are_the_same_for_an_item_when_others_are_asked_about(planted: Any) -> None:
    generators = planted.make(4, nearest=2)
    users = planted.users_of(generators, [[2, 1], [7]])
    both = generators.scores(users, tf.constant([[8, 7], [6, 5]]))
    for column, items in enumerate(([8, 6], [7, 5])):
        alone = generators.scores(users, tf.constant(items)[:, tf.newaxis])
        np.testing.assert_array_equal(alone[:, :, 0], both[:, :, column])


def test_nobody_nominates_more_when_another_user_excludes_much(planted: Any) -> None:
    generators = planted.make(8, nearest=1, popular=1)
    history, alone = [[5], [5]], tf.constant([[5]])
    expected = planted.retrieved(generators, [5], [5])
    # Ease and what is popular nominate one, and one more for the user's own item.
    assert [item for item, source in expected if source == "ease"] == [12, 11]
    assert [item for item, source in expected if source == "popular"] == [1, 2]
    mixed = tf.constant([[5, 0, 0, 0], [9, 8, 7, 6]])
    found = generators.retrieve(planted.users_of(generators, history), mixed)
    assert planted.listed(generators, found) == expected
    # A filter of another user's changes nothing either.
    users = planted.users_of(generators, history)
    filtered = generators.retrieve(
        users, tf.repeat(alone, 2, axis=0), lambda index: index > 0, tf.constant([False, True])
    )
    assert planted.listed(generators, filtered) == expected


def test_an_empty_batch_gets_no_list_when_it_is_asked(planted: Any) -> None:
    generators = planted.make(3, **planted.EVERYTHING)
    found = generators.retrieve(planted.users_of(generators, []), tf.zeros([0, 2], tf.int32))
    assert found.index.shape == (0, 3)
