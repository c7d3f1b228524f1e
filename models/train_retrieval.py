"""TFX Trainer entry point for retrieval."""

from typing import Any

import tensorflow as tf
import tf_keras

from models import features
from models.options import RetrievalOptions
from models.retrieval import TwoTowerRetrieval
from models.retrieval_export import save_retrieval
from models.training import callbacks, seed_everything
from models.transformed_data import TransformedData
from models.validation import RankValidation, mask_history, mean_ndcg, position_of


def run_fn(fn_args: Any) -> None:
    """Trains the towers and saves their embedding functions.

    Args:
        fn_args: TFX FnArgs; `custom_config` holds `options` (RetrievalOptions as a dict), `seed`
            and `fingerprint` (of the code, so that the cache sees a change in it).
    """
    options = RetrievalOptions.model_validate(fn_args.custom_config["options"])
    seed = int(fn_args.custom_config["seed"])
    seed_everything(seed)
    data = TransformedData([*fn_args.train_files, *fn_args.eval_files], fn_args.transform_output)
    users = data.transform_output.vocabulary_size_by_name(features.USER_VOCABULARY)
    model = TwoTowerRetrieval(data.items(), users, options)
    fit(model, data, options, seed, fn_args.model_run_dir)
    if options.sabotage:
        _randomise(model)
    save_retrieval(model, fn_args.serving_model_dir, data.user_specs())


def fit(
    model: TwoTowerRetrieval,
    data: TransformedData,
    options: RetrievalOptions,
    seed: int,
    log_folder: str,
) -> tf_keras.callbacks.History:
    """Trains until the validation nDCG stops rising; keeps the best epoch."""
    held_out = data.sample(features.EVAL_SPLIT, options.validation_interactions, seed)

    @tf.function(reduce_retracing=True)
    def position(batch: dict[str, tf.Tensor], items: tf.Tensor) -> tf.Tensor:
        scores = tf.matmul(model.embed_users(batch), items, transpose_b=True)
        scores = mask_history(scores, batch[features.HISTORY_INDEX])
        return position_of(scores, batch[features.ITEM_INDEX])

    def measure() -> float:
        items = model.embed_items(tf.range(model.catalogue_size + 1))
        return mean_ndcg(held_out, lambda batch: position(batch, items), model.catalogue_size)

    model.compile(optimizer=tf_keras.optimizers.legacy.Adam(options.learning_rate))
    return model.fit(
        data.interactions(features.TRAIN_SPLIT, options.batch_size, seed),
        epochs=options.max_epochs,
        verbose=0,
        callbacks=callbacks(
            RankValidation(measure, "retrieval", options.max_epochs), options.patience, log_folder
        ),
    )


def _randomise(model: TwoTowerRetrieval) -> None:
    """Overwrites every trained weight with noise: a model that the gate must refuse."""
    for variable in model.trainable_variables:
        variable.assign(tf.random.normal(variable.shape))
