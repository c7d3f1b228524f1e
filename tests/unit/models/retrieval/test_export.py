import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.item_table import ItemTable
from models.retrieval.export import RetrievalExport
from models.retrieval.options import SimilarityOptions, SoftmaxOptions, TwoTowerOptions
from models.retrieval.softmax import SoftmaxRetrieval
from models.retrieval.two_tower import TwoTowerRetrieval


def two_tower(table: ItemTable) -> Any:
    options = TwoTowerOptions(
        embedding_dimension=8, hidden_units=16, similarity=SimilarityOptions(kind="euclidean")
    )
    return TwoTowerRetrieval(table, 16, options)


def softmax(table: ItemTable) -> Any:
    return SoftmaxRetrieval(table, SoftmaxOptions(embedding_dimension=8, hidden_units=16))


@pytest.mark.parametrize("make", [two_tower, softmax])
def test_export_embeds_alike_when_loaded(
    make: Callable[[ItemTable], Any],
    table: ItemTable,
    user_inputs: Callable[..., dict[str, tf.Tensor]],
    tmp_path: pathlib.Path,
) -> None:
    model = make(table)
    inputs = user_inputs([[3, 4], []])
    index = tf.range(25, dtype=tf.int64)
    users, items = model.embed_users(inputs), model.embed_items(index)
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype, name)
        for name, value in inputs.items()
    }
    tf.saved_model.save(RetrievalExport(model, "family", specs), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.embed_users(inputs), users, atol=1e-6)
    np.testing.assert_allclose(loaded.embed_items(index), items, atol=1e-6)
    assert loaded.kind.numpy() == b"family"
    assert int(loaded.catalogue_size) == 24
    assert int(loaded.direction_size) == 8
    assert float(loaded.temperature) == pytest.approx(float(model.temperature()))
