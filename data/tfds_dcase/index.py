"""`clips.csv`: which clip is which record, written only after every record was read back."""

import collections
import csv
import dataclasses
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from tfds_dcase_command.invocation import command

from tfds_dcase.errors import ArchiveError
from tfds_dcase.layouts import DOMAINS, LABELS
from tfds_dcase.records import in_parallel
from tfds_dcase.waveforms import content_hash

INDEX = "clips.csv"
_AHEAD_BYTES = 64 << 20


def index_cure() -> str:
    """What to do about a damaged index."""
    prepare = command("prepare", "tfds-dcase")
    return f"Remove it and run {prepare}, which writes it again from the records"


@dataclasses.dataclass(frozen=True)
class ClipInfo:
    """All of a record but its waveform.

    Attributes:
        split: `dev_train_fan`.
        position: The record's place in its split, from 0.
        clip_id: `dcase2020/dev/fan/train/normal_id_00_00000000.wav`.
        file_name: Base name of the wav file; of own recordings the path below their folder.
        domain: `source`, `target` or `unknown`.
        label: `normal`, `anomaly` or `unknown`.
        attributes: As the file name spells them; empty for none.
        sample_rate: Hz.
        samples: Length of the waveform.
        content_hash: Of the waveform, see `waveforms.content_hash`.
    """

    split: str
    position: int
    clip_id: str
    file_name: str
    machine_type: str
    section: str
    domain: str
    label: str
    attributes: str
    sample_rate: int
    samples: int
    content_hash: str


@dataclasses.dataclass(frozen=True)
class SplitContent:
    """What a split must hold.

    Attributes:
        clips: How many.
        digest: SHA-256 over the sorted clip ids, each with its content hash.
    """

    clips: int
    digest: str


def content_of(content_hashes: Mapping[str, str]) -> SplitContent:
    """The content of a split with these clips: content hashes by clip id."""
    lines = sorted(f"{clip_id} {content}" for clip_id, content in content_hashes.items())
    return SplitContent(len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest())


def read_index(folder: epath.PathLike) -> list[ClipInfo]:
    """Reads `clips.csv` of a prepared dataset.

    Args:
        folder: The dataset's version directory, `<data_dir>/tfds_dcase/dcase2020/1.1.0`.

    Returns:
        One entry a record, in record order within each split.

    Raises:
        ArchiveError: The dataset is not finished, or its index is damaged.
    """
    path = epath.Path(folder) / INDEX
    if not path.is_file():
        raise ArchiveError(
            f"{path} is not there: the dataset is unfinished. Run {command('prepare', 'tfds-dcase')}"
        )
    try:
        text = path.read_text(encoding="utf-8")
        clips = [_clip_info(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
        if not clips:
            raise ValueError("it lists no clip")
        return clips
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ArchiveError(f"{path} is damaged ({error}). {index_cure()}") from error


def _clip_info(row: Mapping[str, str]) -> ClipInfo:
    columns: dict[str, Any] = dict(row)
    numbers = {key: int(row[key]) for key in ("position", "sample_rate", "samples")}
    if min(numbers.values()) < 0:
        raise ValueError(f"a number below 0 beside {row['clip_id']}")
    if row["label"] not in LABELS or row["domain"] not in DOMAINS:
        raise ValueError(
            f"label {row['label']!r}, domain {row['domain']!r} beside {row['clip_id']}"
        )
    return ClipInfo(**columns | numbers)


def require_index(
    builder: tfds.core.DatasetBuilder,
    folder: epath.Path | Path,
    built: Mapping[str, SplitContent],
) -> None:
    """Checks that the index has one row for each record, and the clips that were built.

    Args:
        builder: Knows how many records there are.
        folder: The dataset's version directory.
        built: What each split was built to hold.

    Raises:
        ArchiveError: It is not there, it is damaged, or it lists other clips.
    """
    rows: dict[str, dict[int, ClipInfo]] = collections.defaultdict(dict)
    clips = read_index(folder)
    for clip in clips:
        rows[clip.split][clip.position] = clip
    places = {split: sorted(listed) for split, listed in rows.items()}
    records = {name: split.num_examples for name, split in builder.info.splits.items()}
    if len(clips) != sum(records.values()) or places != {
        split: list(range(count)) for split, count in records.items() if count
    }:
        raise ArchiveError(f"{folder / INDEX} lists other records than are there. {index_cure()}")
    for split, listed in rows.items():
        found = content_of({clip.clip_id: clip.content_hash for clip in listed.values()})
        if found != built.get(split):
            raise ArchiveError(
                f"{folder / INDEX} lists other clips of {split} than were built. {index_cure()}"
            )


def write_index(
    builder: tfds.core.DatasetBuilder,
    folder: Path,
    expected: Mapping[str, SplitContent],
    on_clip: Callable[[int], None],
) -> None:
    """Reads every record back, compares with what was sent and writes `clips.csv`.

    Args:
        builder: Reads the records.
        folder: Gets the file; it appears there only when it is whole.
        expected: What each split must hold.
        on_clip: Called after each record with its waveform's bytes.

    Raises:
        ArchiveError: Records are missing, double or foreign, or an earlier index says something else than they do.
    """
    clips: list[ClipInfo] = []
    for split, content in expected.items():
        found = list(read_back(builder, split, on_clip))
        hashes = {clip.clip_id: clip.content_hash for clip in found}
        if len(found) != content.clips or content_of(hashes) != content:
            raise ArchiveError(
                f"split {split} in {folder}: {content.clips} clips were sent, {len(found)} came "
                "back or their content differs. The disk or the record format lost data: prepare "
                "the dataset again with --rebuild, on another disk if it recurs"
            )
        clips += found
    if (folder / INDEX).is_file():
        _require_same(read_index(folder), clips, folder)
    unfinished = folder / f".{INDEX}.unfinished"
    _write(unfinished, clips)
    unfinished.replace(folder / INDEX)


def _require_same(listed: Sequence[ClipInfo], clips: Sequence[ClipInfo], folder: Path) -> None:
    by_place = {(clip.split, clip.position): clip for clip in listed}
    for clip in clips:
        row = by_place.get((clip.split, clip.position))
        if row != clip:
            raise ArchiveError(
                f"{folder / INDEX} does not say what the records say: record {clip.position} of {clip.split}, "
                f"{clip.clip_id}: {row_differences(clip, row)}. {index_cure()}"
            )


def row_differences(clip: ClipInfo, row: ClipInfo | None) -> str:
    """How a row of the index differs from what the record says."""
    if row is None:
        return "is not listed"
    said, listed_as = dataclasses.asdict(clip), dataclasses.asdict(row)
    return ", ".join(
        f"{name} is {said[name]!r}, listed as {listed_as[name]!r}"
        for name in said
        if said[name] != listed_as[name]
    )


def read_back(
    builder: tfds.core.DatasetBuilder, split: str, on_clip: Callable[[int], None]
) -> Iterator[ClipInfo]:
    """What the records of a split say, with the content hash of the waveform that is there now."""

    def examine(numbered: tuple[int, Mapping[str, Any]]) -> ClipInfo:
        return clip_info(builder, split, *numbered)

    for clip in in_parallel(examine, enumerate(_records(builder, split)), _ahead(builder, split)):
        on_clip(2 * clip.samples)
        yield clip


def clip_info(
    builder: tfds.core.DatasetBuilder, split: str, position: int, record: Mapping[str, Any]
) -> ClipInfo:
    """What a record says, with the content hash of the waveform that is there now."""
    features, waveform = builder.info.features, record["waveform"]
    return ClipInfo(
        split=split,
        position=position,
        clip_id=record["clip_id"].decode(),
        file_name=record["file_name"].decode(),
        machine_type=record["machine_type"].decode(),
        section=record["section"].decode(),
        domain=features["domain"].int2str(int(record["domain"])),
        label=features["label"].int2str(int(record["label"])),
        attributes=record["attributes"].decode(),
        sample_rate=int(record["sample_rate"]),
        samples=len(waveform),
        content_hash=content_hash(waveform),
    )


def _records(builder: tfds.core.DatasetBuilder, split: str) -> Iterable[Mapping[str, Any]]:
    if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        return tfds.as_numpy(builder.as_dataset(split=split))
    source = builder.as_data_source(split)
    return in_parallel(source.__getitem__, range(len(source)), _ahead(builder, split))


def _ahead(builder: tfds.core.DatasetBuilder, split: str) -> int:
    """How many records may wait in memory: few of recordings that last an hour."""
    stored = builder.info.splits[split]
    size = stored.num_bytes // max(stored.num_examples, 1)
    return min(_AHEAD_BYTES // max(size, 1), 2 * (os.cpu_count() or 1))


def _write(path: Path, clips: Sequence[ClipInfo]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        names = [field.name for field in dataclasses.fields(ClipInfo)]
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(dataclasses.asdict(clip) for clip in clips)
        # A power cut after the renaming must not leave a name with no content behind it.
        file.flush()
        os.fsync(file.fileno())
