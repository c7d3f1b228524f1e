"""What the pushed SavedModel is made of."""

import pytest

PYTHON_CALLS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


@pytest.fixture(scope="module")
def loaded(first_run, run_alone):
    return run_alone("load_bundle.py", str(first_run.serving / str(first_run.versions[0])), "scann")


def test_holds_core_and_scann_operations_alone_when_it_was_pushed(loaded):
    assert len(loaded["operations"]) > 20  # else nothing was read
    assert set(loaded["operations"]) & PYTHON_CALLS == set()
    assert loaded["foreign"]
    assert [name for name in loaded["foreign"] if not name.startswith("Scann>")] == []


def test_answers_when_only_tensorflow_and_scann_are_imported(loaded):
    assert loaded["unwanted"] == []
    assert [len(set(row)) for row in loaded["items"]] == [5, 5]
    assert all(item for row in loaded["items"] for item in row)
