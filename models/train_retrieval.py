"""TFX Trainer entry point for retrieval, whatever the family."""

from typing import Any

import tensorflow as tf

from models.retrieval.export import save_retrieval
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import retrieval_options
from models.retrieval.registry import fit_retrieval
from models.training import seed_everything
from models.transformed_data import TransformedData


def run_fn(fn_args: Any) -> None:
    """Fits a retrieval model and saves its embedding functions.

    Args:
        fn_args: TFX FnArgs; `custom_config` holds `options` (of a family, as a dict), `explicit`,
            `rating_range`, `seed` and `fingerprint` (of the code, so that the cache sees a change
            in it).
    """
    options = retrieval_options(fn_args.custom_config["options"])
    explicit = bool(fn_args.custom_config["explicit"])
    context = FitContext(
        seed=int(fn_args.custom_config["seed"]),
        rating_range=tuple(fn_args.custom_config["rating_range"]) if explicit else None,
        log_folder=fn_args.model_run_dir,
    )
    seed_everything(context.seed)
    data = TransformedData([*fn_args.train_files, *fn_args.eval_files], fn_args.transform_output)
    model = fit_retrieval(data, options, context)
    if options.sabotage:
        _randomise(model)
    save_retrieval(model, options.kind, fn_args.serving_model_dir, data.user_specs())


def _randomise(model: RetrievalModel) -> None:
    """Overwrites every trained weight with noise: a model that the gate must refuse."""
    for variable in model.trainable_variables:
        variable.assign(tf.random.normal(variable.shape))
