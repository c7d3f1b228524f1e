"""How far a long step is: one logger that whoever runs the pipeline may show."""

import logging

PROGRESS_LOGGER = "marquee.progress"


def report(message: str) -> None:
    """Says in a few words how far the running step is."""
    logging.getLogger(PROGRESS_LOGGER).info(message)
