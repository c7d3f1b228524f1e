"""The retrieval stage: models and statistics of one time, as a SavedModel and as generators."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.candidates.co_visitation import NeighbourTable
from models.candidates.generators import CandidateGenerators, Counted, Family
from models.candidates.item_neighbours import ItemNeighbours
from models.candidates.options import CandidateOptions
from models.candidates.statistics import CatalogueStatistics
from models.errors import UnsuitableDataError
from models.index import Index, PartialIndex, build_index
from models.item_table import FloatArray
from models.options import IndexOptions
from models.retrieval.export import RetrievalExport

EMBEDDING_BATCH = 65_536  # items embedded at once


class StageExport(tf.Module):
    """Retrieval exports, the main one first, and the statistics beside them."""

    def __init__(self, families: Sequence[RetrievalExport], statistics: CatalogueStatistics):
        super().__init__(name="stage")
        self.families = list(families)
        self.counts = tf.Variable(statistics.counts, trainable=False, name="counts")
        self.mean_rating = tf.Variable(statistics.mean_rating, trainable=False, name="mean_rating")
        self.category_top = tf.Variable(
            statistics.category_top, trainable=False, name="category_top"
        )
        self.attribute_top = [
            tf.Variable(top, trainable=False, name="attribute_top")
            for top in statistics.attribute_top
        ]
        self.following = ItemNeighbours(statistics.pairs.following, "following")
        self.nearby = ItemNeighbours(statistics.pairs.nearby, "nearby")


def save_stage(
    families: Sequence[RetrievalExport], statistics: CatalogueStatistics, path: str
) -> None:
    """Saves a stage.

    Args:
        families: exports of the models, the main one first.
        statistics: of the same catalogue.
        path: of the SavedModel.
    """
    tf.saved_model.save(StageExport(families, statistics), path)


class Stage:
    """A loaded stage, over the whole catalogue by item index."""

    def __init__(self, path: str):
        """Loads a stage.

        Args:
            path: of the SavedModel.
        """
        self._export = tf.saved_model.load(path)
        self.exports: list[Any] = list(self._export.families)
        self.counts: FloatArray = self._export.counts.numpy()
        self.mean_rating: FloatArray = self._export.mean_rating.numpy()
        self.embeddings = [_embed_items(export, len(self.counts) - 1) for export in self.exports]

    @property
    def kinds(self) -> list[str]:
        """The families, the main one first."""
        return [export.kind.numpy().decode() for export in self.exports]

    def generators(
        self,
        options: CandidateOptions,
        index_options: IndexOptions,
        size: int,
        recommendable: npt.NDArray[np.bool_] | None = None,
    ) -> CandidateGenerators:
        """Builds the indexes and joins the generators.

        Args:
            options: of the generators.
            index_options: of the indexes.
            size: candidates of a request.
            recommendable: bool [N+1], what may be nominated; everything by default.
        """
        if recommendable is None:
            recommendable = np.arange(len(self.counts)) > 0
        items = np.flatnonzero(recommendable).astype(np.int32)
        if not len(items):
            raise UnsuitableDataError(
                "at least one item that the filters let pass was expected. Received: none. Loosen "
                "reranking.exclude_categories, exclude_flags, min_age_days or max_age_days."
            )
        families = [
            Family(
                export=export,
                nearest=index_of(vectors, items, index_options),
                vectors=tf.Variable(vectors, trainable=False, name=f"{kind}_vectors"),
                kind=kind,
            )
            for export, kind, vectors in zip(self.exports, self.kinds, self.embeddings, strict=True)
        ]
        counted = Counted(
            counts=self.counts,
            category_top=self._export.category_top.numpy(),
            attribute_top=[top.numpy() for top in self._export.attribute_top],
            following=_neighbours(self._export.following, "following"),
            nearby=_neighbours(self._export.nearby, "nearby"),
        )
        return CandidateGenerators(families, counted, recommendable, options, size)


def index_of(vectors: FloatArray, items: npt.NDArray[np.int32], options: IndexOptions) -> Index:
    """Builds an index over some items' rows.

    Args:
        vectors: float32 [N+1, D], by item index.
        items: int32 [M], in ascending order, from 1.
        options: of the index.
    """
    if len(items) == len(vectors) - 1:
        return build_index(vectors[1:], options)
    return PartialIndex(build_index(vectors[items], options), items)


def _neighbours(loaded: Any, name: str) -> ItemNeighbours:
    table = NeighbourTable(loaded.index.numpy(), loaded.weight.numpy())
    return ItemNeighbours(table, name)


def _embed_items(export: Any, items: int) -> FloatArray:
    """Returns the embeddings of all items, float32 [N+1, D], zeros for 0."""
    starts = range(1, items + 1, EMBEDDING_BATCH)
    parts = [
        export.embed_items(
            tf.range(start, min(start + EMBEDDING_BATCH, items + 1), dtype=tf.int64)
        ).numpy()
        for start in starts
    ]
    embeddings = np.concatenate([np.zeros_like(parts[0][:1]), *parts])
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise FloatingPointError(
            f"{items} finite item embeddings were expected of {export.kind.numpy().decode()}. "
            f"Received: {int((~finite).sum())} that are not. Lower its learning_rate."
        )
    return embeddings
