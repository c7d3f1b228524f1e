"""Makes the models of a large synthetic catalogue: real ones, with weights that nobody trained.

`python -m benchmarks.large_models FOLDER ITEMS DIMENSION USERS SEED` writes the catalogue and them.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from rich.console import Console

from benchmarks.large_catalogue import (
    Catalogue,
    Examples,
    clustered_vectors,
    make_catalogue,
    write_examples,
)
from models import features
from models.candidates.co_visitation import CoVisitation, NeighbourTable
from models.candidates.options import CandidateOptions
from models.candidates.stage import Stage, save_stage
from models.candidates.statistics import CatalogueStatistics, category_tops
from models.item_table import ItemTable
from models.options import IndexOptions
from models.ranker import Ranker
from models.ranking_export import save_ranker
from models.ranking_features import RankingFeatures
from models.retrieval.export import RetrievalExport
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import RetrievalModel
from models.retrieval.options import TwoTowerOptions, WeightedFactorizationOptions
from models.retrieval.two_tower import TwoTowerRetrieval
from models.retrieval.weighted_factorization import WeightedFactorization, weighted_problem
from models.retrieval.weighted_problem import WeightedFactors
from models.transformed_data import TransformedData
from pipeline.config import Config, load_config

MEAN_RATING = 3.5
CANDIDATES = 100  # of the generators that only tell which features there are


def write_models(
    catalogue: Catalogue, examples: Examples, config: Config, folder: Path, seed: int
) -> tuple[str, str]:
    """Saves the retrieval stage and the ranker that the default configuration would train.

    EASE is not among them: it has no room for the weights of so many items, and a run leaves it out
    then.

    Args:
        catalogue: items and users.
        examples: of the catalogue.
        config: of all models but the main one, which is the two towers.
        folder: for both.
        seed: of random weights.

    Returns:
        Paths of the stage and of the ranker.
    """
    tf.random.set_seed(seed)
    data = TransformedData([f"{examples.transformed}/*"], examples.transform_graph)
    table, specs = data.items(), data.user_specs()
    main = TwoTowerOptions(embedding_dimension=catalogue.vectors.shape[1])
    models: list[tuple[str, RetrievalModel]] = [
        (main.kind, _towers(catalogue, table, data.users(), main, specs))
    ]
    for family in config.candidates.beside:
        if isinstance(family, WeightedFactorizationOptions):
            models.append((family.kind, _factors(catalogue, table, family, seed)))
    exports = [RetrievalExport(model, kind, specs) for kind, model in models]
    stage, ranker = str(folder / "stage"), str(folder / "ranker")
    save_stage(exports, _statistics(catalogue, table, config.candidates), stage)
    _write_ranker(stage, table, specs, config, ranker)
    return stage, ranker


def _towers(
    catalogue: Catalogue,
    table: ItemTable,
    users: int,
    options: TwoTowerOptions,
    specs: dict[str, tf.TensorSpec],
) -> TwoTowerRetrieval:
    """Two towers whose networks say nothing: what is left is the vectors, and bags of them."""
    model = TwoTowerRetrieval(table, users, options)
    model.embed_users(_nobody(specs))  # which builds the layers
    model.item_tower.id_embedding.embeddings.assign(catalogue.vectors)
    for network in (model.item_tower.network, model.user_tower.network):
        network.layers[-1].kernel.assign(tf.zeros_like(network.layers[-1].kernel))
    return model


def _nobody(specs: dict[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Returns a user with one item of history, each feature [1, ...]."""
    nothing = {
        name: tf.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype)
        for name, spec in specs.items()
    }
    history = tf.one_hot([0], nothing[features.HISTORY_INDEX].shape[1], dtype=tf.int64)
    return nothing | {
        features.HISTORY_INDEX: history,
        features.SEEN_INDEX: tf.ones([1, 1], tf.int64),
    }


def _factors(
    catalogue: Catalogue, table: ItemTable, options: WeightedFactorizationOptions, seed: int
) -> WeightedFactorization:
    """Factors in the same clusters, with users folded in from the histories as always."""
    random = np.random.default_rng(seed)
    dimension = options.embedding_dimension
    vectors = clustered_vectors(catalogue.cluster, dimension, random)
    users = len(catalogue.histories)
    interactions = InteractionTable(
        np.repeat(np.arange(1, users + 1), catalogue.histories.shape[1]),
        catalogue.histories.ravel(),
        np.ones(catalogue.histories.size, np.float32),
        users,
        catalogue.size,
    )
    problem = weighted_problem(interactions, table.category_multi_hot, options)
    factors = WeightedFactors(
        users=random.standard_normal((users + 1, dimension), np.float32),
        items=vectors,
        user_features=np.zeros((0, dimension), np.float32),
        item_features=np.zeros((0, dimension), np.float32),
    )
    return WeightedFactorization(problem, factors, vectors)


def _statistics(
    catalogue: Catalogue, table: ItemTable, options: CandidateOptions
) -> CatalogueStatistics:
    # As many neighbours as a full table of a catalogue of this size would have.
    width = options.co_visitation.width(catalogue.size)
    pairs = cluster_neighbours(catalogue.cluster, width)
    return CatalogueStatistics(
        counts=catalogue.counts,
        mean_rating=np.full(catalogue.size + 1, MEAN_RATING, np.float32),
        category_top=category_tops(table, catalogue.counts, options.of_category),
        attribute_top=(),
        pairs=CoVisitation(following=pairs, nearby=pairs),
    )


def cluster_neighbours(cluster: npt.NDArray[np.int64], number: int) -> NeighbourTable:
    """Lists, for each item, the next ones of its cluster.

    Args:
        cluster: int64 [N+1], of each item; -1 for 0, which has none.
        number: of neighbours, at most; a small cluster has fewer.

    Returns:
        The table; weights fall from 1 as 1 / place.
    """
    items = len(cluster) - 1
    clusters = int(cluster.max()) + 1
    number = min(number, items // clusters - 1)
    item = np.arange(1, items + 1, dtype=np.int64)[:, np.newaxis]
    index = (item - 1 + clusters * np.arange(1, number + 1)) % items + 1
    table = NeighbourTable.empty(items, number)
    table.index[1:] = index
    table.weight[1:] = 1.0 / np.arange(1, number + 1)
    return table


def _write_ranker(
    stage: str, table: ItemTable, specs: dict[str, tf.TensorSpec], config: Config, path: str
) -> None:
    """Saves a ranker that reads what the stage's generators say."""
    loaded = Stage(stage)
    generators = loaded.generators(config.candidates, IndexOptions(kind="brute_force"), CANDIDATES)
    ranking_features = RankingFeatures(generators, table, loaded.mean_rating)
    users = generators.users(_nobody(specs))
    index = tf.ones([1, 1], tf.int32)
    made = ranking_features.of(users, index, ranking_features.context(users, index))
    width = made.shape[2]
    ranker = Ranker(
        table,
        np.zeros(width, np.float32),
        np.ones(width, np.float32),
        MEAN_RATING,
        config.ranking,
        positions=False,
    )
    _build(ranker, made, specs)
    save_ranker(ranker, generators.score_names, path, specs, config.data.interactions.rating_range)


def _build(ranker: Ranker, made: tf.Tensor, specs: dict[str, tf.TensorSpec]) -> None:
    """Lets the layers make their weights, and gives the heads some other than zeros."""
    ranker.relevance(made, tf.zeros([1]))
    ranker.rating(_nobody(specs), tf.ones([1, 1], tf.int64))
    for member in ranker.members:
        for kernel in (member.head.kernel, member.linear.kernel):
            kernel.assign(tf.random.normal(kernel.shape))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    sizes = [int(number) for number in sys.argv[2:]]
    made = make_catalogue(*sizes)
    config = load_config()
    lies = write_examples(made, config, target, sizes[-1], Console())
    write_models(made, lies, config, target, sizes[-1])
