"""`archives.json`: which files a dataset was built from and what its splits must hold."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from etils import epath

from tfds_dcase.archives import Fingerprint
from tfds_dcase.errors import ArchiveError
from tfds_dcase.index import SplitContent

PROVENANCE = "archives.json"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a dataset comes from.

    Attributes:
        machine_types: Those that were asked for; () for what was there.
        archives: The files that it was built from.
        absent: Archives of the year that were not there.
        notes: Remarks on what was found in them.
        splits: What each split holds.
        options: What else the waveforms depend on, such as the channel of own recordings.
    """

    machine_types: tuple[str, ...]
    archives: tuple[Fingerprint, ...]
    absent: tuple[str, ...]
    notes: tuple[str, ...]
    splits: Mapping[str, SplitContent]
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Writes `archives.json` into a dataset's version directory."""
    text = json.dumps(dataclasses.asdict(provenance), indent=1)
    (folder / PROVENANCE).write_text(text + "\n", encoding="utf-8")


def read_provenance(folder: epath.Path | Path) -> Provenance:
    """Reads `archives.json` of a dataset's version directory.

    Raises:
        ArchiveError: The file is missing or damaged.
    """
    path = folder / PROVENANCE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Provenance(
            tuple(stored["machine_types"]),
            tuple(Fingerprint(**archive) for archive in stored["archives"]),
            tuple(stored["absent"]),
            tuple(stored["notes"]),
            {name: SplitContent(**content) for name, content in stored["splits"].items()},
            # Datasets of version 1.1.0 were also written before there were options.
            dict(stored.get("options", {})),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"{path} is missing or damaged ({error}): what the dataset was built from is unknown. "
            "Prepare it again with --rebuild"
        ) from error
