"""Own recordings in a folder as the source of a dataset."""

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tfds_dcase.archives import Fingerprint
from tfds_dcase.clips import Clip, Scan
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.folder_files import Listing, OwnFile, list_folder
from tfds_dcase.folder_names import is_understood, told_by_names
from tfds_dcase.folder_table import list_table, table_state
from tfds_dcase.layouts import SAMPLE_RATE, nearest
from tfds_dcase.provenance import Provenance
from tfds_dcase.reading import Heard, Read, Unreadable
from tfds_dcase.recordings import (
    CHANNELS,
    SUFFIXES,
    Header,
    can_resample,
    decode,
    kept_channels,
    read_header,
)
from tfds_dcase.records import in_parallel
from tfds_dcase.waveforms import WaveformError

FOLDER = "folder"


@dataclasses.dataclass(frozen=True)
class OwnRecording(Clip):
    """A recording below the folder, whose base name may recur in other folders."""

    @property
    def file_name(self) -> str:
        """The path below the folder."""
        return self.member

    @property
    def where(self) -> str:
        """The place for messages."""
        return self.member


@dataclasses.dataclass(frozen=True)
class OwnRecordings:
    """A folder of recordings, a folder a machine type, or what a table lists of them.

    Attributes:
        folder: The folder.
        machine_types: Take only these and require each of them; () takes what is there.
        table: CSV file that lists the recordings, in place of their names.
        channel: One of `recordings.CHANNELS`.
    """

    folder: Path
    machine_types: tuple[str, ...] = ()
    table: Path | None = None
    channel: str = "mean"

    @property
    def config(self) -> str:
        """The builder config."""
        return FOLDER

    @property
    def channels(self) -> int:
        """Of the waveforms.

        Raises:
            ArchiveError: See `scan`; only `channel="all"` has to look.
        """
        if self.channel != "all":
            return 1
        return _channels(header for _, header in self._with_headers)

    @property
    def options(self) -> dict[str, str]:
        """What the waveforms depend on beside the files."""
        return {"channel": self.channel, "table": self.table.name if self.table else "none"}

    @property
    def title(self) -> str:
        """The source in the heading of a list of faults."""
        return f"recordings in {self.folder}"

    def check(self) -> None:
        """Raises ArchiveError for a channel that does not exist."""
        if self.channel not in CHANNELS:
            raise ArchiveError(f"channel {self.channel!r}: choose one of {', '.join(CHANNELS)}")

    def scan(self) -> Scan:
        """Reads the table or the names, and every file's header.

        Raises:
            ArchiveError: Lists all faults; or there are no recordings, or soxr is missing.
        """
        clips = [self._clip(file, header) for file, header in self._with_headers]
        notes = (*self._listing.notes, *_notes(clips, self._with_headers))
        return Scan(tuple(clips), notes, self._files())

    @contextlib.contextmanager
    def reading(self, clips: Sequence[Clip]) -> Iterator[Read]:
        """Gives the function that reads any of these clips."""
        yield self._read

    def overview(self) -> list[str]:
        """A table of folders, what their recordings are taken as, and how many; what nothing told is marked.

        Raises:
            ArchiveError: See `scan`.
        """
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        untold: set[str] = set()
        unknown: dict[str, str] = {}
        for file in self._listing.files:
            path = PurePosixPath(file.member)
            folder, placement = str(path.parent), file.placement
            taken = f"{placement.part}, {placement.label}"
            counts[folder, taken + (" (moved: named an anomaly)" if placement.moved else "")] += 1
            if not self.table and not _is_told(path):
                untold.add(folder)
            elif not self.table and taken == "train, normal":
                words = [name for name in path.parts[1:-1] if not is_understood(name)]
                unknown |= {folder: ", ".join(words)} if words else {}
        if not counts:
            return []
        width = max(len(folder) for folder, _ in counts)
        lines = [f"{'folder':{width}}  {'taken as':34}  clips"]
        for (folder, taken), count in sorted(counts.items()):
            mark = "  <- no name told it" if folder in untold else ""
            if folder in unknown and taken == "train, normal":
                mark = f"  <- not understood: {unknown[folder]}"
            lines.append(f"{folder:{width}}  {taken:34}  {count:5}{mark}")
        if untold:
            lines.append(
                "No word of these folders is known: their recordings are learnt as normal sounds. If they are not, "
                "name the folders train, test/normal and test/anomaly, or list the files: --table=FILE"
            )
        if unknown:
            lines.append(
                "What is not understood is taken for a place or a condition, and its recordings are learnt as normal "
                "sounds. If it names a fault, put them into a folder test/anomaly, or list the files: --table=FILE"
            )
        return lines

    def differences(self, built: Provenance) -> list[str]:
        """How the folder differs from what a dataset was built from.

        A folder that is gone is no difference: a finished dataset does not need it any more.

        Raises:
            ArchiveError: Lists what is wrong with new names, or with the table.
        """
        changes = [
            f"its {name} is {built.options.get(name)}, not {value}"
            for name, value in self.options.items()
            if built.options.get(name) != value
        ]
        if self.folder.is_dir() and self._listing.files:
            changes += _changed_files(self._files(), built.archives)
        return changes

    def _files(self) -> tuple[Fingerprint, ...]:
        states = tuple(file.state for file in self._listing.files)
        return (*states, table_state(self.table)) if self.table else states

    @functools.cached_property
    def _listing(self) -> Listing:
        faults = Faults()
        listing = self._list(self.machine_types, faults)
        faults.raise_if_any(self.title)
        return listing

    def _list(self, machine_types: Sequence[str], faults: Faults) -> Listing:
        if self.table:
            return list_table(self.table, self.folder, machine_types, faults)
        return list_folder(self.folder, machine_types, faults)

    @functools.cached_property
    def _with_headers(self) -> list[tuple[OwnFile, Header]]:
        if not self.folder.is_dir():
            raise ArchiveError(f"{self.folder} does not exist. Name the folder of your recordings")
        files = self._listing.files
        self._require(files)
        faults = Faults()
        found: list[tuple[OwnFile, Header]] = []
        for file, header in zip(files, in_parallel(self._header, files), strict=True):
            if isinstance(header, Unreadable):
                faults.add(file.member, header.what, header.cure)
            else:
                found.append((file, header))
        if self.channel == "all":
            _require_channels(found, faults)
        faults.raise_if_any(self.title)
        _require_resampler(found)
        return found

    def _require(self, files: Sequence[OwnFile]) -> None:
        there = tuple(sorted({file.machine_type for file in files}))
        for name in self.machine_types:
            if name not in there:
                # What is wrong with the others does not matter for a hint.
                everything = self._list((), Faults()).files
                choices = tuple(sorted({file.machine_type for file in everything}))
                raise ArchiveError(
                    f"{self.title}: no machine type {name!r}: {nearest(name, choices)}"
                )
        if not files:
            raise ArchiveError(
                "\n".join(
                    [
                        f"{self.table or self.folder} holds no recordings "
                        f"({', '.join(SUFFIXES)}). Put them into a folder for each machine type: "
                        f"{self.folder}/fan/train/..., {self.folder}/fan/test/...",
                        *self._listing.notes,
                    ]
                )
            )

    def _header(self, file: OwnFile) -> Header | Unreadable:
        try:
            return read_header(file.path, self.channel)
        except WaveformError as error:
            return Unreadable(str(error), error.cure)

    def _clip(self, file: OwnFile, header: Header) -> OwnRecording:
        kept = kept_channels(header.channels, self.channel)
        return OwnRecording(
            archive=file.base,
            member=file.member,
            # A length that the header keeps back is guessed: FLAC halves a recording.
            size=2 * kept * header.samples or 2 * file.state.size,
            clip_id=f"{FOLDER}/dev/{file.member}",
            split=f"dev_{file.placement.part}_{file.machine_type}",
            machine_type=file.machine_type,
            section=file.placement.section,
            domain=file.placement.domain,
            label=file.placement.label,
            attributes=file.placement.attributes,
        )

    def _read(self, clip: Clip) -> Heard | Unreadable:
        try:
            decoded = decode(clip.archive / clip.member, self.channel)
        except WaveformError as error:
            return Unreadable(str(error), error.cure)
        return Heard(decoded.waveform, decoded.clipped)


def _is_told(path: PurePosixPath) -> bool:
    """Whether any name below the machine type's folder tells a part or a label."""
    told = told_by_names(path.relative_to(path.parts[0]))
    return bool(told.keys() & {"part", "label"})


def _channels(headers: Iterable[Header]) -> int:
    """The usual number of channels."""
    return collections.Counter(header.channels for header in headers).most_common(1)[0][0]


def _require_channels(found: Sequence[tuple[OwnFile, Header]], faults: Faults) -> None:
    usual = _channels(header for _, header in found) if found else 0
    for file, header in found:
        if header.channels != usual:
            what = f"has {header.channels} channels, most recordings have {usual}"
            faults.add(file.member, what, "Remove it, or choose channel=mean or first")


def _require_resampler(found: Sequence[tuple[OwnFile, Header]]) -> None:
    others = [file for file, header in found if header.rate != SAMPLE_RATE]
    if others and not can_resample():
        raise ArchiveError(
            f"{len(others)} recordings have another sample rate than 16 kHz, first "
            f"{others[0].member}; soxr, which resamples them, is not installed. Run: pip install soxr"
        )


def _notes(clips: Sequence[Clip], found: Sequence[tuple[OwnFile, Header]]) -> Iterator[str]:
    moved = sum(file.placement.moved for file, _ in found)
    if moved:
        yield f"{moved} anomalies lay outside the test part and were put into it"
    mended = [file.member for file, header in found if header.remark]
    if mended:
        yield (
            f"{len(mended)} recordings have a header that was never finished, and are read to the end that is there, "
            f"such as {mended[0]}"
        )
    rates = collections.Counter(header.rate for _, header in found)
    if rates.pop(SAMPLE_RATE, 0) < len(found):
        listed = ", ".join(f"{count} from {rate} Hz" for rate, count in sorted(rates.items()))
        yield f"{rates.total()} recordings were resampled to 16 kHz: {listed}"
    trained = {clip.machine_type for clip in clips if clip.split.startswith("dev_train_")}
    if untrained := sorted({clip.machine_type for clip in clips} - trained):
        yield f"there is nothing to train on for {', '.join(untrained)}: no recording is train"


def _changed_files(now: Sequence[Fingerprint], built: Sequence[Fingerprint]) -> Iterator[str]:
    here: Mapping[str, Fingerprint] = {file.name: file for file in now}
    then: Mapping[str, Fingerprint] = {file.name: file for file in built}
    changed = [name for name in here if name in then and here[name] != then[name]]
    for names, state in (
        ([name for name in here if name not in then], "new"),
        (changed, "changed"),
        ([name for name in then if name not in here], "gone"),
    ):
        if names:
            first = f"{names[0]}{', ...' if len(names) > 1 else ''}"
            yield f"{len(names)} file{'s are' if len(names) > 1 else ' is'} {state} ({first})"
