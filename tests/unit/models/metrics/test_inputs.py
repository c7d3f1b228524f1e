import numpy as np
import tensorflow_model_analysis as tfma

from models.metrics import inputs


def test_chosen_items_are_distinct_when_labels_repeat_or_are_padded() -> None:
    labels = np.array([b"b", b"a", b"b", b""])
    found = inputs.chosen_items(tfma.metrics.StandardMetricInputs(labels=labels), "")
    assert found == [b"b", b"a"]


def test_feature_is_empty_when_the_row_lacks_it() -> None:
    # What TFMA makes of a feature that some rows of a batch lack.
    for value in (None, np.array([None], dtype=object)):
        element = tfma.metrics.StandardMetricInputs(features={"f": value})
        assert inputs.feature(element, "f").size == 0
    assert inputs.feature(tfma.metrics.StandardMetricInputs(features={}), "f").size == 0


def test_feature_is_flattened_when_arrays_are_nested() -> None:
    nested = np.empty(1, dtype=object)
    nested[0] = np.array([1.0, 2.0])
    element = tfma.metrics.StandardMetricInputs(features={"f": nested})
    assert inputs.feature(element, "f").tolist() == [1.0, 2.0]
