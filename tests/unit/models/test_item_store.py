import pathlib

import pytest
import tensorflow as tf

from models.item_store import CatalogueItem, ItemStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ItemStore:
    items = [
        CatalogueItem(b"b", b"Title b", (b"y", b"x"), 2.0),
        CatalogueItem("\u00fc".encode(), b"Two words", (), 1.0),
        CatalogueItem(b"a", b"a", (b"z",), 0.0),
    ]
    file: pathlib.Path = tmp_path_factory.mktemp("store") / "ids.txt"
    file.write_bytes(b"\n".join(item.item_id for item in items) + b"\n")
    return ItemStore(items, str(file))


def test_indices_and_ids_are_inverse_when_looked_up(store: ItemStore) -> None:
    ids = [[b"a", "\u00fc".encode()], [b"unknown", b""]]
    index = store.index(tf.constant(ids))
    assert index.dtype == tf.int32
    assert index.numpy().tolist() == [[3, 2], [0, 0]]
    assert store.ids(index).numpy().tolist() == [[b"a", "\u00fc".encode()], [b"", b""]]


def test_titles_and_categories_are_empty_when_item_is_unknown(store: ItemStore) -> None:
    index = tf.constant([0, 1, 2])
    assert store.titles(index).numpy().tolist() == [b"", b"Title b", b"Two words"]
    # Each item's own order; two is the most that one has.
    expected = [[b"", b""], [b"y", b"x"], [b"", b""]]
    assert store.category_names(index).numpy().tolist() == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([b"x"], [False, True, False, False]),
        ([b"z", b"x", b"z"], [False, True, False, True]),
        # Neither the padding of the request nor of the items is a category.
        ([b"", b"unknown"], [False] * 4),
        ([], [False] * 4),
    ],
)
def test_items_are_in_a_category_when_they_have_it(
    store: ItemStore, wanted: list[bytes], expected: list[bool]
) -> None:
    category = tf.reshape(tf.constant(wanted, tf.string), [1, -1])
    found = store.in_category(tf.constant([[0, 1, 2, 3]]), category)
    assert found.numpy().tolist() == [expected]


def test_each_row_has_its_own_categories_when_batched(store: ItemStore) -> None:
    found = store.in_category(tf.constant([[1, 3], [1, 3]]), tf.constant([[b"y"], [b"z"]]))
    assert found.numpy().tolist() == [[True, False], [False, True]]
