"""Who nominates what, over twelve items with planted scores, counts and lists."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import features
from models.candidates.co_visitation import NeighbourTable
from models.candidates.generators import CandidateGenerators, Counted, Family, Users
from models.candidates.item_neighbours import ItemNeighbours
from models.candidates.merge import Merged
from models.candidates.options import CandidateOptions
from models.index import BruteForceIndex, PartialIndex

ITEMS = 12
# By popularity: 1 to 8 in their order, then 9 to 12, who are fresh.
COUNTS = np.array([0, 50, 40, 30, 20, 19, 18, 17, 16, 2, 1, 0, 0], np.float32)
CATEGORY_TOP = np.array([[4, 5], [6, 7], [8, 0]], np.int32)
# Of a first attribute with values 1 and 2, and of a second with value 1.
ATTRIBUTE_TOP = [np.array([[0, 0], [3, 8], [7, 0]], np.int32), np.array([[0, 0], [2, 5]], np.int32)]
FOLLOWING = {1: {8: 3.0, 6: 1.0}, 2: {8: 2.0, 7: 1.0}}
NEARBY = {1: {2: 1.0}, 2: {1: 1.0}}
NOTHING: dict[str, Any] = dict.fromkeys(
    ("history", "neighbours", "categories", "of_category", "popular", "of_attribute", "fresh"), 0
)
EVERYTHING: dict[str, Any] = {
    "nearest": 2,
    "history": 2,
    "neighbours": 2,
    "categories": 2,
    "of_category": 2,
    "popular": 3,
    "of_attribute": 2,
    "fresh": 2,
}

Make = Callable[..., CandidateGenerators]


class Scores(tf.Module):
    """Scores of a user are a row of a table, chosen by the item that they took last."""

    def __init__(self, scores: npt.NDArray[np.float32], temperature: float) -> None:
        super().__init__()
        self._scores = tf.constant(scores)
        self.temperature = tf.Variable(temperature, trainable=False)

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.gather(self._scores, inputs[features.HISTORY_INDEX][:, 0])


def near_scores() -> npt.NDArray[np.float32]:
    """Likes the item taken last most, then the next number, the one before, and so on outwards."""
    last, item = np.indices([ITEMS + 1, ITEMS + 1])
    return (100 - 2 * np.abs(item - last) - (item < last)).astype(np.float32)


def large_scores() -> npt.NDArray[np.float32]:
    """Likes items with large numbers, whoever asks."""
    return np.tile(np.arange(ITEMS + 1, dtype=np.float32), [ITEMS + 1, 1])


def neighbours(weights: dict[int, dict[int, float]], name: str) -> ItemNeighbours:
    rows = [weights.get(item, {}) for item in range(ITEMS + 1)]
    table = NeighbourTable(
        np.cumsum([0, *map(len, rows)]),
        np.array([item for row in rows for item in row], np.int32),
        np.array([weight for row in rows for weight in row.values()], np.float32),
    )
    return ItemNeighbours(table, name)


def make(
    size: int,
    passes: list[int] | None = None,
    counts: npt.NDArray[np.float32] = COUNTS,
    **options: Any,
) -> CandidateGenerators:
    """Joins generators of which only the main one nominates, but for what the options say."""
    recommendable = np.isin(np.arange(ITEMS + 1), passes or range(1, ITEMS + 1))
    items = np.flatnonzero(recommendable).astype(np.int32)
    vectors = np.eye(ITEMS + 1, dtype=np.float32)
    vectors[0] = 0.0
    families = [
        Family(
            Scores(scores, temperature),
            PartialIndex(BruteForceIndex(vectors[items]), items),
            tf.Variable(vectors),
            kind,
        )
        for kind, scores, temperature in (
            ("two_tower", near_scores(), 0.5),
            ("ease", large_scores(), 1.0),
        )
    ]
    counted = Counted(
        counts=counts,
        category_top=CATEGORY_TOP,
        attribute_top=ATTRIBUTE_TOP,
        following=neighbours(FOLLOWING, "following"),
        nearby=neighbours(NEARBY, "nearby"),
    )
    own = NOTHING | options
    chosen = CandidateOptions.model_validate({"nearest": 1, **own})
    beside = "nearest" in options
    return CandidateGenerators(
        families if beside else families[:1], counted, recommendable, chosen, size
    )


def users_of(
    generators: CandidateGenerators,
    histories: list[list[int]],
    share: list[list[float]] | None = None,
    attributes: list[list[int]] | None = None,
) -> Users:
    rows = len(histories)
    width = max(map(len, histories), default=0) or 1
    padded = np.array([row + [0] * (width - len(row)) for row in histories], np.int64)
    padded = padded.reshape(rows, width)
    return generators.users(
        {
            features.HISTORY_INDEX: tf.constant(padded),
            features.SEEN_INDEX: tf.constant(padded),
            features.USER_CATEGORY_SHARE: tf.constant(
                share or [0.0] * 3 * rows, tf.float32, [rows, 3]
            ),
            features.USER_ATTRIBUTE_INDEX: tf.constant(
                attributes or [0] * 2 * rows, tf.int64, [rows, 2]
            ),
        }
    )


def listed(generators: CandidateGenerators, found: Merged, row: int = 0) -> list[tuple[int, str]]:
    """Items of a row and who nominated them; padding is left out."""
    index, source = found.index[row].numpy().tolist(), found.source[row].numpy().tolist()
    pairs = zip(index, source, strict=True)
    return [(item, generators.sources[number]) for item, number in pairs if item]


def retrieved(
    generators: CandidateGenerators, history: list[int], excluded: list[int], **of_user: Any
) -> list[tuple[int, str]]:
    users = users_of(generators, [history], **{name: [row] for name, row in of_user.items()})
    return listed(generators, generators.retrieve(users, tf.constant([excluded], tf.int32)))


def test_the_nearest_come_first_when_only_the_main_family_nominates() -> None:
    generators = make(4)
    found = generators.retrieve(users_of(generators, [[5]]), tf.constant([[5, 4]]))
    assert listed(generators, found) == [(item, "two_tower") for item in (6, 7, 3, 8)]
    # 2 less a step, and 1 less for being smaller.
    assert found.score.numpy().tolist() == [[98.0, 96.0, 95.0, 94.0]]


def test_families_take_turns_when_there_are_two() -> None:
    generators = make(6, nearest=2)
    assert retrieved(generators, [5], []) == [
        (5, "two_tower"),
        (12, "ease"),
        (6, "two_tower"),
        (11, "ease"),
        # Ease has nominated its two.
        (4, "two_tower"),
        (7, "two_tower"),
    ]


def test_neighbours_are_of_the_newest_items_when_the_history_is_longer() -> None:
    generators = make(5, history=2, neighbours=1)
    # Item 12 has no neighbours, the first of item 2 is 8; item 1 is not asked for. The main family
    # comes with 12, which is excluded, in turn 0, and with 8 in turn 4.
    expected = [(8, "neighbours"), *((item, "two_tower") for item in (11, 10, 9, 7))]
    assert retrieved(generators, [12, 2, 1], [12, 2, 1]) == expected
    everybody = make(9, history=3, neighbours=2)
    sources = dict(retrieved(everybody, [12, 2, 1], [12, 2, 1]))
    assert [item for item in sources if sources[item] == "neighbours"] == [8, 7, 6]


def test_categories_are_the_users_own_when_they_have_a_share() -> None:
    generators = make(12, categories=2, of_category=2)
    # Nothing of the first category, and most of the third: its only item comes first.
    found = retrieved(generators, [], [], share=[0.0, 0.25, 0.75])
    assert found[:3] == [(8, "categories"), (6, "categories"), (7, "categories")]
    # The rest is filled up by what is popular.
    assert found[3:] == [(item, "popular") for item in (1, 2, 3, 4, 5, 9, 10, 11, 12)]


def test_categories_without_a_share_nominate_nothing_when_a_user_has_few() -> None:
    generators = make(3, categories=3, of_category=2)
    found = retrieved(generators, [], [], share=[1.0, 0.0, 0.0])
    assert found == [(4, "categories"), (5, "categories"), (1, "popular")]


def test_attributes_nominate_in_turns_when_a_user_has_two() -> None:
    generators = make(6, of_attribute=2)
    found = retrieved(generators, [], [], attributes=[1, 1])
    assert found[:4] == [(item, "attributes") for item in (3, 2, 8, 5)]
    assert retrieved(generators, [], [], attributes=[2, 0])[:2] == [
        (7, "attributes"),
        (1, "popular"),
    ]


def test_fresh_items_come_at_their_stride_when_others_nominate() -> None:
    counts = np.concatenate([[0.0], COUNTS[:0:-1]])  # nobody had items 1 and 2
    generators = make(12, counts=counts, fresh=2, fresh_interactions=0)
    # The turns of items 12 to 3 are 0 to 9. Items 2, in turn 10, and 1, in turn 11, are fresh, too:
    # 1 in turn 10, where the main family comes first, and 2 in turn 20.
    expected = [*((item, "two_tower") for item in range(12, 1, -1)), (1, "fresh")]
    assert retrieved(generators, [12], []) == expected


@pytest.mark.parametrize(
    ("fresh", "most", "expected"),
    # By interactions, then by number; item 12 may not be shown.
    [(9, 5, [9, 10, 11]), (2, 5, [9, 10]), (9, 0, [11]), (0, 5, [])],
)
def test_fresh_items_are_those_with_few_interactions_when_told(
    fresh: int, most: int, expected: list[int]
) -> None:
    generators = make(4, passes=[*range(1, 12)], fresh=fresh, fresh_interactions=most)
    found = retrieved(generators, [], [])
    assert [item for item, source in found if source == "fresh"] == expected


def test_cold_users_get_lists_in_turns_when_nothing_tells_what_is_near() -> None:
    generators = make(8, **EVERYTHING)
    found = retrieved(generators, [], [], share=[0.0, 1.0, 0.0], attributes=[1, 0])
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
        (10, "fresh"),
    ]


def test_each_source_is_named_when_all_nominate() -> None:
    generators = make(11, **EVERYTHING)
    # Of turn 0: itself, 12, then 8 of 1 and 2's neighbours, 4, 3 and 2 of attributes, 1.
    found = dict(retrieved(generators, [10, 1], [], share=[1.0, 0, 0], attributes=[1, 1]))
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


def test_nobody_else_nominates_when_all_are_switched_off() -> None:
    generators = make(12)
    share, attributes = [1.0, 1.0, 1.0], [1, 1]
    found = retrieved(generators, [2, 1], [], share=share, attributes=attributes)
    assert {source for _, source in found} == {"two_tower"}


def test_what_filters_refuse_never_comes_when_everybody_nominates_it() -> None:
    passes = [2, 5, 7, 9]
    generators = make(6, passes=passes, **EVERYTHING)
    for history in ([], [1, 2], [12]):
        found = retrieved(generators, history, [], share=[1.0, 1.0, 1.0], attributes=[1, 1])
        assert sorted(item for item, _ in found) == passes


def test_lists_are_filled_up_when_a_filter_leaves_too_little() -> None:
    generators = make(4, **EVERYTHING)
    users = users_of(generators, [[6]])
    # Only items 10 to 12 and 1 are allowed: the main family asks for 4 times as many, finds all.
    found = generators.retrieve(users, tf.constant([[6]]), lambda index: (index > 9) | (index == 1))
    assert sorted(item for item, _ in listed(generators, found)) == [1, 10, 11, 12]
    cold = users_of(generators, [[]])
    found = generators.retrieve(
        cold, tf.zeros([1, 0], tf.int32), lambda index: (index > 3) & (index < 8)
    )
    # Popular are 1 to 3 and fresh 9 and 10, of which none is allowed.
    assert listed(generators, found) == [(item, "popular") for item in (4, 5, 6, 7)]


def test_lists_are_padded_when_the_catalogue_is_used_up() -> None:
    generators = make(20, **EVERYTHING)
    found = generators.retrieve(users_of(generators, [[3]]), tf.constant([[3, 0, 12]]))
    items = found.index[0].numpy().tolist()
    assert sorted(items[:10]) == [item for item in range(1, 13) if item not in (3, 12)]
    assert items[10:] == [0] * 10
    assert found.source[0, 10:].numpy().tolist() == [-1] * 10


def test_scores_are_those_of_each_generator_when_items_are_asked_about() -> None:
    generators = make(4, nearest=2)
    scores = generators.scores(users_of(generators, [[2, 1]]), tf.constant([[8, 1, 0, 7]]))
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


def test_scores_are_the_same_for_an_item_when_others_are_asked_about() -> None:
    generators = make(4, nearest=2)
    users = users_of(generators, [[2, 1], [7]])
    both = generators.scores(users, tf.constant([[8, 7], [6, 5]]))
    for column, items in enumerate(([8, 6], [7, 5])):
        alone = generators.scores(users, tf.constant(items)[:, tf.newaxis])
        np.testing.assert_array_equal(alone[:, :, 0], both[:, :, column])


def test_nobody_nominates_more_when_another_user_excludes_much() -> None:
    generators = make(8, nearest=1, popular=1)
    history, alone = [[5], [5]], tf.constant([[5]])
    expected = retrieved(generators, [5], [5])
    # Ease and what is popular nominate one, and one more for the user's own item.
    assert [item for item, source in expected if source == "ease"] == [12, 11]
    assert [item for item, source in expected if source == "popular"] == [1, 2]
    mixed = tf.constant([[5, 0, 0, 0], [9, 8, 7, 6]])
    found = generators.retrieve(users_of(generators, history), mixed)
    assert listed(generators, found) == expected
    # A filter of another user's changes nothing either.
    users = users_of(generators, history)
    filtered = generators.retrieve(
        users, tf.repeat(alone, 2, axis=0), lambda index: index > 0, tf.constant([False, True])
    )
    assert listed(generators, filtered) == expected


def test_an_empty_batch_gets_no_list_when_it_is_asked() -> None:
    generators = make(3, **EVERYTHING)
    found = generators.retrieve(users_of(generators, []), tf.zeros([0, 2], tf.int32))
    assert found.index.shape == (0, 3)


item = st.integers(0, ITEMS)
row = st.tuples(
    st.lists(st.integers(1, ITEMS), max_size=3, unique=True),  # history
    st.lists(item, max_size=10),  # excluded
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3),  # shares of categories
    st.tuples(st.integers(0, 2), st.integers(0, 1)),  # attributes
    st.sampled_from([0, 0, 2, 3]),  # multiples of it are refused, of 0 nothing
)
SIZE = 7
PASSES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 12]


class Asked(tf.Module):
    """One graph for all requests."""

    def __init__(self) -> None:
        super().__init__()
        # Few of each, so that who nominates more than they may is seen.
        few = EVERYTHING | {"nearest": 1, "popular": 1, "fresh": 1}
        self.generators = make(SIZE, passes=PASSES, **few)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.int64),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, 3]),
            tf.TensorSpec([None, 2], tf.int64),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def retrieve(
        self, history: Any, excluded: Any, share: Any, attribute: Any, refused: Any
    ) -> Merged:
        users = self.generators.users(
            {
                features.HISTORY_INDEX: history,
                features.SEEN_INDEX: history,
                features.USER_CATEGORY_SHARE: share,
                features.USER_ATTRIBUTE_INDEX: attribute,
            }
        )

        def allows(index: tf.Tensor) -> tf.Tensor:
            divisor = tf.maximum(refused, 1)[:, tf.newaxis]
            return (index % divisor != 0) | (refused == 0)[:, tf.newaxis]

        return self.generators.retrieve(users, excluded, allows, refused > 0)


@pytest.fixture(scope="module")
def asked() -> Asked:
    return Asked()


def ask(asked: Asked, rows: list[Any]) -> Merged:
    histories, excluded, shares, attributes, refused = zip(*rows, strict=True)
    width = max(map(len, excluded))
    return asked.retrieve(
        tf.constant([(own + [0] * 3)[:3] for own in histories], tf.int64),
        tf.constant(
            [own + [0] * (width - len(own)) for own in excluded], tf.int32, [len(rows), width]
        ),
        tf.constant(shares, tf.float32),
        tf.constant(attributes, tf.int64),
        tf.constant(refused, tf.int32),
    )


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(row, min_size=1, max_size=4))
def test_rules_hold_and_rows_are_as_if_alone_when_anything_is_asked(
    asked: Asked, rows: list[Any]
) -> None:
    found = ask(asked, rows)
    for number, (_, excluded, _, _, refused) in enumerate(rows):
        index = found.index[number].numpy().tolist()
        left = {
            own for own in PASSES if own not in excluded and not (refused and own % refused == 0)
        }
        items = [own for own in index if own]
        assert set(items) <= left
        assert len(items) == len(set(items)) == min(SIZE, len(left))
        assert index == items + [0] * (SIZE - len(items))
        alone = ask(asked, [rows[number]])
        for together, own in zip(found, alone, strict=True):
            assert together[number].numpy().tolist() == own[0].numpy().tolist()
