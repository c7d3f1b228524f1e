"""Schemas made from the configuration, not inferred from the data that they then judge."""

import os

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Schema

from components.annotations import OutputArtifact, Parameter, component
from components.interaction_rows import LATEST_TIMESTAMP_S
from components.options import DataOptions
from models import features

SCHEMA_FILE = "schema.pbtxt"
_BYTES, _FLOAT, _INT = schema_pb2.BYTES, schema_pb2.FLOAT, schema_pb2.INT
_UNBOUNDED = 0  # of value_count.max, as TensorFlow Metadata has it


@component
def SchemaFromConfig(  # noqa: N802  TFX names components like classes
    interaction_schema: OutputArtifact[Schema],
    catalogue_schema: OutputArtifact[Schema],
    transform_schema: OutputArtifact[Schema],
    options_json: Parameter[str],
    fingerprint: Parameter[str],
) -> None:
    """Writes the schemas of the data that the configuration describes.

    Args:
        interaction_schema: what the splits train, late and eval must look like.
        catalogue_schema: what the split items must look like.
        transform_schema: every raw feature that the transform graph reads, each one optional.
        options_json: `DataOptions` as JSON.
        fingerprint: of the code; in the cache's key alone.
    """
    options = DataOptions.model_validate_json(options_json)
    _write(interaction_schema.uri, make_interaction_schema(options))
    _write(catalogue_schema.uri, make_catalogue_schema(options))
    _write(transform_schema.uri, make_transform_schema(options))


def make_interaction_schema(options: DataOptions) -> schema_pb2.Schema:
    """Returns the schema that the splits train, late and eval are judged by."""
    explicit = options.interactions.feedback == "explicit"
    schema = schema_pb2.Schema()
    _require(schema, features.USER_ID, _BYTES)
    _require(schema, features.ITEM_ID, _BYTES)
    timestamp = _require(schema, features.TIMESTAMP, _INT)
    timestamp.int_domain.min, timestamp.int_domain.max = 0, LATEST_TIMESTAMP_S
    _require(schema, features.USER_INTERACTION_COUNT, _FLOAT).float_domain.min = 0.0
    _allow(schema, features.HISTORY_ITEM_ID, _BYTES, options.max_history)
    if options.interactions.columns.position:
        _allow(schema, features.POSITION, _FLOAT, 1).float_domain.min = 1.0
    for name in options.attributes:
        _allow(schema, features.user_attribute(name), _BYTES, 1)
    if options.catalogue.columns.categories:
        _allow(schema, features.USER_CATEGORY, _BYTES)
        _allow(schema, features.USER_CATEGORY_COUNT, _FLOAT).float_domain.min = 1.0
    if explicit:
        _set_rating_domain(_require(schema, features.RATING, _FLOAT), options)
        _set_rating_domain(_allow(schema, features.USER_MEAN_RATING, _FLOAT, 1), options)
        if options.catalogue.columns.categories:
            _set_rating_domain(_allow(schema, features.USER_CATEGORY_MEAN_RATING, _FLOAT), options)
    return schema


def make_catalogue_schema(options: DataOptions) -> schema_pb2.Schema:
    """Returns the schema that the split items is judged by."""
    columns = options.catalogue.columns
    schema = schema_pb2.Schema()
    _require(schema, features.ITEM_ID, _BYTES)
    _require(schema, features.ITEM_INTERACTION_COUNT, _FLOAT).float_domain.min = 0.0
    if columns.title:
        _require(schema, features.ITEM_TITLE, _BYTES)
    if columns.categories:
        # A column without a single category is a wrong separator or a wrong column.
        _allow(schema, features.ITEM_CATEGORY, _BYTES).presence.min_count = 1
    if columns.flags:
        _allow(schema, features.ITEM_FLAG, _BYTES)
    for name in options.catalogue.numeric:
        _allow(schema, features.item_numeric(name), _FLOAT, 1).presence.min_count = 1
    _allow(schema, features.ITEM_AGE_DAYS, _FLOAT, 1).float_domain.min = 0.0
    return schema


def make_transform_schema(options: DataOptions) -> schema_pb2.Schema:
    """Returns the schema of what the transform graph reads, permissive so that all parse as sparse.

    Features that it never reads (titles, flags, ages, positions, slices) are not in it.
    """
    columns = options.catalogue.columns
    explicit = options.interactions.feedback == "explicit"
    names = {
        features.USER_ID: _BYTES,
        features.USER_INTERACTION_COUNT: _FLOAT,
        features.HISTORY_ITEM_ID: _BYTES,
        features.ITEM_ID: _BYTES,
        features.TIMESTAMP: _INT,
        features.ITEM_INTERACTION_COUNT: _FLOAT,
        features.SEEN_ITEM_ID: _BYTES,
        features.CHOSEN_ITEM_ID: _BYTES,
    }
    if explicit:
        names |= {
            features.USER_MEAN_RATING: _FLOAT,
            features.RATING: _FLOAT,
            features.CHOSEN_RATING: _FLOAT,
        }
    if columns.categories:
        names |= {
            features.USER_CATEGORY: _BYTES,
            features.USER_CATEGORY_COUNT: _FLOAT,
            features.ITEM_CATEGORY: _BYTES,
        }
        if explicit:
            names[features.USER_CATEGORY_MEAN_RATING] = _FLOAT
    if options.interactions.columns.position:
        names[features.CHOSEN_POSITION] = _FLOAT
    names |= {features.item_numeric(name): _FLOAT for name in options.catalogue.numeric}
    names |= {features.user_attribute(name): _BYTES for name in options.attributes}
    schema = schema_pb2.Schema()
    for name, kind in names.items():
        _allow(schema, name, kind)
    return schema


def _require(schema: schema_pb2.Schema, name: str, kind: int) -> schema_pb2.Feature:
    """Adds a feature that each example must have exactly once."""
    feature = schema.feature.add(name=name, type=kind)
    feature.presence.min_fraction = 1.0
    feature.presence.min_count = 1
    feature.value_count.min = feature.value_count.max = 1
    return feature


def _allow(
    schema: schema_pb2.Schema, name: str, kind: int, most: int = _UNBOUNDED
) -> schema_pb2.Feature:
    """Adds a feature that an example may lack; `most` bounds its number of values."""
    feature = schema.feature.add(name=name, type=kind)
    feature.presence.min_count = 0
    feature.value_count.min = 1 if most else 0
    if most:
        feature.value_count.max = most
    return feature


def _set_rating_domain(feature: schema_pb2.Feature, options: DataOptions) -> None:
    low, high = options.interactions.rating_range
    feature.float_domain.min, feature.float_domain.max = low, high


def _write(uri: str, schema: schema_pb2.Schema) -> None:
    fileio.makedirs(uri)
    with fileio.open(os.path.join(uri, SCHEMA_FILE), "w") as file:
        file.write(text_format.MessageToString(schema))
