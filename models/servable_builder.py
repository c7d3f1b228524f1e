"""Builds the servable from trained models and data, and checks its own work."""

import gc
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from models import contract, features
from models.candidates.generators import CandidateGenerators, Family
from models.candidates.options import CandidateOptions
from models.candidates.stage import Stage, index_of
from models.index import narrow_search, release_searcher
from models.item_facts import ItemFacts, recommendable
from models.item_store import CatalogueItem, ItemStore
from models.options import IndexOptions, RerankingOptions, ServingOptions
from models.progress import report
from models.query_parser import QueryParser
from models.ranking_features import RankingFeatures
from models.raw_data import read_catalogue, serialized_batches
from models.recommender import Recommender
from models.related import RelatedItems, are_directions, directions
from models.requests import predict_request
from models.reranking.reranker import Reranker
from models.servable import CatalogueCounts, Servable
from models.servable_check import ServableError, check_index_size, check_servable
from models.strangers import StrangerProfiles
from models.transformed_data import read_item_table
from models.user_store import STORED_FEATURES, UserStore
from models.warmup import write_warmup_requests

RECALL_QUERIES = 256
RECALL_AT = 100


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
    with tempfile.TemporaryDirectory() as scratch:
        built, item_id, user_ids = _save(sources, path, options, Path(scratch))
    # Else what was saved would be in memory beside what is loaded to be checked.
    gc.collect()
    warmup_users = user_ids[: options.serving.warmup_users]
    write_warmup_requests(path, _warmup_requests(warmup_users, item_id))
    report("servable: checking")
    query = next(serialized_batches(sources.users))[:1]
    check_servable(path, item_id, user_ids[0], query)
    return built


class _Catalogue(NamedTuple):
    """What is made of the catalogue as text, which takes a lot of memory, and is not kept."""

    store: ItemStore
    facts: ItemFacts
    shown: npt.NDArray[np.bool_]  # [N+1], what may be recommended
    first_id: bytes


def _save(
    sources: BuildSources, path: str, options: BuildOptions, scratch: Path
) -> tuple[BuildReport, bytes, list[bytes]]:
    """Builds and saves.

    Args:
        sources: what the servable is made of.
        path: of the SavedModel.
        options: of all parts.
        scratch: a folder for what becomes an asset.

    Returns:
        What was built, the id of an item, and the ids of all users.
    """
    transform_output = tft.TFTransformOutput(sources.transform_graph)
    catalogue = _catalogue(sources.items, transform_output, options.reranking)
    report(f"servable: embedding {len(catalogue.shown) - 1} items")
    stage = Stage(sources.retrieval)
    counts, mean_rating = stage.counts, stage.mean_rating
    ranker = tf.saved_model.load(sources.ranker)
    generators = stage.generators(
        options.candidates, options.index, options.serving.candidates, catalogue.shown
    )
    del stage
    _check_scores(ranker, generators)
    main, nominable = generators.families[0], np.flatnonzero(catalogue.shown)
    parser = QueryParser(transform_output)
    user_store, user_ids = _user_store(
        sources.users, parser, catalogue.store, str(scratch / "users.txt"), options.max_history
    )
    recall = _checked_recall(generators.families, nominable, user_store, options.index)
    table = read_item_table(sources.transformed, sources.transform_graph)
    ranking_features = RankingFeatures(generators, table, mean_rating)
    recommender = Recommender(
        generators,
        ranking_features,
        ranker,
        Reranker(catalogue.facts, options.reranking),
        _related(main, nominable, options.index),
        catalogue.store,
    )
    del table
    servable = Servable(
        recommender,
        user_store,
        catalogue.store,
        parser,
        StrangerProfiles(ranking_features.categories, *_log_count_scale(parser)),
        CatalogueCounts(counts),
        options.serving,
    )
    report("servable: saving")
    tf.saved_model.save(
        servable,
        path,
        signatures=servable.signatures(),
        options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
    )
    built = BuildReport(
        retrieval=main.kind,
        generators=list(generators.sources),
        items=len(catalogue.shown) - 1,
        users=len(user_ids),
        embedding_dimension=int(main.vectors.shape[1]),
        index_kind=options.index.kind,
        index_recall=recall,
    )
    return built, catalogue.first_id, user_ids


def _catalogue(
    folder: str, transform_output: tft.TFTransformOutput, options: RerankingOptions
) -> _Catalogue:
    vocabulary_file = transform_output.vocabulary_file_by_name(features.ITEM_VOCABULARY)
    items = _ordered_catalogue(read_catalogue(folder), vocabulary_file)
    return _Catalogue(
        store=ItemStore(items, vocabulary_file),
        facts=ItemFacts(items),
        shown=recommendable(items, options),
        first_id=items[0].item_id,
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
    embeddings, size = main.vectors.numpy(), int(main.export.direction_size.numpy())
    kept = options.related if len(embeddings) <= options.related_up_to else 0
    if are_directions(embeddings, size):
        return RelatedItems(main.vectors, main.nearest, len(nominable), kept)
    unit = directions(embeddings, size)
    index = index_of(unit, nominable.astype(np.int32), options)
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


def _unknown_user(interactions: float = 0.0) -> bytes:
    """A user about whom nothing is known, as an Example; zero interactions are no average user."""
    example = tf.train.Example()
    example.features.feature[features.USER_ID].bytes_list.value.append(b"")
    example.features.feature[features.USER_INTERACTION_COUNT].float_list.value.append(interactions)
    return example.SerializeToString()


def _log_count_scale(parser: QueryParser) -> tuple[float, float]:
    """Returns intercept and slope by which the transform graph scales ln(1 + interactions)."""
    asked = parser.parse(tf.constant([_unknown_user(), _unknown_user(math.expm1(1.0))]))
    none, one = asked.inputs[features.USER_STATISTICS].numpy()[:, 0].tolist()
    return none, one - none


def _checked_recall(
    families: Sequence[Family],
    nominable: npt.NDArray[np.int64],
    users: UserStore,
    options: IndexOptions,
) -> float:
    """Narrows the indexes as far as users allow it, and returns the recall of the main family's.

    Raises:
        ServableError: if that one does not hold all items, or finds too few of the nearest.
    """
    check_index_size(families[0].nearest, families[0].vectors.numpy(), nominable)
    # The vector of a user without any history may say nothing, and nothing be near it.
    rows = tf.constant(users.with_history(RECALL_QUERIES), tf.int64)
    inputs = users.inputs(rows, users.seen(rows))
    recalls = []
    for family in families:
        embeddings = family.vectors.numpy()
        whole = len(nominable) == len(embeddings) - 1
        indexed = embeddings[1:] if whole else embeddings[nominable]
        queries = family.export.embed_users(inputs).numpy()
        recalls.append(
            narrow_search(family.nearest, indexed, queries, RECALL_AT, options, nominable)
        )
        release_searcher(family.nearest)
    report(f"servable: the index finds {recalls[0]:.3f} of the exact {RECALL_AT} nearest items")
    if recalls[0] < options.min_recall:
        raise ServableError(
            f"the index finds {recalls[0]:.3f} of the {RECALL_AT} nearest items; at least "
            f"{options.min_recall} was expected. Raise index.leaves_searched_fraction "
            "or index.reorder, or lower index.min_recall."
        )
    return recalls[0]


def _warmup_requests(user_ids: list[bytes], item_id: bytes) -> list[Any]:
    k = np.asarray(10, np.int32)
    one = np.array(user_ids[:1], dtype=object)
    batch = np.array(user_ids, dtype=object)
    similar = {contract.ITEM_ID: np.array([item_id], dtype=object), contract.K: k}
    item, half = np.array([[item_id]], dtype=object), np.array([0.5], np.float32)
    return [
        predict_request(contract.RECOMMEND, {contract.USER_ID: one, contract.K: k}),
        predict_request(contract.RECOMMEND, {contract.USER_ID: batch, contract.K: k}),
        # What only a request with wishes runs: filters, freshness, diversity.
        predict_request(
            contract.RECOMMEND_WITH_CONTEXT,
            {
                contract.USER_ID: one,
                contract.K: k,
                contract.HISTORY_ITEM_ID: item,
                contract.EXCLUDE_ITEM_ID: item,
                contract.EXCLUDE_CATEGORY: np.array([[b"none of these"]], dtype=object),
                contract.DIVERSITY: half,
                contract.FRESHNESS: half,
            },
        ),
        predict_request(contract.SIMILAR_ITEMS, similar),
    ]
