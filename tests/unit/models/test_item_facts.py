import numpy as np
import pytest
import tensorflow as tf

from models.item_facts import ItemFacts, recommendable
from models.item_store import CatalogueItem
from models.options import RerankingOptions

ITEMS = [
    CatalogueItem(b"1", b"", (b"b", b"a"), 0.0, age_days=5.0),
    CatalogueItem(b"2", b"", (b"c",), 3.0, age_days=100.0, flags=(b"adult", b"draft")),
    CatalogueItem(b"3", b"", (), 9.0),
    CatalogueItem(b"4", b"", (b"a",), 1.0, age_days=-2.0, flags=(b"new",)),
]


def test_facts_are_those_of_the_catalogue_when_looked_up() -> None:
    facts = ItemFacts(ITEMS)
    index = tf.constant([[2, 3], [0, 1]])
    np.testing.assert_array_equal(facts.age_days(index), [[100.0, np.nan], [np.nan, 5.0]])
    expected = np.log([[4.0, 10.0], [1.0, 1.0]])  # 1 + interactions
    np.testing.assert_allclose(facts.log_popularity(index), expected, rtol=1e-6)
    # a, b and c are 1, 2 and 3; each item keeps its own order.
    assert facts.categories(index).numpy().tolist() == [[[3, 0], [0, 0]], [[0, 0], [2, 1]]]
    assert facts.category_count == 3


def test_a_category_counts_once_when_an_item_names_it_twice() -> None:
    facts = ItemFacts([CatalogueItem(b"1", b"", (b"x", b"x"), 0.0)])
    assert facts.categories(tf.constant([1])).numpy().tolist() == [[1]]


def test_facts_are_empty_when_the_catalogue_is() -> None:
    facts = ItemFacts([])
    assert facts.categories(tf.constant([0])).numpy().tolist() == [[0]]
    assert facts.category_count == 0
    assert recommendable([], RerankingOptions()).tolist() == [False]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"exclude_categories": ("a",)}, [2, 3]),
        ({"exclude_categories": ("c", "unknown")}, [1, 3, 4]),
        ({"exclude_flags": ("draft",)}, [1, 3, 4]),
        # Both limits are allowed ages themselves; item 3 is of unknown age.
        ({"min_age_days": 5.0}, [1, 2, 3]),
        ({"max_age_days": 5.0}, [1, 3, 4]),
        ({"min_age_days": 0.0, "max_age_days": 99.0, "exclude_flags": ("new",)}, [1, 3]),
    ],
)
def test_items_pass_when_no_filter_names_them(
    options: dict[str, object], expected: list[int]
) -> None:
    passes = recommendable(ITEMS, RerankingOptions.model_validate(options))
    assert passes.dtype == np.bool_
    assert np.flatnonzero(passes).tolist() == expected
