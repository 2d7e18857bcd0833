"""Verifies a prepared dataset: is it still what was built, and is anything odd about its audio?"""

import collections
import csv
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import tensorflow_datasets as tfds
from etils import epath
from google.protobuf.json_format import ParseError
from tfds_dcase_command.invocation import command

from tfds_dcase import odd_audio
from tfds_dcase.errors import ArchiveError
from tfds_dcase.examination import Damaged, Examined, examine
from tfds_dcase.features_file import opened
from tfds_dcase.findings import Finding, listed
from tfds_dcase.index import INDEX, ClipInfo, SplitContent, content_of, read_index, row_differences
from tfds_dcase.preparation import dataset_folder, is_there
from tfds_dcase.progress import Progress, reporting
from tfds_dcase.provenance import PROVENANCE, read_provenance

UNREADABLE = "unreadable records"
CHANGED = "changed waveforms"
CONTENT = "other clips than were built"
INDEX_DIFFERS = f"{INDEX} is not what the records say"
FILES = "damaged files"
ADVICE = dict.fromkeys(
    (UNREADABLE, CHANGED, CONTENT, INDEX_DIFFERS, FILES),
    "Prepare the dataset again with --rebuild; on another disk if it recurs.",
)
_COLUMNS = ("split", "clips", "hours", "shortest", "longest", "content")


@dataclasses.dataclass(frozen=True)
class SplitReport:
    """What was read of a split.

    Attributes:
        name: `dev_train_fan`.
        clips: Records that could be read.
        seconds: Their length in all.
        shortest: Seconds of the shortest clip; 0 of none.
        longest: Seconds of the longest clip; 0 of none.
        content: `as built`, `differs`, or `unknown` where nothing tells what was built.
    """

    name: str
    clips: int
    seconds: float
    shortest: float
    longest: float
    content: str


@dataclasses.dataclass(frozen=True)
class Verification:
    """What a dataset holds and what was found in it; `str()` gives a report.

    Attributes:
        folder: The dataset's version directory.
        splits: What was read, by split.
        faults: Where the dataset is not what was built: it must be built again.
        remarks: Where the audio is odd, though it may be as it was published.
    """

    folder: epath.Path
    splits: tuple[SplitReport, ...]
    faults: tuple[Finding, ...]
    remarks: tuple[Finding, ...]

    @property
    def table(self) -> str:
        """Clips, hours and lengths by split."""
        rows = [
            (
                split.name,
                str(split.clips),
                f"{split.seconds / 3600:.2f}",
                f"{split.shortest:.2f} s",
                f"{split.longest:.2f} s",
                split.content,
            )
            for split in self.splits
        ]
        return _aligned([_COLUMNS, *rows])

    def __str__(self) -> str:
        lines = [str(self.folder), "", self.table, ""]
        for name, findings, advice in (
            ("fault", self.faults, ADVICE),
            ("remark", self.remarks, odd_audio.ADVICE),
        ):
            lines.append(f"{len(findings) or 'no'} {name}{'s' * (len(findings) != 1)}")
            lines += [f"  {line}" for line in listed(findings, advice)]
        return "\n".join(lines)


def verify(
    dataset: str | int, data_dir: epath.PathLike = "datasets", progress: Progress = False
) -> Verification:
    """Reads every record of a prepared dataset once and compares it with what was built.

    Records are compared with the content hash that they state, with `clips.csv` and, split by
    split, with `archives.json`. Waveforms are not kept: memory grows by about 1 kB a clip.

    Args:
        dataset: The year, `dcase2020` or `2020`.
        data_dir: Where prepared datasets lie, on a disk or in shared storage (`gs://...`).
        progress: True for a bar, or a function (see `progress.Progress`).

    Returns:
        What was read, with all faults and remarks: a damaged record or shard does not hide others.

    Raises:
        ArchiveError: The dataset is not prepared, or TFDS cannot open it.
    """
    folder = dataset_folder(dataset, data_dir)
    builder = _opened(dataset, folder)
    seen = _Seen()
    known = _Known(_built(folder, seen), _rows(folder, seen))
    seen.faults += _split_faults(builder, known)
    total = sum(split.num_examples for split in builder.info.splits.values())
    with reporting(progress, "verifying", total) as on_clip:
        for split in sorted(builder.info.splits):
            _verify_split(builder, split, known, seen, on_clip)
    audible = [clip for clip in seen.clips if clip.content_hash not in seen.constant]
    seen.remarks += odd_audio.remarks_on_lengths(seen.clips)
    # All silent clips of one length are the same: that they are silent has been said.
    seen.remarks += odd_audio.remarks_on_duplicates(audible)
    return Verification(folder, tuple(seen.splits), tuple(seen.faults), tuple(seen.remarks))


@dataclasses.dataclass(frozen=True)
class _Known:
    """What was built; None where nothing tells.

    Attributes:
        built: Content by split, of `archives.json`.
        rows: Rows of `clips.csv` by split and position.
    """

    built: Mapping[str, SplitContent] | None
    rows: Mapping[str, Mapping[int, ClipInfo]] | None

    def row(self, split: str, position: int) -> ClipInfo | None:
        return (self.rows or {}).get(split, {}).get(position)


@dataclasses.dataclass
class _Seen:
    splits: list[SplitReport] = dataclasses.field(default_factory=list)
    clips: list[ClipInfo] = dataclasses.field(default_factory=list)
    constant: set[str] = dataclasses.field(default_factory=set)
    faults: list[Finding] = dataclasses.field(default_factory=list)
    remarks: list[Finding] = dataclasses.field(default_factory=list)


def _opened(dataset: str | int, folder: epath.Path) -> tfds.core.DatasetBuilder:
    again = f"{command('prepare', 'tfds-dcase')} --dataset={dataset}"
    if not is_there(folder):
        raise ArchiveError(f"{folder} is not there: nothing to verify. Prepare it with {again}")
    try:
        return opened(folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ParseError) as error:
        raise ArchiveError(
            f"{folder} cannot be opened: dataset_info.json or features.json is missing or damaged "
            f"({error}). Prepare it again with {again} --rebuild"
        ) from error


def _built(folder: epath.Path, seen: _Seen) -> Mapping[str, SplitContent] | None:
    try:
        return read_provenance(folder).splits
    except ArchiveError:
        what = "is missing or damaged: what each split was built to hold is unknown"
        seen.faults.append(Finding(FILES, PROVENANCE, what))
        return None


def _rows(folder: epath.Path, seen: _Seen) -> Mapping[str, Mapping[int, ClipInfo]] | None:
    try:
        listed_clips = read_index(folder)
    except (ArchiveError, ValueError, LookupError, TypeError, csv.Error) as error:
        seen.faults.append(Finding(FILES, INDEX, f"is missing or damaged ({error})"))
        return None
    rows: dict[str, dict[int, ClipInfo]] = collections.defaultdict(dict)
    for clip in listed_clips:
        if clip.position in rows[clip.split]:
            what = f"lists record {clip.position} of {clip.split} twice"
            seen.faults.append(Finding(INDEX_DIFFERS, INDEX, what))
        rows[clip.split][clip.position] = clip
    return rows


def _split_faults(builder: tfds.core.DatasetBuilder, known: _Known) -> Iterator[Finding]:
    """Splits and rows of the index to which no record belongs."""
    there = {name: split.num_examples for name, split in builder.info.splits.items()}
    if known.built is not None:
        for split in sorted(there.keys() ^ known.built.keys()):
            what = "was not built" if split in there else "was built, but is gone"
            yield Finding(CONTENT, split, what)
    for split, rows in (known.rows or {}).items():
        for position in sorted(rows):
            if position >= there.get(split, 0):
                yield Finding(INDEX_DIFFERS, odd_audio.place(rows[position]), "has no record")


def _verify_split(
    builder: tfds.core.DatasetBuilder,
    split: str,
    known: _Known,
    seen: _Seen,
    on_clip: Callable[[int], None],
) -> None:
    readable: list[ClipInfo] = []
    for found in examine(builder, split):
        if isinstance(found, Damaged):
            seen.faults.append(_unreadable(found, split, known))
            for _ in range(found.count):
                on_clip(0)
            continue
        row = known.row(split, found.clip.position)
        seen.faults += _clip_faults(found, row, known.rows is not None)
        seen.remarks += odd_audio.remarks_on_clip(found)
        if odd_audio.is_constant(found):
            seen.constant.add(found.clip.content_hash)
        # The row says the same and is in memory already.
        readable.append(row if row == found.clip else found.clip)
        on_clip(2 * found.clip.samples * len(found.levels))
    expected = (known.built or {}).get(split)
    difference = _difference(readable, expected, builder.info.splits[split].num_examples)
    if difference:
        seen.faults.append(Finding(CONTENT, split, difference))
    state = "differs" if difference else "as built" if expected else "unknown"
    lengths = [odd_audio.seconds_of(clip) for clip in readable] or [0.0]
    report = SplitReport(split, len(readable), sum(lengths), min(lengths), max(lengths), state)
    seen.splits.append(report)
    seen.clips += readable


def _unreadable(damaged: Damaged, split: str, known: _Known) -> Finding:
    first, last = damaged.position, damaged.position + damaged.count - 1
    where = f"records {first} to {last} of {split}"
    if damaged.count == 1:
        row = known.row(split, first)
        where = odd_audio.place(row) if row else f"record {first} of {split}"
    return Finding(UNREADABLE, f"{where}, {damaged.shard}", damaged.what)


def _clip_faults(found: Examined, row: ClipInfo | None, has_index: bool) -> Iterator[Finding]:
    clip = found.clip
    if found.stored_hash != clip.content_hash:
        what = f"its samples hash to {clip.content_hash}, it states {found.stored_hash}"
        yield Finding(CHANGED, odd_audio.place(clip), what)
    if row is None and has_index:
        yield Finding(INDEX_DIFFERS, odd_audio.place(clip), "is not listed")
    if row is not None and row != clip:
        what = row_differences(clip, row)
        yield Finding(INDEX_DIFFERS, odd_audio.place(clip), what)


def _difference(clips: Sequence[ClipInfo], expected: SplitContent | None, records: int) -> str:
    """How a split differs from what was built; empty where it does not, or where that is unknown."""
    if expected is None:
        return ""
    if len(clips) < records:
        return f"{expected.clips} clips were built, {len(clips)} of {records} can be read"
    if len(clips) != expected.clips:
        return f"{expected.clips} clips were built, {len(clips)} are there"
    same = content_of({clip.clip_id: clip.content_hash for clip in clips}) == expected
    return "" if same else "clip ids or samples are not those that were built"


def _aligned(rows: Iterable[Sequence[str]]) -> str:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < place < len(row) - 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
