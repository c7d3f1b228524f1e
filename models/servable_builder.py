"""Builds the servable from trained models and data, and checks its own work."""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from models import contract, features
from models.index import Index, build_index, recall_against_exact
from models.item_store import CatalogueItem, ItemStore
from models.item_table import FloatArray
from models.options import IndexOptions, ServingOptions
from models.popularity import PopularItems
from models.progress import report
from models.query_parser import QueryParser
from models.raw_data import read_catalogue, serialized_batches
from models.recommender import Recommender, directions
from models.requests import predict_request
from models.servable import Servable
from models.servable_check import ServableError, check_index_size, check_servable
from models.user_store import STORED_FEATURES, UserStore
from models.warmup import write_warmup_requests

EMBEDDING_BATCH = 65_536  # items embedded at once
RECALL_QUERIES = 256
RECALL_AT = 100
UNIT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class BuildSources:
    """Folders that the servable is made of.

    Attributes:
        transform_graph: of the Transform run.
        retrieval: SavedModel of the retrieval export.
        ranker: SavedModel of the ranker export.
        items: gzip TFRecords of the raw items split.
        users: gzip TFRecords of the raw users split.
    """

    transform_graph: str
    retrieval: str
    ranker: str
    items: str
    users: str


@dataclass(frozen=True)
class BuildReport:
    """What was built and measured."""

    retrieval: str  # its kind
    items: int
    users: int
    embedding_dimension: int
    index_kind: str
    index_recall: float

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields by name."""
        return asdict(self)


def build_servable(
    sources: BuildSources,
    path: str,
    max_history: int,
    index_options: IndexOptions,
    serving_options: ServingOptions,
) -> BuildReport:
    """Builds, saves, reloads and checks the servable.

    Args:
        sources: what it is made of.
        path: of the SavedModel.
        max_history: items of a history that the user tower reads.
        index_options: of the index.
        serving_options: limits of the signatures.

    Returns:
        What was built.

    Raises:
        ServableError: if the catalogue and the vocabulary differ, the index loses items or finds
            too few of the nearest, or a signature does not answer.
    """
    transform_output = tft.TFTransformOutput(sources.transform_graph)
    retrieval = tf.saved_model.load(sources.retrieval)
    vocabulary_file = transform_output.vocabulary_file_by_name(features.ITEM_VOCABULARY)
    items = _ordered_catalogue(read_catalogue(sources.items), vocabulary_file)
    report(f"servable: embedding {len(items)} items")
    embeddings = _embed_items(retrieval, len(items))
    index = build_index(embeddings, index_options)
    related = _related_index(index, embeddings, retrieval, index_options)
    parser = QueryParser(transform_output)
    with tempfile.TemporaryDirectory() as scratch:
        user_file = str(Path(scratch, "users.txt"))
        item_store = ItemStore(items, vocabulary_file)
        user_store, user_ids = _user_store(
            sources.users, parser, item_store, user_file, max_history
        )
        check_index_size(index, embeddings)
        recall = _index_recall(index, embeddings, retrieval, user_store, len(user_ids))
        report(f"servable: the index finds {recall:.3f} of the exact {RECALL_AT} nearest items")
        if recall < index_options.min_recall:
            raise ServableError(
                f"the index finds {recall:.3f} of the {RECALL_AT} nearest items; at least "
                f"{index_options.min_recall} was expected. Raise index.leaves_searched_fraction "
                "or index.reorder, or lower index.min_recall."
            )
        recommender = Recommender(
            retrieval,
            tf.saved_model.load(sources.ranker),
            index,
            related,
            PopularItems([item.interactions for item in items]),
            item_store,
            len(items),
            serving_options.candidates,
        )
        servable = Servable(
            recommender, user_store, item_store, parser, len(items), serving_options
        )
        report("servable: saving")
        tf.saved_model.save(
            servable,
            path,
            signatures=servable.signatures(),
            options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
        )
    warmup_users = user_ids[: serving_options.warmup_users]
    write_warmup_requests(path, _warmup_requests(warmup_users, items[0].item_id))
    report("servable: checking")
    query = next(serialized_batches(sources.users))[:1]
    check_servable(path, items[0].item_id, user_ids[0], query)
    return BuildReport(
        retrieval=retrieval.kind.numpy().decode(),
        items=len(items),
        users=len(user_ids),
        embedding_dimension=embeddings.shape[1],
        index_kind=index_options.kind,
        index_recall=recall,
    )


def _ordered_catalogue(
    catalogue: dict[bytes, CatalogueItem], vocabulary_file: str
) -> list[CatalogueItem]:
    """Puts the items into the order of their indices."""
    vocabulary = Path(vocabulary_file).read_bytes().splitlines()
    if len(vocabulary) != len(catalogue) or not catalogue.keys() >= set(vocabulary):
        raise ServableError(
            f"the vocabulary has {len(vocabulary)} items and the catalogue {len(catalogue)}; the "
            "same ids were expected in both. Rerun Transform on the present catalogue."
        )
    return [catalogue[item_id] for item_id in vocabulary]


def _embed_items(retrieval: Any, items: int) -> FloatArray:
    starts = range(1, items + 1, EMBEDDING_BATCH)
    parts = [
        retrieval.embed_items(
            tf.range(start, min(start + EMBEDDING_BATCH, items + 1), dtype=tf.int64)
        )
        for start in starts
    ]
    embeddings: FloatArray = tf.concat(parts, axis=0).numpy()
    if len(embeddings) != items or not np.isfinite(embeddings).all():
        raise ServableError(
            f"{items} finite item embeddings were expected. Received: {len(embeddings)}, "
            f"{int((~np.isfinite(embeddings)).any(axis=1).sum())} of them not finite."
        )
    return embeddings


def _related_index(
    index: Index, embeddings: FloatArray, retrieval: Any, options: IndexOptions
) -> Index:
    """Returns the index for related items: the same one where embeddings are directions."""
    unit = directions(tf.constant(embeddings), int(retrieval.direction_size.numpy())).numpy()
    if unit.shape == embeddings.shape and np.allclose(unit, embeddings, atol=UNIT_TOLERANCE):
        return index
    return build_index(unit, options)


def _user_store(
    folder: str, parser: QueryParser, items: ItemStore, id_file: str, max_history: int
) -> tuple[UserStore, list[bytes]]:
    """Transforms all users and puts them into a store, with their ids written to `id_file`."""
    unknown = parser.parse(tf.constant([_unknown_user()])).inputs
    columns: dict[str, list[npt.NDArray[np.generic]]] = {
        name: [unknown[name].numpy()] for name in STORED_FEATURES
    }
    seen: list[npt.NDArray[np.int32]] = []
    user_ids: list[bytes] = []
    id_spec = {features.USER_ID: tf.io.FixedLenFeature([], tf.string)}
    for serialized in serialized_batches(folder):
        query = parser.parse(serialized)
        for name, parts in columns.items():
            parts.append(query.inputs[name].numpy())
        seen.extend(row[row > 0] for row in items.index(query.seen_item_id).numpy())
        user_ids.extend(tf.io.parse_example(serialized, id_spec)[features.USER_ID].numpy())
    Path(id_file).write_bytes(b"\n".join(user_ids) + b"\n")
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return UserStore(joined, seen, id_file, max_history), user_ids


def _unknown_user() -> bytes:
    """A user about whom nothing is known, as an Example; zero interactions are no average user."""
    example = tf.train.Example()
    example.features.feature[features.USER_ID].bytes_list.value.append(b"")
    example.features.feature[features.USER_INTERACTION_COUNT].float_list.value.append(0.0)
    return example.SerializeToString()


def _index_recall(
    index: Any, embeddings: FloatArray, retrieval: Any, users: UserStore, number: int
) -> float:
    rows = tf.range(1, min(number, RECALL_QUERIES) + 1, dtype=tf.int64)
    queries = retrieval.embed_users(users.inputs(rows, users.seen(rows))).numpy()
    return recall_against_exact(index, embeddings, queries, RECALL_AT)


def _warmup_requests(user_ids: list[bytes], item_id: bytes) -> list[Any]:
    k = np.asarray(10, np.int32)
    one = np.array(user_ids[:1], dtype=object)
    batch = np.array(user_ids, dtype=object)
    similar = {contract.ITEM_ID: np.array([item_id], dtype=object), contract.K: k}
    return [
        predict_request(contract.RECOMMEND, {contract.USER_ID: one, contract.K: k}),
        predict_request(contract.RECOMMEND, {contract.USER_ID: batch, contract.K: k}),
        predict_request(contract.SIMILAR_ITEMS, similar),
    ]
