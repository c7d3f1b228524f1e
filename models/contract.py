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
# The same users without a profile: known by a history in the request alone, or by their favourite
# categories alone.
HISTORY_ONLY_ITEM_ID = "history_only_item_id"  # string [B, 100]
CATEGORIES_ONLY_ITEM_ID = "categories_only_item_id"  # string [B, 100]
RECOMMENDED_INTERACTIONS = "recommended_interactions"  # float32 [B, 100]: of each item in training
CHOSEN_INTERACTIONS = "chosen_interactions"  # float32 [B, L]: the same, as chosen_item_id; -1 pads
INTRA_LIST_DISTANCE = "intra_list_distance"  # float32 [B]: mean cosine distance in the first 10
CATALOGUE_SIZE = "catalogue_size"  # int64 [B]: items in the catalogue, the same in every row
TOTAL_INTERACTIONS = "total_interactions"  # float32 [B]: in training, the same in every row

# Values of SOURCE; the others are the kinds of retrieval.
SOURCE_POPULAR = "popular"
SOURCE_NEIGHBOURS = "neighbours"  # of a history item
SOURCE_CATEGORIES = "categories"  # popular in a category of the user's
SOURCE_ATTRIBUTES = "attributes"  # popular among users with the same attribute
SOURCE_FRESH = "fresh"  # few interactions so far

# Where the bundle keeps its warm-up requests (a TFRecord file of PredictionLog).
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
