"""Names of the evaluation's metrics: the one place where they are spelled.

This module imports the standard library alone, so that the configuration is checked without
TensorFlow Model Analysis.
"""

RECALL_AT_10 = "recall@10"
RECALL_AT_50 = "recall@50"
RECALL_AT_100 = "recall@100"
NDCG_AT_10 = "ndcg@10"
MRR = "mrr"
HIT_RATE_AT_10 = "hit_rate@10"
CATALOGUE_COVERAGE_AT_10 = "catalogue_coverage@10"
RATING_RMSE = "rating_rmse"  # explicit feedback only
POPULAR_NDCG_AT_10 = "popular_ndcg@10"
POPULAR_RECALL_AT_100 = "popular_recall@100"
NDCG_AT_10_LIFT = "ndcg@10_lift_over_popular"

EXPLICIT_ONLY = frozenset({RATING_RMSE})
LOWER_IS_BETTER = frozenset({RATING_RMSE})
ALL_METRICS = (
    RECALL_AT_10,
    RECALL_AT_50,
    RECALL_AT_100,
    NDCG_AT_10,
    MRR,
    HIT_RATE_AT_10,
    CATALOGUE_COVERAGE_AT_10,
    RATING_RMSE,
    POPULAR_NDCG_AT_10,
    POPULAR_RECALL_AT_100,
    NDCG_AT_10_LIFT,
)
