"""Reads a data folder and holds out a part of the interactions, as the benchmarks need it."""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv
from scipy import sparse

from components.errors import DataError
from components.options import DataOptions

TEST_FRACTION = 0.2  # of each user
RANDOM_TEST_FRACTION = 0.25  # of each item
RANDOM_SEED = 42  # the same test part in every benchmark
ROWS = 100_000  # written at a time


class Division(str, Enum):
    """How the test part is held out; the names are those of `data.split.strategy`."""

    TIME_PER_USER = "time_per_user"
    RANDOM_PER_ITEM = "random_per_item"

    @property
    def description(self) -> str:
        """What is held out, in words."""
        if self is Division.RANDOM_PER_ITEM:
            return f"a random {RANDOM_TEST_FRACTION:.0%} of each item's".replace("%", " %")
        return f"each user's last {TEST_FRACTION:.0%}".replace("%", " %")


@dataclass(frozen=True)
class Dataset:
    """A data folder in memory: interactions as indices into users and catalogue items.

    Attributes:
        table: the interactions file as it is, every column a string, N rows.
        user: int64 [N], index into `user_ids`.
        item: int64 [N], index into `item_ids`.
        timestamp: int64 [N], in the file's unit.
        user_ids: ids of the users, in order of appearance.
        item_ids: ids of the whole catalogue, in file order.
    """

    table: pa.Table
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    user_ids: list[str]
    item_ids: list[str]

    def matrix(self, rows: NDArray[np.bool_]) -> sparse.csr_matrix:
        """Returns the interactions selected by `rows`, bool [N], as binary float32 [U, I]."""
        ones = np.ones(int(rows.sum()), dtype=np.float32)
        shape = (len(self.user_ids), len(self.item_ids))
        matrix = sparse.csr_matrix((ones, (self.user[rows], self.item[rows])), shape=shape)
        matrix.data[:] = 1.0  # a pair that occurs twice was summed
        return matrix


def default_data_options() -> DataOptions:
    """Returns the data part of the default configuration: file names and column mapping."""
    text = resources.files("pipeline").joinpath("default.yaml").read_text(encoding="utf-8")
    return DataOptions.model_validate(yaml.safe_load(text)["data"])


def read_dataset(data: Path, options: DataOptions) -> Dataset:
    """Reads the interactions and the catalogue of the folder `data`.

    Raises:
        DataError: if a file or a column is missing, or an interaction's item is not in the
            catalogue.
    """
    columns = options.interactions.columns
    table = _read_table(
        data, options.interactions.file, [columns.user, columns.item, columns.timestamp]
    )
    catalogue = _read_table(data, options.catalogue.file, [options.catalogue.columns.item])
    users = table[columns.user].combine_chunks().dictionary_encode()
    item_ids = catalogue[options.catalogue.columns.item].combine_chunks()
    item = compute.index_in(table[columns.item].combine_chunks(), value_set=item_ids)
    if item.null_count:
        unknown = table.filter(compute.is_null(item))[columns.item][0].as_py()
        raise DataError(
            f"{data}: every interaction must be with an item of {options.catalogue.file}. "
            f"Received: {columns.item} {unknown}. Add it to the catalogue or drop its rows."
        )
    return Dataset(
        table=table,
        user=users.indices.to_numpy().astype(np.int64),
        item=item.to_numpy().astype(np.int64),
        timestamp=_timestamps(table, columns.timestamp, data),
        user_ids=users.dictionary.to_pylist(),
        item_ids=item_ids.to_pylist(),
    )


def time_per_user(
    user: NDArray[np.int64], timestamp: NDArray[np.int64], fraction: float = TEST_FRACTION
) -> NDArray[np.bool_]:
    """Marks each user's last interactions; ties in time keep the order of the file.

    A user with n interactions has round(fraction * n) of them held out, so one with few has none.

    Args:
        user: int64 [N], index of the user.
        timestamp: int64 [N], any unit.
        fraction: share to hold out, between 0 and 1.

    Returns:
        bool [N], true where held out.
    """
    order = np.lexsort((timestamp, user))  # stable
    counts = np.bincount(user)
    ends = np.cumsum(counts)
    remaining = ends[user[order]] - np.arange(len(user))  # n for the first, 1 for the last
    held_out = np.round(counts * fraction).astype(np.int64)
    mask = np.zeros(len(user), dtype=np.bool_)
    mask[order] = remaining <= held_out[user[order]]
    return mask


def random_per_item(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    fraction: float = RANDOM_TEST_FRACTION,
    seed: int = RANDOM_SEED,
) -> NDArray[np.bool_]:
    """Marks a random share of each item's interactions, whenever they happened.

    An item that n users have interacted with loses round(fraction * n) of them, halves to the even
    number. A user's repeated interactions with an item stay together, so that nothing held out is
    in the user's history. A user may have nothing left.

    Args:
        user: int64 [N], index of the user.
        item: int64 [N], index of the item.
        fraction: share to hold out, between 0 and 1.
        seed: of the choice.

    Returns:
        bool [N], true where held out.
    """
    users = int(user.max(initial=0)) + 1
    pairs, pair = np.unique(item * users + user, return_inverse=True)
    pair_item = pairs // users
    order = np.lexsort((np.random.default_rng(seed).random(len(pairs)), pair_item))
    counts = np.bincount(pair_item)
    place = np.arange(len(pairs)) - (np.cumsum(counts) - counts)[pair_item]  # 0 for an item's first
    mask = np.zeros(len(pairs), dtype=np.bool_)
    mask[order] = place < np.rint(counts * fraction)[pair_item]
    return np.asarray(mask[pair])


def hold_out(dataset: Dataset, division: Division) -> NDArray[np.bool_]:
    """Returns bool [N], true for the interactions of the test part."""
    if division is Division.RANDOM_PER_ITEM:
        return random_per_item(dataset.user, dataset.item)
    return time_per_user(dataset.user, dataset.timestamp)


def write_train_folder(
    dataset: Dataset, held_out: NDArray[np.bool_], data: Path, out: Path, options: DataOptions
) -> None:
    """Writes a data folder without the held-out interactions, with the whole catalogue and users.

    Args:
        dataset: what was read from `data`.
        held_out: bool [N], true for the rows to leave out.
        data: the folder that the catalogue and the users are copied from.
        out: the folder to write, created if missing.
        options: names of the files.
    """
    train = dataset.table.filter(pa.array(~held_out))
    whole = _matches(data, options.catalogue.file)
    if options.users and (options.users.required or any(data.glob(options.users.file))):
        whole += _matches(data, options.users.file)
    for source in whole:
        target = out / source.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    # Several files become one, under a name that the same pattern matches.
    target = out / _matches(data, options.interactions.file)[0].relative_to(data)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as sink:
        # Arrow quotes every string, which would make the run that is measured read more slowly.
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(train.column_names)
        for batch in train.to_batches(max_chunksize=ROWS):
            writer.writerows(zip(*(column.to_pylist() for column in batch), strict=True))


def _matches(data: Path, pattern: str) -> list[Path]:
    files = sorted(data.glob(pattern))
    if not files:
        raise DataError(
            f"{data} must hold {pattern}. Received: no such file. "
            "Point --data to a folder that `marquee synthesize` or `marquee download` wrote."
        )
    return files


def _read_table(data: Path, pattern: str, needed: Sequence[str]) -> pa.Table:
    tables = []
    for file in _matches(data, pattern):
        try:
            names = arrow_csv.open_csv(file).schema.names
            types = arrow_csv.ConvertOptions(column_types={name: pa.string() for name in names})
            table = arrow_csv.read_csv(file, convert_options=types)
        except pa.ArrowInvalid as err:
            raise DataError(f"{file} must be CSV with a header. Received: {err}.") from err
        missing = [name for name in needed if name not in names]
        if missing:
            raise DataError(
                f"{file} must have the column {missing[0]}. Received: {', '.join(names)}. "
                "Rename the column, or map it in the configuration."
            )
        tables.append(table)
    return pa.concat_tables(tables)


def _timestamps(table: pa.Table, column: str, data: Path) -> NDArray[np.int64]:
    try:
        seconds = table[column].cast(pa.int64()).combine_chunks()
    except pa.ArrowInvalid as err:
        raise DataError(
            f"{data}: {column} must be whole numbers. Received: {err}. Mend the rows named."
        ) from err
    return np.asarray(seconds.to_numpy(), dtype=np.int64)
