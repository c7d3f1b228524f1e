"""What the builder refuses to hand on."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from models.options import IndexOptions, ServingOptions
from models.servable_builder import BuildSources, ServableError, build_servable


def test_build_fails_when_an_item_of_the_vocabulary_is_not_in_the_catalogue(
    world: Any,
    trained: dict[str, str],
    serialize: Callable[..., bytes],
    tmp_path: pathlib.Path,
) -> None:
    items = tmp_path / "Split-items"
    items.mkdir()
    with tf.io.TFRecordWriter(str(items / "data.gz"), "GZIP") as writer:
        for row in world.raw["items"][1:]:
            writer.write(serialize(row))
    sources = BuildSources(
        transform_graph=world.transform_graph,
        retrieval=trained["retrieval"],
        ranker=trained["ranker"],
        items=str(items),
        users=str(world.folder / "raw" / "Split-users"),
    )
    message = "the vocabulary has 40 items and the catalogue 39; the same ids were expected"
    with pytest.raises(ServableError, match=message):
        build_servable(sources, str(tmp_path / "out"), 5, IndexOptions(), ServingOptions())
    assert not (tmp_path / "out").exists()
