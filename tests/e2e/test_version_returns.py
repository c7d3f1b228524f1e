"""Going back to an earlier configuration.

The last file to run: what it pushes is loaded by the server that the other files ask.
"""


def test_judges_and_pushes_anew_when_another_version_was_pushed_since(changed_run, returned_run):
    assert returned_run.code == 0, returned_run.out + returned_run.err
    reused = returned_run.reused()
    # The model is the first run's, but what it has to measure up to is not.
    assert reused["ServableBuilder"]
    assert not reused["BaselineResolver"]
    assert returned_run.metrics()["baseline"]["source"] == f"pushed:{changed_run.versions[-1]}"
    *older, newest = returned_run.versions
    assert tuple(older) == changed_run.versions
    assert newest > older[-1]
    assert f"Pushed version {newest}: " in returned_run.out
