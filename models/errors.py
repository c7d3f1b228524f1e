"""Errors that a person can mend by other data or another configuration."""


class UnsuitableDataError(ValueError):
    """A family cannot learn from these data: says what was expected, what came, how to mend it."""
