import numpy as np
import pytest

from components import staging


def test_values_come_back_in_the_order_of_names_when_saved(tmp_path):
    with staging.folder_in(str(tmp_path)) as folder:
        staging.save(folder, "x-2", np.array([1, 2]))
        staging.save(folder, "x-1", "old")
        staging.save(folder, "x-1", "new")
        staging.save(folder, "y-1", "other")
        first, second = staging.load_all(folder, "x-")
        assert (first, second.tolist()) == ("new", [1, 2])


def test_a_value_is_none_when_nothing_was_saved_under_its_name(tmp_path):
    staging.save(str(tmp_path), "x-1", "found")
    assert staging.load_if_there(str(tmp_path), "x-1") == "found"
    assert staging.load_if_there(str(tmp_path), "x-") is None


def test_nothing_is_left_behind_when_the_work_fails(tmp_path):
    with pytest.raises(ValueError, match="broken"), staging.folder_in(str(tmp_path)):
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []
