"""How the Evaluator loads the models: give it as its `module_path`."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow_model_analysis as tfma


def custom_eval_shared_model(
    eval_saved_model_path: str,
    model_name: str,
    eval_config: tfma.EvalConfig,
    **kwargs: Any,
) -> tfma.types.EvalSharedModel:
    """Returns TFMA's own shared model, whose loader first registers ScaNN's operations.

    The loader runs in Beam's workers, which may be other processes than the Evaluator's, so an
    import in the Evaluator alone would not do.
    """
    shared_model = tfma.default_eval_shared_model(
        eval_saved_model_path=eval_saved_model_path,
        model_name=model_name,
        eval_config=eval_config,
        **kwargs,
    )
    loader = shared_model.model_loader
    return shared_model._replace(
        model_loader=tfma.types.ModelLoader(
            tags=loader.tags, construct_fn=functools.partial(_load, loader.construct_fn)
        )
    )


def _load(construct_model: Callable[[], Any]) -> Any:
    import scann  # noqa: F401  registers the operations of the index

    return construct_model()
