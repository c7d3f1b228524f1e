"""Names of splits and of raw and transformed features: the one place where they are spelled.

Raw features are what the example generators write and the transform graph reads. Transformed
features are what training, the index and serving read. This module imports the standard library
alone, so that clients start without TensorFlow.
"""

# Splits of the examples artifact that InteractionExampleGen writes.
TRAIN_SPLIT = "train"  # one example an interaction, user features as of just before it
LATE_SPLIT = "late"  # the same for the last training interactions: what the ranker learns to find
EVAL_SPLIT = "eval"  # the same for the held-out interactions
RANKING_SPLIT = "ranking"  # one example a user: state as of before `late`, and what they then chose
QUERIES_SPLIT = "queries"  # one example a user: state as of the split, and what they then chose
USERS_SPLIT = "users"  # one example a user: state after the newest interaction
ITEMS_SPLIT = "items"  # one example a catalogue item

# Raw features of the user, present in train, eval, queries and users.
USER_ID = "user_id"  # bytes, 1
USER_INTERACTION_COUNT = "user_interaction_count"  # float, 1: interactions so far
USER_MEAN_RATING = "user_mean_rating"  # float, 0 or 1: absent without ratings so far
USER_CATEGORY = "user_category"  # bytes, n: categories of the interactions so far, sorted
USER_CATEGORY_COUNT = "user_category_count"  # float, n: interactions in that category
USER_CATEGORY_MEAN_RATING = "user_category_mean_rating"  # float, n, or 0 for implicit feedback
HISTORY_ITEM_ID = "history_item_id"  # bytes, 0 to max_history, newest first
RAW_USER_FEATURES = (
    USER_ID,
    USER_INTERACTION_COUNT,
    USER_MEAN_RATING,
    USER_CATEGORY,
    USER_CATEGORY_COUNT,
    USER_CATEGORY_MEAN_RATING,
    HISTORY_ITEM_ID,
)

# One raw feature, bytes, 0 or 1, for each user attribute in the configuration, in all those splits.
USER_ATTRIBUTE_PREFIX = "user_attribute_"

# Raw features of an interaction, present in train, late and eval.
ITEM_ID = "item_id"  # bytes, 1 (also in items)
RATING = "rating"  # float, 1, or 0 for implicit feedback
TIMESTAMP = "timestamp"  # int64, 1: seconds since 1970 UTC
POSITION = "position"  # float, 0 or 1: place from 1 at which the item was shown


# Raw features of queries and ranking.
CHOSEN_ITEM_ID = "chosen_item_id"  # bytes, n >= 1: items chosen after the split, oldest first
CHOSEN_RATING = "chosen_rating"  # float, n, or 0 for implicit feedback
CHOSEN_POSITION = "chosen_position"  # float, n, or 0 without positions; 0 where unknown

# Raw features of queries only.
USER_ACTIVITY = "user_activity"  # bytes, 1: low, medium or high third of users by interactions
USER_TASTE = "user_taste"  # bytes, 1: niche, mixed or mainstream third by popularity of history

# Raw feature of queries, ranking and users.
SEEN_ITEM_ID = "seen_item_id"  # bytes, n: every item of the user so far, newest first

# Raw features of a catalogue item, present in items.
ITEM_TITLE = "item_title"  # bytes, 1
ITEM_CATEGORY = "item_category"  # bytes, n
ITEM_INTERACTION_COUNT = "item_interaction_count"  # float, 1: interactions in train and late
ITEM_AGE_DAYS = "item_age_days"  # float, 0 or 1: from its release to the newest interaction
ITEM_FLAG = "item_flag"  # bytes, n: marks of the catalogue that filters may name
ITEM_NUMERIC_PREFIX = "item_numeric_"  # float, 0 or 1, one a numeric column in the configuration

# Transformed features of the user.
USER_INDEX = "user_index"  # int64 []: 0 unknown, else 1 + vocabulary rank
USER_STATISTICS = "user_statistics"  # float32 [2]: scaled log count, scaled mean rating
USER_CATEGORY_SHARE = "user_category_share"  # float32 [C]: share of the user's interactions
USER_CATEGORY_RATING = "user_category_rating"  # float32 [C]: mean rating less the user's mean
USER_ATTRIBUTE_INDEX = "user_attribute_index"  # int64 [max(1, A)]: value of each, 0 unknown
HISTORY_INDEX = "history_index"  # int64 [H]: item indices, newest first, 0 pads
USER_FEATURES = (
    USER_INDEX,
    USER_STATISTICS,
    USER_CATEGORY_SHARE,
    USER_CATEGORY_RATING,
    USER_ATTRIBUTE_INDEX,
    HISTORY_INDEX,
)

# Beside them wherever a user is embedded: all that the user has seen, where the history is cut.
SEEN_INDEX = "seen_index"  # int64 [any]: item indices, newest first, 0 pads

# Transformed features of an item.
ITEM_INDEX = "item_index"  # int64 []: 0 unknown, else 1 + vocabulary rank
ITEM_CATEGORY_MULTI_HOT = "item_category_multi_hot"  # float32 [C]
ITEM_NUMERIC = "item_numeric"  # float32 [numeric columns, at least 1]: z-scores, 0 where absent
ITEM_LOG_FREQUENCY = "item_log_frequency"  # float32 []: ln of the item's share of interactions

# Transformed feature of an interaction, in train, late and eval.
INTERACTION_TIME = "interaction_time"  # int64 []: seconds since 1970 UTC

# Transformed labels, in train, late and eval.
LABEL_RATING = "label_rating"  # float32 []: the rating, or 1 for implicit feedback

# Transformed labels in ranking, beside SEEN_INDEX: one value for each chosen item, sparse.
CHOSEN_INDEX = "chosen_index"  # int64 [n]: item indices, oldest first
CHOSEN_LABEL_RATING = "chosen_label_rating"  # float32 [n]: the ratings, or 1 for implicit feedback
CHOSEN_LABEL_POSITION = "chosen_label_position"  # float32 [n]: 0 where unknown

# Vocabulary files of the transform graph.
USER_VOCABULARY = "user_vocabulary"
ITEM_VOCABULARY = "item_vocabulary"
CATEGORY_VOCABULARY = "category_vocabulary"


def item_numeric(name: str) -> str:
    """Returns the raw feature name of the numeric catalogue column `name`."""
    return ITEM_NUMERIC_PREFIX + name


def user_attribute(name: str) -> str:
    """Returns the raw feature name of the user attribute `name`."""
    return USER_ATTRIBUTE_PREFIX + name
