def of_user(examples: list[dict[str, list]], user: str) -> dict[str, list]:
    (found,) = [example for example in examples if example["user_id"] == [user]]
    return found


def test_the_share_of_each_item_is_held_out_when_split_randomly_per_item(generate, data_options):
    log = "who,what,stars,when\n" + "".join(
        f"u{user},{item},4,7\n" for user in range(8) for item in "abc"[: 1 + user % 3]
    )
    examples, _ = generate(data_options(split__strategy="random_per_item"), log)
    # a has 8 users, b 5, c 2. Half: 4, round(2.5) = 2, 1. Half of the rest 4, 3, 1: 2,
    # round(1.5) = 2, round(0.5) = 0.
    counts = {
        split: [sum(e["item_id"] == [item] for e in examples[split]) for item in "abc"]
        for split in ("train", "late", "eval")
    }
    assert counts == {"train": [2, 1, 1], "late": [2, 2, 0], "eval": [4, 2, 1]}


def test_positions_are_in_the_examples_when_the_log_has_them(generate, data_options, interactions):
    columns = {"user": "who", "item": "what", "rating": "stars", "timestamp": "when"}
    rows = interactions.splitlines()
    places = ["place", "3", "", "1", "2", "9", "4", "7"]
    log = "".join(f"{row},{place}\n" for row, place in zip(rows, places, strict=True))
    settings = data_options(interactions__columns=columns | {"position": "place"})
    examples, _ = generate(settings, log)
    found = {
        (e["user_id"][0], e["item_id"][0]): e.get("position")
        for split in ("train", "late", "eval")
        for e in examples[split]
    }
    # The place of u and b is not known.
    assert (found["u", "a"], found["u", "b"], found["u", "d"]) == ([3.0], None, [9.0])
    assert of_user(examples["ranking"], "u")["chosen_position"] == [0.0]
    assert of_user(examples["queries"], "u")["chosen_position"] == [2.0, 9.0]


def test_an_item_is_as_old_as_its_release_or_its_first_training_interaction(generate, data_options):
    settings = data_options(
        catalogue__released={"column": "made", "format": "s"},
        catalogue__columns={"item": "id", "flags": "marks"},
    )
    day = 86_400
    things = f"id,made,marks\na,{8 * day},new\nb,,\nc,{20 * day},x|y\nd,soon,\n"
    # Only w has d, and it is held out.
    log = "who,what,stars,when\n" + "".join(
        f"{user},{item},4,{int(when * day)}\n"
        for user, item, when in (("u", "b", 4), ("u", "c", 6), ("v", "b", 3), ("v", "d", 10))
    )
    examples, _ = generate(settings, log, things)
    items = {item["item_id"][0]: item for item in examples["items"]}
    # The newest interaction is of day 10. c is released after it.
    assert {name: item.get("item_age_days") for name, item in items.items()} == {
        "a": [2.0],
        "b": [7.0],
        "c": [0.0],
        "d": None,
    }
    flags = {name: item.get("item_flag") for name, item in items.items()}
    assert flags == {"a": ["new"], "b": None, "c": ["x", "y"], "d": None}
    assert not [item for item in examples["items"] if "item_released" in item]
