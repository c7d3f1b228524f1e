"""Every other family of retrieval models through the whole graph, over one output folder.

The default one is what all other files of this folder run.
"""

import pytest

from models.retrieval.options import DEFAULT_KIND, FAMILIES

# Bounds that a model of noise would not keep: it finds half of the 200 items by chance in a list of
# 100, but puts no more than 5 % of a user's choices into the first ten.
BOUNDS = {"gate.floors": "{recall@10: 0.06}", "gate.max_drop": "{}", "gate.min_lift": "null"}
# No other family stands beside it, whose lists could hide that it learned nothing.
QUICK = {"candidates.beside": "[]", "ranking.max_epochs": "1", "canary.users": "5"}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("families") / "out"


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind != DEFAULT_KIND])
def test_is_pushed_and_named_as_the_source_when_chosen(marquee, small_data, output, kind):
    options = {"retrieval.kind": kind, **BOUNDS, **QUICK}
    sets = [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
    done = marquee("run", "--data", str(small_data), "--output", str(output), *sets)
    assert done.code == 0, done.out + done.err
    assert "Pushed version" in done.out
    newest = max((output / "reports").iterdir())
    assert f", {kind}</small>" in (newest / "index.html").read_text()


def test_says_that_the_catalogue_is_too_large_when_it_is(marquee, small_data, output):
    sets = ["--set", "retrieval.kind=ease", "--set", "retrieval.max_items=50"]
    done = marquee("run", "--data", str(small_data), "--output", str(output), *sets)
    assert done.code == 2, done.out + done.err
    assert "at most 50 items" in done.one_line()
