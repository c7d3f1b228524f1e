"""Three users for the model card: what they did, and what the servable recommends to them."""

import dataclasses

import tensorflow as tf

from components.example_dataset import example_dataset
from models import contract, features


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """One line of a list."""

    title: str
    score: float
    source: str


@dataclasses.dataclass(frozen=True)
class SampleUser:
    """A user's newest history beside the list for them."""

    user_id: str
    history: list[str]  # titles, newest first
    recommendations: list[Recommendation]


def sample_users(
    model_path: str, users_uri: str, count: int, history_length: int, list_length: int
) -> list[SampleUser]:
    """Asks the servable, in this process, for the lists of the first users of a split.

    Args:
        model_path: folder of the SavedModel.
        users_uri: folder with the files of the users split.
        count: how many users.
        history_length: past items shown for each.
        list_length: recommendations for each.

    Raises:
        tf.errors.OpError: if the model cannot be loaded or does not answer.
        KeyError: if it lacks a signature or an output.
    """
    if not count:
        return []
    import scann  # noqa: F401  registers the operations of the index

    spec = {
        features.USER_ID: tf.io.FixedLenFeature([], tf.string),
        features.HISTORY_ITEM_ID: tf.io.RaggedFeature(tf.string),
    }
    users = [
        tf.io.parse_single_example(row, spec) for row in example_dataset(users_uri).take(count)
    ]
    if not users:
        return []
    signatures = tf.saved_model.load(model_path).signatures
    lists = signatures[contract.RECOMMEND](
        **{
            contract.USER_ID: tf.stack([user[features.USER_ID] for user in users]),
            contract.K: tf.constant(list_length),
        }
    )
    histories = [user[features.HISTORY_ITEM_ID][:history_length].numpy() for user in users]
    recommended = lists[contract.ITEM_ID].numpy()
    shown = sorted({item for row in (*histories, *recommended) for item in row if item})
    title = _titles(signatures[contract.DESCRIBE_ITEMS], shown)
    scores = lists[contract.SCORE].numpy()
    sources = lists[contract.SOURCE].numpy()
    return [
        SampleUser(
            user_id=_text(user[features.USER_ID].numpy()),
            history=[title[item] for item in histories[row]],
            recommendations=[
                Recommendation(title[item], float(scores[row, place]), _text(sources[row, place]))
                for place, item in enumerate(recommended[row])
                if item
            ],
        )
        for row, user in enumerate(users)
    ]


def _titles(
    describe_items: tf.types.experimental.ConcreteFunction, items: list[bytes]
) -> dict[bytes, str]:
    described = describe_items(**{contract.ITEM_ID: tf.constant(items, tf.string)})
    titles = described[contract.TITLE].numpy()
    # An item that has left the catalogue has no title, but stays in histories.
    return {item: _text(title or item) for item, title in zip(items, titles, strict=True)}


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")
