"""The output folder (contract 3)."""

from dataclasses import dataclass
from pathlib import Path

from models.contract import MODEL_NAME


@dataclass(frozen=True)
class OutputLayout:
    """Where a run leaves what."""

    root: Path

    @property
    def serving(self) -> Path:
        """TF Serving's base path."""
        return self.root / "serving" / MODEL_NAME

    @property
    def metadata(self) -> Path:
        """The ML Metadata database."""
        return self.root / "metadata.db"

    @property
    def artifacts(self) -> Path:
        """The artifacts of all runs."""
        return self.root / "artifacts"

    @property
    def reports(self) -> Path:
        """A folder for each run."""
        return self.root / "reports"

    @property
    def logs(self) -> Path:
        """A file for each run."""
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Held by the run that writes to this folder."""
        return self.root / ".lock"

    def versions(self) -> list[int]:
        """Returns the pushed versions, oldest first."""
        if not self.serving.is_dir():
            return []
        names = (path.name for path in self.serving.iterdir() if path.is_dir())
        return sorted(int(name) for name in names if name.isdecimal())
