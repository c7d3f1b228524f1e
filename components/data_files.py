"""The files that a run reads."""

from components import csv_reader
from components.options import DataOptions


def data_files(data_dir: str, options: DataOptions) -> list[str]:
    """Returns the paths of the interactions, the catalogue and the users, as far as expected.

    Args:
        data_dir: the folder that the file patterns are relative to.
        options: names the files.

    Raises:
        DataError: if one that is required is missing, or one is empty.
    """
    sources = [
        (options.interactions.file, "data.interactions.file", True),
        (options.catalogue.file, "data.catalogue.file", True),
    ]
    if options.users:
        sources.append((options.users.file, "data.users.file", options.users.required))
    return [
        path
        for pattern, key, required in sources
        for path, _ in csv_reader.find_files(data_dir, pattern, key, required)
    ]
