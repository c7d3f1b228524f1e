import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components import schema
from components.options import (
    CatalogueColumns,
    CatalogueOptions,
    DataOptions,
    InteractionColumns,
    InteractionOptions,
    NumericColumn,
    UserColumns,
    UserOptions,
)


@pytest.fixture
def full() -> DataOptions:
    return DataOptions(
        interactions=InteractionOptions(
            file="x.csv",
            columns=InteractionColumns(user="u", item="i", rating="r", timestamp="t", position="p"),
            rating_range=(0.5, 5.0),
        ),
        catalogue=CatalogueOptions(
            file="y.csv",
            columns=CatalogueColumns(item="i", title="n", categories="c", flags="f"),
            numeric={"year": NumericColumn(column="n")},
        ),
        users=UserOptions(file="z.csv", columns=UserColumns(user="u"), attributes={"city": "town"}),
    )


@pytest.fixture
def bare() -> DataOptions:
    return DataOptions(
        interactions=InteractionOptions(
            file="x.csv",
            columns=InteractionColumns(user="u", item="i", timestamp="t"),
            feedback="implicit",
        ),
        catalogue=CatalogueOptions(file="y.csv", columns=CatalogueColumns(item="i")),
    )


def names(made: schema_pb2.Schema) -> set[str]:
    return {feature.name for feature in made.feature}


def test_the_rating_range_is_the_domain_when_feedback_is_explicit(full):
    made = {feature.name: feature for feature in schema.make_interaction_schema(full).feature}
    assert (made["rating"].float_domain.min, made["rating"].float_domain.max) == (0.5, 5.0)
    assert made["rating"].presence.min_fraction == 1.0
    # The mean of no rating is absent.
    assert made["user_mean_rating"].presence.min_fraction == 0.0


def test_no_rating_and_no_optional_column_is_expected_when_the_data_has_none(bare):
    assert names(schema.make_interaction_schema(bare)) == {
        "user_id",
        "item_id",
        "timestamp",
        "user_interaction_count",
        "history_item_id",
    }
    assert names(schema.make_catalogue_schema(bare)) == {
        "item_id",
        "item_interaction_count",
        "item_age_days",
    }
    assert names(schema.make_transform_schema(bare)) == {
        "user_id",
        "item_id",
        "timestamp",
        "user_interaction_count",
        "history_item_id",
        "item_interaction_count",
        "seen_item_id",
        "chosen_item_id",
    }


def test_the_transform_schema_has_every_feature_it_reads_and_demands_none(full):
    made = schema.make_transform_schema(full)
    assert names(made) == {
        "user_id",
        "user_interaction_count",
        "user_mean_rating",
        "user_category",
        "user_category_count",
        "user_category_mean_rating",
        "history_item_id",
        "item_id",
        "timestamp",
        "rating",
        "item_category",
        "item_interaction_count",
        "item_numeric_year",
        "seen_item_id",
        "chosen_item_id",
        "chosen_rating",
        "chosen_position",
        "user_attribute_city",
    }
    for feature in made.feature:
        assert (feature.presence.min_fraction, feature.presence.min_count) == (0.0, 0)
        assert not feature.HasField("shape")


def test_what_users_and_rows_may_lack_is_allowed_and_not_demanded(full):
    made = {feature.name: feature for feature in schema.make_interaction_schema(full).feature}
    for name in ("position", "user_attribute_city"):
        assert made[name].presence.min_count == 0
        assert made[name].value_count.max == 1
    assert made["position"].float_domain.min == 1.0
    items = {feature.name: feature for feature in schema.make_catalogue_schema(full).feature}
    assert items["item_flag"].presence.min_count == 0


def test_three_files_are_written_when_the_component_runs(full, tmp_path):
    artifacts = {}
    for name in ("interaction_schema", "catalogue_schema", "transform_schema"):
        artifacts[name] = standard_artifacts.Schema()
        artifacts[name].uri = str(tmp_path / name)
    schema.SchemaFromConfig.test_call(
        **artifacts, options_json=full.model_dump_json(), fingerprint="any"
    )
    written = (tmp_path / "catalogue_schema" / "schema.pbtxt").read_text()
    parsed = text_format.Parse(written, schema_pb2.Schema())
    assert parsed == schema.make_catalogue_schema(full)
    assert (tmp_path / "interaction_schema" / "schema.pbtxt").exists()
    assert (tmp_path / "transform_schema" / "schema.pbtxt").exists()
