import math

import pytest

from models.metrics.coverage import CatalogueCoverageAtK


def test_coverage_counts_distinct_items_when_users_share_some(evaluate, user) -> None:
    users = [
        user([b"z"], [b"a", b"b", b"c"], catalogue_size=10),
        user([b"z"], [b"b", b"d", b""], catalogue_size=10),
    ]
    # First two of each list: a, b and b, d: three of ten. All: a, b, c, d; padding is no item.
    assert evaluate(CatalogueCoverageAtK(k=2), users, [""]) == {"catalogue_coverage@2": 0.3}
    assert evaluate(CatalogueCoverageAtK(k=9), users, [""]) == {"catalogue_coverage@9": 0.4}


def test_coverage_is_nan_when_there_is_no_user(evaluate) -> None:
    found = evaluate(CatalogueCoverageAtK(k=10), [], [""])
    assert math.isnan(found["catalogue_coverage@10"])


def test_missing_output_is_named_when_signature_lacks_the_size(evaluate, user) -> None:
    broken = user([b"a"], [b"a"])
    del broken["predictions"]["catalogue_size"]
    with pytest.raises(ValueError, match="must return 'catalogue_size'"):
        evaluate(CatalogueCoverageAtK(k=10), [broken], [""])
