import pathlib

import pytest
import tensorflow as tf

from models.item_store import CatalogueItem
from models.raw_data import read_catalogue, serialized_batches


def item(item_id: bytes, title: bytes | None, categories: list[bytes], count: float) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    feature["item_id"].bytes_list.value.append(item_id)
    if title is not None:
        feature["item_title"].bytes_list.value.append(title)
    feature["item_category"].bytes_list.value.extend(categories)
    feature["item_interaction_count"].float_list.value.append(count)
    return example.SerializeToString()


def with_facts(example: bytes, age_days: float, flags: list[bytes]) -> bytes:
    parsed = tf.train.Example.FromString(example)
    parsed.features.feature["item_age_days"].float_list.value.append(age_days)
    parsed.features.feature["item_flag"].bytes_list.value.extend(flags)
    return parsed.SerializeToString()


def write(path: pathlib.Path, rows: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            writer.write(row)


def test_items_are_read_from_all_files_when_a_split_has_several(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "0.gz", [item(b"a", b"A", [b"x", b"y"], 3.0)])
    write(tmp_path / "1.gz", [item(b"b", None, [], 0.0)])
    assert read_catalogue(str(tmp_path)) == {
        b"a": CatalogueItem(b"a", b"A", (b"x", b"y"), 3.0),
        # Without a title the id stands in.
        b"b": CatalogueItem(b"b", b"b", (), 0.0),
    }


def test_age_and_flags_are_read_when_the_catalogue_has_them(tmp_path: pathlib.Path) -> None:
    known = with_facts(item(b"a", b"A", [], 3.0), 12.5, [b"draft", b"adult"])
    write(tmp_path / "0.gz", [known, item(b"b", b"B", [], 0.0)])
    assert read_catalogue(str(tmp_path)) == {
        b"a": CatalogueItem(b"a", b"A", (), 3.0, age_days=12.5, flags=(b"draft", b"adult")),
        b"b": CatalogueItem(b"b", b"B", (), 0.0, age_days=None, flags=()),
    }


def test_reading_fails_when_the_folder_is_empty(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="must hold TFRecord files. Received: an empty folder"):
        list(serialized_batches(str(tmp_path)))
