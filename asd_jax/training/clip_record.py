"""Which clips a model learns from: kept beside it, so that other clips are noticed."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tfds_dcase import ClipInfo

from asd_jax.data.classes import ClassMap
from asd_jax.training.differences import listed

RECORD_FILE = "training_clips.csv"
_NAMES = 3


class RecordedClip(NamedTuple):
    """What a training depends on of a clip.

    Attributes:
        content_hash: of its waveform.
        class_id: its number in the model's class map; -1 for a clip of which only the rest is known.
    """

    clip_id: str
    split: str
    machine_type: str
    section: str
    domain: str
    attributes: str
    content_hash: str
    class_id: int

    @classmethod
    def of(cls, clip: ClipInfo, class_id: int = -1) -> "RecordedClip":
        """What is kept of a prepared clip."""
        texts: dict[str, str] = {field: getattr(clip, field) for field in cls._fields[:-1]}
        return cls(**texts, class_id=class_id)


@dataclasses.dataclass(frozen=True)
class ClipChanges:
    """How clips differ from those of a record.

    Attributes:
        added: ids of clips that the record does not have.
        removed: ids of the record's clips that are not there.
        changed: ids of clips whose sound, section, domain or attributes are others.
        places: machine types and sections, `fan id_00`, of which the record has no clip.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    places: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = [
            f"{len(ids):,} {verb} ({listed(ids, _NAMES)})"
            for verb, ids in (
                ("added", self.added),
                ("removed", self.removed),
                ("changed", self.changed),
            )
            if ids
        ]
        if self.places:
            parts.append(f"new machines or sections: {listed(self.places, _NAMES)}")
        return "; ".join(parts)


def clip_changes(recorded: Sequence[RecordedClip], clips: Iterable[ClipInfo]) -> ClipChanges:
    """How clips differ from those of a record, wherever they lie and in whatever order."""
    before = {clip.clip_id: clip._replace(class_id=-1) for clip in recorded}
    now = {clip.clip_id: RecordedClip.of(clip) for clip in clips}
    known = {(clip.machine_type, clip.section) for clip in recorded}
    places = {(clip.machine_type, clip.section) for clip in now.values()} - known
    return ClipChanges(
        tuple(sorted(now.keys() - before.keys())),
        tuple(sorted(before.keys() - now.keys())),
        tuple(name for name in sorted(now.keys() & before.keys()) if now[name] != before[name]),
        tuple(" ".join(place) for place in sorted(places)),
    )


def in_recorded_order(
    recorded: Sequence[RecordedClip], clips: Iterable[ClipInfo]
) -> list[ClipInfo]:
    """The recorded ones among some clips, in the record's order: batches are drawn by a clip's place."""
    by_id = {clip.clip_id: clip for clip in clips}
    return [by_id[clip.clip_id] for clip in recorded if clip.clip_id in by_id]


def write_record(directory: Path, clips: Iterable[ClipInfo], class_map: ClassMap) -> None:
    """Writes the record of a model's folder, as a whole or not at all; one that is there already stays."""
    path = directory / RECORD_FILE
    if path.is_file():
        return
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(RecordedClip._fields)
        table.writerows(RecordedClip.of(clip, class_map.class_id(clip)) for clip in clips)
    unfinished.replace(path)


def read_record(directory: Path) -> list[RecordedClip] | None:
    """The record of a model's folder; None of a model that was trained before there were records.

    Raises:
        ValueError: it is damaged.
    """
    path = directory / RECORD_FILE
    if not path.is_file():
        return None
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, str(error)) from error
    if not rows or tuple(rows[0]) != RecordedClip._fields:
        raise _damaged(path, f"its first line is not {','.join(RecordedClip._fields)}")
    return [_recorded(path, number, row) for number, row in enumerate(rows[1:], 2)]


def _recorded(path: Path, number: int, row: Sequence[str]) -> RecordedClip:
    if len(row) != len(RecordedClip._fields) or not all(row[:2]) or len(row[-2]) != 64:
        raise _damaged(path, f"line {number} is no clip")
    if not (row[-1].isascii() and row[-1].isdigit()):
        raise _damaged(path, f"line {number} has no number of a class")
    texts = dict(zip(RecordedClip._fields[:-1], row[:-1], strict=True))
    return RecordedClip(**texts, class_id=int(row[-1]))


def _damaged(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path}, the list of the clips that the model learnt from, is damaged ({reason}): put it back from a copy, "
        "or delete this file; the model is then taken as trained on the clips that are prepared now"
    )
