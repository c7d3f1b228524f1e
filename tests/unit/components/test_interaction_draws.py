import numpy as np

from components import interaction_draws, splits
from components.interaction_rows import Interactions
from components.options import SplitOptions
from components.splits import EVAL, LATE, TRAIN

IDS = [f"i{number}" for number in range(5)]
USERS = [f"u{number}" for number in range(40)]
OPTIONS = SplitOptions(strategy="random_per_item", eval_fraction=0.25, late_fraction=0.2)


def rows_of(users: list[str]) -> Interactions:
    """Rows of users of whom number u has the items from 0 to u // 8."""
    pairs = [(u, i) for u, name in enumerate(users) for i in range(1 + int(name[1:]) // 8)]
    user, item = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    other = np.zeros(len(pairs), dtype=np.int64)
    return Interactions(users, user, item, *[other] * 7)


def divided(buckets: list[Interactions]) -> dict[tuple[str, int], int]:
    """The part of each user and item."""
    bounds = interaction_draws.find_bounds(buckets, IDS, OPTIONS, 3)
    found = {}
    for rows in buckets:
        for number, user in enumerate(rows.users):
            item = rows.item[rows.user == number]
            ids = [IDS[i] for i in item]
            part = splits.parts_of_user(user, ids, item, item, OPTIONS, 3, bounds)
            found |= {(user, i): p for i, p in zip(item.tolist(), part.tolist(), strict=True)}
    return found


def test_the_rounded_share_of_each_item_is_held_out_when_split_per_item():
    found = divided([rows_of(USERS)])
    counts = [[0, 0, 0] for _ in IDS]
    for (_, item), part in found.items():
        counts[item][part] += 1
    # 40, 32, 24, 16 and 8 users. A quarter: 10, 8, 6, 4, 2. A fifth of the rest, 30, 24, 18, 12, 6:
    # 6, 4.8, 3.6, 2.4, 1.2.
    assert [count[EVAL] for count in counts] == [10, 8, 6, 4, 2]
    assert [count[LATE] for count in counts] == [6, 5, 4, 2, 1]
    assert [count[TRAIN] for count in counts] == [24, 19, 14, 10, 5]


def test_the_choice_is_the_same_when_rows_come_in_other_buckets_and_order():
    assert divided([rows_of(USERS[20:][::-1]), rows_of(USERS[:20])]) == divided([rows_of(USERS)])
