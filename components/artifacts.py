"""Artifact types of our own components."""

from tfx.types import artifact


class RejectedRows(artifact.Artifact):
    """Rows that were left out: `rejected.csv` (reason, file, line, row) and `counts.json`."""

    TYPE_NAME = "MarqueeRejectedRows"


class GateReport(artifact.Artifact):
    """What a gate looked at and decided: `report.json`."""

    TYPE_NAME = "MarqueeGateReport"


class ModelCardPage(artifact.Artifact):
    """The page of a run: `index.html` and `metrics.json`."""

    TYPE_NAME = "MarqueeModelCardPage"
