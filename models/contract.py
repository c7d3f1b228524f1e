"""Names of the served signatures, their inputs and outputs (see docs/signatures.md).

This module imports the standard library alone, so that clients start without TensorFlow.
"""

MODEL_NAME = "recommender"

# Signatures.
SERVING_DEFAULT = "serving_default"
RECOMMEND = "recommend"
RECOMMEND_WITH_CONTEXT = "recommend_with_context"
RETRIEVE = "retrieve"
RANK = "rank"
SIMILAR_ITEMS = "similar_items"
EMBED_USERS = "embed_users"
EMBED_ITEMS = "embed_items"
DESCRIBE_ITEMS = "describe_items"
EVALUATE = "evaluate"

# Inputs.
USER_ID = "user_id"  # string [B]
ITEM_ID = "item_id"  # string [B] or [B, N]
K = "k"  # int32 []
HISTORY_ITEM_ID = "history_item_id"  # string [B, H], newest first, "" pads
EXCLUDE_ITEM_ID = "exclude_item_id"  # string [B, E], "" pads
EXCLUDE_CATEGORY = "exclude_category"  # string [B, C], "" pads
DIVERSITY = "diversity"  # float32 [B]
FRESHNESS = "freshness"  # float32 [B]
EXAMPLES = "examples"  # string [B], serialized query Examples

# Outputs. ITEM_ID is one, string [B, k].
SCORE = "score"  # float32 [B, k]
SOURCE = "source"  # string [B, k]
PREDICTED_RATING = "predicted_rating"  # float32 [B, N]
EMBEDDING = "embedding"  # float32 [B, D]
TITLE = "title"  # string [B], the id where the catalogue has no titles, "" for an unknown item
CATEGORY = "category"  # string [B, n], "" pads

# Outputs of EVALUATE: lists of EVALUATED_LIST_LENGTH item ids, best first, "" pads.
EVALUATED_LIST_LENGTH = 100
RECOMMENDED_ITEM_ID = "recommended_item_id"  # string [B, 100]
POPULAR_ITEM_ID = "popular_item_id"  # string [B, 100]: most popular, what the user saw left out
CHOSEN_PREDICTED_RATING = "chosen_predicted_rating"  # float32 [B, L], 0 pads, as chosen_item_id
CATALOGUE_SIZE = "catalogue_size"  # int64 [B]: items in the catalogue, the same in every row

# A value of SOURCE; the others are the kinds of retrieval.
SOURCE_POPULAR = "popular"

# Where the bundle keeps its warm-up requests (a TFRecord file of PredictionLog).
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
