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
from models.candidates.generators import CandidateGenerators, Family
from models.candidates.options import CandidateOptions
from models.candidates.stage import Stage, index_of
from models.index import recall_against_exact
from models.item_facts import ItemFacts, recommendable
from models.item_store import CatalogueItem, ItemStore
from models.item_table import FloatArray
from models.options import IndexOptions, RerankingOptions, ServingOptions
from models.progress import report
from models.query_parser import QueryParser
from models.ranking_features import RankingFeatures
from models.raw_data import read_catalogue, serialized_batches
from models.recommender import Recommender
from models.related import RelatedItems, directions
from models.requests import predict_request
from models.reranking.reranker import Reranker
from models.servable import CatalogueCounts, Servable
from models.servable_check import ServableError, check_index_size, check_servable
from models.transformed_data import read_item_table
from models.user_store import STORED_FEATURES, UserStore
from models.warmup import write_warmup_requests

RECALL_QUERIES = 256
RECALL_AT = 100
UNIT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class BuildSources:
    """Folders that the servable is made of.

    Attributes:
        transform_graph: of the Transform run.
        retrieval: SavedModel of the retrieval stage.
        ranker: SavedModel of the ranker export.
        transformed: gzip TFRecords of the transformed items split.
        items: gzip TFRecords of the raw items split.
        users: gzip TFRecords of the raw users split.
    """

    transform_graph: str
    retrieval: str
    ranker: str
    transformed: str
    items: str
    users: str


@dataclass(frozen=True)
class BuildOptions:
    """Parts of the configuration.

    Attributes:
        max_history: items of a history that the user tower reads.
        candidates: of the generators.
        index: of the indexes.
        reranking: defaults of the re-ranker, and the filters.
        serving: limits of the signatures.
    """

    max_history: int
    candidates: CandidateOptions
    index: IndexOptions
    reranking: RerankingOptions
    serving: ServingOptions


@dataclass(frozen=True)
class BuildReport:
    """What was built and measured."""

    retrieval: str  # the main family
    generators: list[str]
    items: int
    users: int
    embedding_dimension: int
    index_kind: str
    index_recall: float

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields by name."""
        return asdict(self)


def build_servable(sources: BuildSources, path: str, options: BuildOptions) -> BuildReport:
    """Builds, saves, reloads and checks the servable.

    Args:
        sources: what it is made of.
        path: of the SavedModel.
        options: of all parts.

    Returns:
        What was built.

    Raises:
        ServableError: if the catalogue and the vocabulary differ, the index loses items or finds
            too few of the nearest, or a signature does not answer.
    """
    transform_output = tft.TFTransformOutput(sources.transform_graph)
    vocabulary_file = transform_output.vocabulary_file_by_name(features.ITEM_VOCABULARY)
    items = _ordered_catalogue(read_catalogue(sources.items), vocabulary_file)
    table = read_item_table(sources.transformed, sources.transform_graph)
    report(f"servable: embedding {len(items)} items")
    stage = Stage(sources.retrieval)
    ranker = tf.saved_model.load(sources.ranker)
    shown = recommendable(items, options.reranking)
    generators = stage.generators(
        options.candidates, options.index, options.serving.candidates, shown
    )
    _check_scores(ranker, generators)
    main, nominable = generators.families[0], np.flatnonzero(shown)
    parser = QueryParser(transform_output)
    facts = ItemFacts(items)
    with tempfile.TemporaryDirectory() as scratch:
        user_file = str(Path(scratch, "users.txt"))
        item_store = ItemStore(items, vocabulary_file)
        user_store, user_ids = _user_store(
            sources.users, parser, item_store, user_file, options.max_history
        )
        check_index_size(main.nearest, stage.embeddings[0], nominable)
        recall = _index_recall(main, stage.embeddings[0][nominable], nominable, user_store)
        report(f"servable: the index finds {recall:.3f} of the exact {RECALL_AT} nearest items")
        if recall < options.index.min_recall:
            raise ServableError(
                f"the index finds {recall:.3f} of the {RECALL_AT} nearest items; at least "
                f"{options.index.min_recall} was expected. Raise index.leaves_searched_fraction "
                "or index.reorder, or lower index.min_recall."
            )
        recommender = Recommender(
            generators,
            RankingFeatures(generators, table, stage.mean_rating),
            ranker,
            Reranker(facts, options.reranking),
            _related(main, nominable, options.index),
            item_store,
        )
        counts = CatalogueCounts(stage.counts)
        servable = Servable(recommender, user_store, item_store, parser, counts, options.serving)
        report("servable: saving")
        tf.saved_model.save(
            servable,
            path,
            signatures=servable.signatures(),
            options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
        )
    warmup_users = user_ids[: options.serving.warmup_users]
    write_warmup_requests(path, _warmup_requests(warmup_users, items[0].item_id))
    report("servable: checking")
    query = next(serialized_batches(sources.users))[:1]
    check_servable(path, items[0].item_id, user_ids[0], query)
    return BuildReport(
        retrieval=main.kind,
        generators=list(generators.sources),
        items=len(items),
        users=len(user_ids),
        embedding_dimension=stage.embeddings[0].shape[1],
        index_kind=options.index.kind,
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


def _check_scores(ranker: Any, generators: CandidateGenerators) -> None:
    """Refuses a ranker that has learned to read other generators' scores."""
    learned = [name.decode() for name in ranker.score_names.numpy()]
    if learned != generators.score_names:
        raise ServableError(
            f"the ranker reads scores of {', '.join(learned)}; the generators give "
            f"{', '.join(generators.score_names)}. Train the ranker on the same generators."
        )


def _related(main: Family, nominable: npt.NDArray[np.int64], options: IndexOptions) -> RelatedItems:
    """Related items by the main family; the same index does where its embeddings are directions."""
    embeddings = main.vectors.numpy()
    unit = directions(embeddings, int(main.export.direction_size.numpy()))
    index = main.nearest
    if unit.shape != embeddings.shape or not np.allclose(unit, embeddings, atol=UNIT_TOLERANCE):
        index = index_of(unit, nominable.astype(np.int32), options)
    kept = options.related if len(embeddings) <= options.related_up_to else 0
    return RelatedItems(unit, index, len(nominable), kept)


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
    main: Family,
    embeddings: FloatArray,
    nominable: npt.NDArray[np.int64],
    users: UserStore,
) -> float:
    rows = tf.range(1, min(users.size, RECALL_QUERIES) + 1, dtype=tf.int64)
    queries = main.export.embed_users(users.inputs(rows, users.seen(rows))).numpy()
    return recall_against_exact(main.nearest, embeddings, queries, RECALL_AT, nominable)


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
