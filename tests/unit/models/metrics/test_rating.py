import math

import pytest

from models.metrics.rating import RatingRMSE


def test_rmse_weighs_each_rating_alike_when_users_gave_several(evaluate, user) -> None:
    # Errors 1, 2 and 0; the zeros behind a user's own ratings pad the batch.
    users = [
        user([b"a", b"b"], [b"a"], ratings=[3.0, 1.0], predicted=[4.0, 3.0]),
        user([b"c"], [b"a"], ratings=[2.0], predicted=[2.0, 0.0]),
    ]
    found = evaluate(RatingRMSE(), users, [""])
    assert found == {"rating_rmse": pytest.approx(math.sqrt(5 / 3))}


def test_rmse_is_nan_when_nobody_rated(evaluate, user) -> None:
    assert math.isnan(evaluate(RatingRMSE(), [user([b"a"], [b"a"])], [""])["rating_rmse"])


def test_short_prediction_is_refused_when_more_was_rated(evaluate, user) -> None:
    broken = user([b"a", b"b"], [b"a"], ratings=[3.0, 1.0], predicted=[4.0])
    with pytest.raises(ValueError, match="each of the 2 chosen items. Received: 1"):
        evaluate(RatingRMSE(), [broken], [""])
