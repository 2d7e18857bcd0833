"""What the names of folders and files tell of an own recording."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from tfds_dcase.layouts import LAYOUTS

PARTS = ("train", "test")
SECTION = re.compile(r"(?:section|id)_\d+")

_FOLDERS = (
    re.compile(r"(?:(?P<domain>source|target)_)?(?P<part>train|test)"),
    re.compile(r"(?P<domain>source|target)"),
    re.compile(f"(?P<section>{SECTION.pattern})"),
)
# A wrong guess at an anomaly costs a test clip, a missed one spoils the training: hence any ending.
_ANOMALY = re.compile(r"anomal|abnormal")
_NORMAL = re.compile(r"normal(?![a-z])")
_LABEL_WORDS = ("normal", "anomaly", "anomalous", "abnormal")
_CLIPS = tuple(
    re.compile(pattern)
    for pattern in dict.fromkeys(
        pattern for layout in LAYOUTS.values() for pattern in (layout.labelled, layout.hidden)
    )
)
_MACHINE_TYPE = re.compile(r"[\w-]+")
# The name of a split becomes that of its files, which may have 255 bytes.
_LONGEST_MACHINE_TYPE = 150


class Contradiction(ValueError):
    """Two names of one path tell different things."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a recording belongs and what it is.

    Attributes:
        part: `train` or `test`.
        section: `section_00` or `id_00`.
        domain: `source`, `target` or `unknown`.
        label: `normal`, `anomaly` or `unknown`.
        attributes: Operating conditions; empty for none.
        moved: Whether it is an anomaly that lay outside the test part.
    """

    part: str
    section: str
    domain: str
    label: str
    attributes: str
    moved: bool


def place(told: Mapping[str, str]) -> Placement:
    """Fills up what is told of a recording (`part`, `section`, `domain`, `label`, `attributes`).

    Untold parts are train, sections section_00 and domains source. What is trained on is normal: an
    anomaly goes to the test part, where a label that is not told is unknown.
    """
    is_anomaly = told.get("label") == "anomaly"
    moved = is_anomaly and told.get("part") != "test"
    part = "test" if is_anomaly else told.get("part", "train")
    return Placement(
        part,
        told.get("section", "section_00"),
        told.get("domain", "source"),
        "normal" if part == "train" else told.get("label", "unknown"),
        told.get("attributes", ""),
        moved,
    )


def told_by_names(path: PurePosixPath) -> dict[str, str]:
    """What the folders and the name of a recording tell.

    Args:
        path: Its path below the folder of its machine type.

    Raises:
        Contradiction: Two of them tell different things.
    """
    told: dict[str, str] = {}
    for said in (*map(_told_by_folder, path.parts[:-1]), _told_by_clip(path.stem)):
        for key, value in said.items():
            if told.setdefault(key, value) != value:
                raise Contradiction(f"the path says {key} {told[key]} and {value}")
    return told


def machine_type_fault(name: str) -> tuple[str, str] | None:
    """Why a name cannot be a machine type's, and the cure; None where it can."""
    if _MACHINE_TYPE.fullmatch(name) and len(name.encode()) <= _LONGEST_MACHINE_TYPE:
        return None
    what = "cannot name a machine type, which becomes part of the name of a split"
    return what, f"Use letters, digits, _ and - only, at most {_LONGEST_MACHINE_TYPE} bytes"


def is_told_word(name: str) -> bool:
    """Whether a folder's name tells a part, a domain or a label and nothing else."""
    return bool(_told_by_folder(name).keys() & {"part", "domain"}) or name.lower() in _LABEL_WORDS


def _told_by_folder(name: str) -> dict[str, str]:
    for pattern in _FOLDERS:
        if found := pattern.fullmatch(name.lower()):
            return {key: value for key, value in found.groupdict().items() if value}
    return _told_by_beginning(name)


def _told_by_clip(name: str) -> dict[str, str]:
    for pattern in _CLIPS:
        if found := pattern.fullmatch(name):
            told = {key: value for key, value in found.groupdict().items() if value}
            if told.get("attributes") == "noAttribute":
                del told["attributes"]
            return told
    return _told_by_beginning(name)


def _told_by_beginning(name: str) -> dict[str, str]:
    if _ANOMALY.match(name.lower()):
        return {"label": "anomaly"}
    return {"label": "normal"} if _NORMAL.match(name.lower()) else {}
