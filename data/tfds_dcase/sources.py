"""Where a dataset's clips come from: the archives of a year, or a folder of own recordings."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tfds_dcase.archives import check_machine_types, differences, find_archives, no_archives
from tfds_dcase.clips import Clip, Scan, scan_archives
from tfds_dcase.errors import ArchiveError
from tfds_dcase.folder import FOLDER, OwnRecordings
from tfds_dcase.layouts import YearLayout, layout_of
from tfds_dcase.provenance import Provenance
from tfds_dcase.reading import ArchiveReader, Read


class Source(Protocol):
    """What the builder asks of the place that clips come from."""

    @property
    def config(self) -> str:
        """The builder config, `dcase2020` or `folder`."""

    @property
    def channels(self) -> int:
        """Of every waveform."""

    @property
    def machine_types(self) -> tuple[str, ...]:
        """Those that were asked for; () for what is there."""

    @property
    def options(self) -> Mapping[str, str]:
        """What the waveforms depend on beside the files."""

    @property
    def title(self) -> str:
        """The source in the heading of a list of faults."""

    def check(self) -> None:
        """Raises ArchiveError for wishes that no files could meet."""

    def scan(self) -> Scan:
        """Finds all clips, without their audio; raises ArchiveError with all faults."""

    def reading(self, clips: Sequence[Clip]) -> AbstractContextManager[Read]:
        """Opens what is needed to read the clips of one shard."""

    def differences(self, built: Provenance) -> list[str]:
        """How the files differ from those that a dataset was built from."""


@dataclasses.dataclass(frozen=True)
class YearArchives:
    """The zip archives of a year.

    Attributes:
        layout: The year.
        folder: Holds them, or a folder `dcase2020` with them.
        machine_types: Take only these and require each of them; () takes what is there.
    """

    layout: YearLayout
    folder: Path
    machine_types: tuple[str, ...] = ()

    @property
    def config(self) -> str:
        """The builder config."""
        return self.layout.config

    @property
    def channels(self) -> int:
        """Of every clip of the year."""
        return self.layout.channels

    @property
    def options(self) -> dict[str, str]:
        """There are none."""
        return {}

    @property
    def title(self) -> str:
        """The source in the heading of a list of faults."""
        return f"clips of {self.config} in {self.folder}"

    def check(self) -> None:
        """Raises ArchiveError when the year has no such machine type."""
        check_machine_types(self.layout, self.machine_types)

    def scan(self) -> Scan:
        """Reads every archive's central directory.

        Raises:
            ArchiveError: There is no archive, or lists all faults.
        """
        found = find_archives(self.layout, self.folder, self.machine_types)
        if found is None:
            raise no_archives(self.layout, self.folder)
        return scan_archives(self.layout, found)

    @contextlib.contextmanager
    def reading(self, clips: Sequence[Clip]) -> Iterator[Read]:
        """Opens the archive of the clips of one shard."""
        with ArchiveReader(clips[0].archive, self.channels) as reader:
            yield reader.read

    def differences(self, built: Provenance) -> list[str]:
        """Archives that are new or have changed; one that is gone is no difference."""
        found = find_archives(self.layout, self.folder)
        if found is None:
            return []
        wanted = self.machine_types or self.layout.machine_types
        chosen = tuple(archive for archive in found.archives if archive.machine_type in wanted)
        return differences(dataclasses.replace(found, archives=chosen), built.archives)


def source_of(
    dataset: str | int,
    archives: Path,
    machine_types: Sequence[str] = (),
    table: Path | None = None,
    channel: str = "mean",
) -> Source:
    """The source of a dataset.

    Raises:
        ArchiveError: There is no such dataset, machine type or channel; or a table or a channel is
            chosen for a year.
    """
    source: Source
    if config_of(dataset) == FOLDER:
        source = OwnRecordings(archives, tuple(machine_types), table, channel)
    elif table or channel != "mean":
        raise ArchiveError(
            f"a table and a channel are chosen for own recordings only: leave them out for "
            f"{config_of(dataset)}, or take dataset {FOLDER}"
        )
    else:
        source = YearArchives(layout_of(dataset), archives, tuple(machine_types))
    source.check()
    return source


def config_of(dataset: str | int) -> str:
    """The builder config of a dataset given as `dcase2020`, `2020`, 2020 or `folder`.

    Raises:
        ArchiveError: for a dataset that does not exist.
    """
    if dataset == FOLDER:
        return FOLDER
    try:
        return layout_of(dataset).config
    except ArchiveError as error:
        raise ArchiveError(f"{error}, or {FOLDER} for recordings of your own") from error
