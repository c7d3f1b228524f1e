import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import sparse

from benchmarks import baselines, metrics, split
from pipeline.datasets.synthesize import synthesize

# Four users, four items: item 3 has no interaction.
TRAIN = sparse.csr_matrix(
    np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]], dtype=np.float32)
)


def test_most_popular_counts_interactions_when_fitted() -> None:
    assert baselines.most_popular(TRAIN)(TRAIN[:1]).tolist() == [[3, 2, 2, 0]]


def test_item_knn_sums_cosines_when_items_share_users() -> None:
    scores = baselines.item_knn(TRAIN)(TRAIN)
    # cos(0, 1) = 2 / sqrt(3 * 2), cos(0, 2) = 1 / sqrt(3 * 2), cos(1, 2) = 0.
    assert scores[0] == pytest.approx([2 / math.sqrt(6), 2 / math.sqrt(6), 1 / math.sqrt(6), 0])
    assert scores[3] == pytest.approx([1 / math.sqrt(6), 0, 0, 0])


def test_ease_refuses_when_there_are_too_many_items() -> None:
    with pytest.raises(ValueError, match="at most 2 items.*Received: 3"):
        baselines.ease(TRAIN, max_items=2)


def test_recommend_leaves_out_what_was_seen_when_it_scores_best() -> None:
    lists = baselines.recommend(baselines.most_popular(TRAIN), TRAIN, np.array([3, 0]), 2)
    # User 3 has seen item 2, user 0 has seen 0 and 1.
    assert lists.tolist() == [[0, 1], [2, 3]]


@given(
    scores=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0, 1, 2])
    ),
    k=st.integers(1, 8),
)
def test_top_k_is_a_stable_sort_when_scores_tie(scores: NDArray[np.float32], k: int) -> None:
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert baselines.top_k(scores, k).tolist() == expected.tolist()


def test_taste_beats_popularity_when_the_data_are_synthesized(tmp_path: Path) -> None:
    options = split.default_data_options()
    synthesize(tmp_path)
    dataset = split.read_dataset(tmp_path, options)
    held_out = split.time_per_user(dataset.user, dataset.timestamp)
    train, test = dataset.matrix(~held_out), dataset.matrix(held_out)
    users = np.arange(train.shape[0])
    ndcg = {}
    for fit in (baselines.most_popular, baselines.item_knn, baselines.ease):
        lists = baselines.recommend(fit(train), train, users, 100)
        ndcg[fit] = metrics.evaluate(lists, test, users).ndcg_at_10
    # MovieLens has 0.088, 0.112 and 0.131.
    assert 0.05 < ndcg[baselines.most_popular] < 0.12
    assert ndcg[baselines.item_knn] > 1.2 * ndcg[baselines.most_popular]
    assert ndcg[baselines.ease] > 1.4 * ndcg[baselines.most_popular]
