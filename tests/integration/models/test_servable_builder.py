"""What the builder refuses to hand on."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from models.candidates.options import CandidateOptions
from models.options import IndexOptions, RerankingOptions, ServingOptions
from models.servable_builder import BuildOptions, ServableError, build_servable

OPTIONS = BuildOptions(
    max_history=5,
    candidates=CandidateOptions(),
    index=IndexOptions(),
    reranking=RerankingOptions(),
    serving=ServingOptions(),
)


def test_build_fails_when_an_item_of_the_vocabulary_is_not_in_the_catalogue(
    world: Any, sources: Any, serialize: Callable[..., bytes], tmp_path: pathlib.Path
) -> None:
    items = tmp_path / "Split-items"
    items.mkdir()
    with tf.io.TFRecordWriter(str(items / "data.gz"), "GZIP") as writer:
        for row in world.raw["items"][1:]:
            writer.write(serialize(row))
    fewer = dataclasses.replace(sources, items=str(items))
    message = "the vocabulary has 40 items and the catalogue 39; the same ids were expected"
    with pytest.raises(ServableError, match=message):
        build_servable(fewer, str(tmp_path / "out"), OPTIONS)
    assert not (tmp_path / "out").exists()
