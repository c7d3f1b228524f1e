import pathlib

import pytest
import tensorflow as tf

from models import contract
from models.popular_servable import save_popular_servable


@pytest.fixture(scope="module")
def signatures(tmp_path_factory: pytest.TempPathFactory):
    path = str(tmp_path_factory.mktemp("popular"))
    save_popular_servable(path, [b"a", b"b", b"c"], [1.0, 5.0, 3.0], mean_rating=3.5)
    model = tf.saved_model.load(path)
    yield model.signatures
    del model


def query(seen: list[bytes], chosen: list[bytes]) -> bytes:
    def feature(values: list[bytes]) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    values = {"seen_item_id": feature(seen), "chosen_item_id": feature(chosen)}
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def test_evaluate_leaves_seen_items_out_when_queries_differ(signatures) -> None:
    queries = tf.constant([query([b"b", b"unknown"], [b"a"]), query([], [b"c", b"a"])])
    found = signatures["evaluate"](examples=queries)
    lists = found[contract.RECOMMENDED_ITEM_ID].numpy()
    assert lists.shape == (2, 100)
    assert lists[:, :4].tolist() == [[b"c", b"a", b"", b""], [b"b", b"c", b"a", b""]]
    assert (found[contract.POPULAR_ITEM_ID].numpy() == lists).all()
    # One predicted rating for each chosen item, 0 pads.
    assert found[contract.CHOSEN_PREDICTED_RATING].numpy().tolist() == [[3.5, 0.0], [3.5, 3.5]]
    assert found[contract.CATALOGUE_SIZE].numpy().tolist() == [3, 3]


def test_evaluate_tells_how_popular_items_are_when_metrics_ask(signatures) -> None:
    queries = tf.constant([query([b"b"], [b"a"]), query([], [b"c", b"new", b"a"])])
    found = {name: value.numpy() for name, value in signatures["evaluate"](queries).items()}
    # a has 1 interaction, b 5 and c 3: 9 in all. 0 pads, as do -1 the chosen.
    assert found[contract.RECOMMENDED_INTERACTIONS].shape == (2, 100)
    assert found[contract.RECOMMENDED_INTERACTIONS][:, :4].tolist() == [[3, 1, 0, 0], [5, 3, 1, 0]]
    assert found[contract.CHOSEN_INTERACTIONS].tolist() == [[1, -1, -1], [3, 0, 1]]
    assert found[contract.TOTAL_INTERACTIONS].tolist() == [9, 9]
    assert found[contract.INTRA_LIST_DISTANCE].tolist() == [0, 0]


def test_evaluate_gives_one_list_when_less_is_known_of_the_user(signatures) -> None:
    found = signatures["evaluate"](tf.constant([query([b"b"], [b"a"])]))
    expected = found[contract.RECOMMENDED_ITEM_ID].numpy().tolist()
    for name in (contract.HISTORY_ONLY_ITEM_ID, contract.CATEGORIES_ONLY_ITEM_ID):
        assert found[name].numpy().tolist() == expected


@pytest.mark.parametrize(
    ("item_ids", "counts"), [([b"a", b"a"], [1.0, 2.0]), ([b"a", b"b"], [1.0])]
)
def test_catalogue_is_refused_when_ids_and_counts_do_not_match(
    tmp_path: pathlib.Path, item_ids: list[bytes], counts: list[float]
) -> None:
    with pytest.raises(ValueError, match="distinct, with one count each. Received: 2 ids"):
        save_popular_servable(str(tmp_path), item_ids, counts)
