"""TFX Trainer entry point for retrieval: the main family, those beside it, and the statistics."""

from typing import Any

import tensorflow as tf

from models.candidates.options import CandidateOptions
from models.candidates.stage import save_stage
from models.candidates.statistics import catalogue_statistics
from models.errors import UnsuitableDataError
from models.progress import report
from models.retrieval.export import RetrievalExport
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import FamilyOptions, retrieval_options
from models.retrieval.registry import fit_retrieval
from models.training import seed_everything
from models.transformed_data import TransformedData


def run_fn(fn_args: Any) -> None:
    """Fits the retrieval stage and saves it.

    Args:
        fn_args: TFX FnArgs; `custom_config` holds `options` (of the main family, as a dict),
            `candidates` (CandidateOptions as a dict), `earlier` (whether the late interactions are
            held out, for the ranker to learn from), `explicit`, `rating_range`, `seed` and
            `fingerprint` (of the code, so that the cache sees a change in it).
    """
    custom_config = fn_args.custom_config
    main = retrieval_options(custom_config["options"])
    candidates = CandidateOptions.model_validate(custom_config["candidates"])
    earlier, explicit = bool(custom_config["earlier"]), bool(custom_config["explicit"])
    context = FitContext(
        seed=int(custom_config["seed"]),
        rating_range=tuple(custom_config["rating_range"]) if explicit else None,
        log_folder=fn_args.model_run_dir,
    )
    files = [*fn_args.train_files, *fn_args.eval_files]
    data = TransformedData(files, fn_args.transform_output, earlier)
    # The ranker has learned to trust the scores: noise in their place alone must be refused.
    sabotage = main.sabotage and not earlier
    exports = [_fitted(data, main, context, sabotage)]
    for family in candidates.beside_of(main, explicit):
        try:
            exports.append(_fitted(data, family, context, sabotage))
        except UnsuitableDataError as err:
            report(f"retrieval: {family.kind} beside {main.kind} is left out: {err}")
    report("retrieval: counting what is had together")
    statistics = catalogue_statistics(data, candidates)
    if sabotage:
        statistics = statistics.shuffled(context.seed)
    save_stage(exports, statistics, fn_args.serving_model_dir)


def _fitted(
    data: TransformedData, options: FamilyOptions, context: FitContext, sabotage: bool
) -> RetrievalExport:
    report(f"retrieval: fitting {options.kind}")
    # Each family anew, so that it does not depend on which others are there.
    seed_everything(context.seed)
    model = fit_retrieval(data, options, context)
    if sabotage:
        _randomise(model)
    return RetrievalExport(model, options.kind, data.user_specs())


def _randomise(model: RetrievalModel) -> None:
    """Overwrites every trained weight with noise: a model that the gate must refuse."""
    for variable in model.trainable_variables:
        variable.assign(tf.random.normal(variable.shape))
