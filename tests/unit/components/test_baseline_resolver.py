import os


def test_artifact_is_laid_out_for_the_evaluator_when_resolved(baseline_artifact) -> None:
    assert os.path.exists(os.path.join(baseline_artifact.uri, "Format-Serving", "saved_model.pb"))
    assert baseline_artifact.get_string_custom_property("source") == "most_popular"
    reason = baseline_artifact.get_string_custom_property("reason")
    assert reason == "No model has been pushed to nowhere yet."
