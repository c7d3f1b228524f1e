import pytest
import tensorflow as tf

from components.example_dataset import example_dataset


@pytest.mark.parametrize("folder", ["Split-a", "run [1]*"])
def test_records_come_in_the_order_of_the_files_when_there_are_several(tmp_path, folder):
    (tmp_path / folder).mkdir()
    for name, records in (("b.gz", [b"3"]), ("a.gz", [b"1", b"2"]), ("c.gz", [])):
        with tf.io.TFRecordWriter(str(tmp_path / folder / name), "GZIP") as writer:
            for record in records:
                writer.write(record)
    found = list(example_dataset(str(tmp_path / folder)).as_numpy_iterator())
    assert found == [b"1", b"2", b"3"]


def test_there_is_nothing_when_the_split_has_no_file_or_folder(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        assert list(example_dataset(str(folder)).as_numpy_iterator()) == []
