"""Errors of the pipeline that a person can mend: each message is one line."""


class MarqueeError(Exception):
    """Base of the errors that are reported as one line, without a traceback."""


class DataError(MarqueeError):
    """The data is unusable: says what was expected, what came, where, and how to mend it."""


class GateError(MarqueeError):
    """A gate could not do its work: says which and why."""
