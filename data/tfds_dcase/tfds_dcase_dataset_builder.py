"""The TFDS builder of the DCASE Challenge Task 2 data and of own recordings."""

import collections
import dataclasses
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_dcase.clips import Clip
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.folder import FOLDER
from tfds_dcase.index import content_of, write_index
from tfds_dcase.layouts import DOMAINS, LABELS, LAYOUTS, SAMPLE_RATE
from tfds_dcase.progress import Progress, reporting
from tfds_dcase.provenance import Provenance, write_provenance
from tfds_dcase.reading import Heard, Unreadable
from tfds_dcase.records import WaveformWriter, in_parallel
from tfds_dcase.sources import Source, source_of
from tfds_dcase.waveforms import content_hash

# A shard is held in memory while it is written.
_SHARD_BYTES = 128 << 20
# Long recordings that are decoded ahead of the one that is written.
_AHEAD_BYTES = 256 << 20


class Builder(tfds.core.ShardBasedBuilder):
    """Reads zip archives as they are, or own recordings, into shards of int16 waveforms.

    Splits are named `{dev|eval}_{train|test}_{machine_type}`. Shard by shard, because the usual
    shuffling writer of TFDS spills splits above 1 GB through TensorFlow.

    Args:
        machine_types: Build only these and require each; () builds what is there.
        source: Where the clips come from, in place of `manual_dir` and `machine_types`.
        progress: Shows or reports how far the build is.
        **kwargs: As for every TFDS builder: `config`, `data_dir`, `file_format`.
    """

    # Of the format of records. Each year has a version of its own: another truth of one year leaves the others alone.
    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: Mapping[str, str] = {
        "1.1.0": "2026 with two channels; content hashes; records without compression.",
        "1.0.0": "2020 to 2025.",
    }
    BUILDER_CONFIGS: Sequence[tfds.core.BuilderConfig] = [
        tfds.core.BuilderConfig(
            name=config,
            version=tfds.core.Version(layout.version),
            description=f"The year's task: {layout.task}",
        )
        for config, layout in LAYOUTS.items()
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download the year's zip archives from https://zenodo.org and put them, as they are, into "
        "`manual_dir/<config>/` or `manual_dir/`. Names and addresses are in the README of "
        "tfds_dcase; an empty manual_dir makes the builder list them."
    )

    def __init__(
        self,
        *,
        machine_types: Sequence[str] = (),
        source: Source | None = None,
        progress: Progress = False,
        file_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        # The parent asks for the features, which depend on them.
        self._source = source
        self._machine_types = tuple(machine_types)
        super().__init__(file_format=file_format, **kwargs)
        self._original_state |= {
            "machine_types": machine_types,
            "source": source,
            "file_format": file_format,
        }
        self._progress = progress
        if file_format is None and not self.is_prepared():
            # The format that TFDS would take by default needs TensorFlow.
            self.info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD, override=True)

    def _source_of(self, dl_manager: tfds.download.DownloadManager | None) -> Source:
        """Where the clips come from: the archives in the folder that TFDS names; None asks for none yet."""
        folder = Path(dl_manager.manual_dir) if dl_manager else Path()
        return source_of(self.builder_config.name, folder, self._machine_types)

    def _info(self) -> tfds.core.DatasetInfo:
        channels = (self._source or self._source_of(None)).channels
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "waveform": tfds.features.Tensor(
                        shape=(None,) if channels == 1 else (None, channels),
                        dtype=np.int16,
                        encoding=tfds.features.Encoding.BYTES,
                    ),
                    "clip_id": tfds.features.Text(),
                    "file_name": tfds.features.Text(),
                    "machine_type": tfds.features.Text(),
                    "section": tfds.features.Text(),
                    "attributes": tfds.features.Text(),
                    "domain": tfds.features.ClassLabel(names=DOMAINS),
                    "label": tfds.features.ClassLabel(names=LABELS),
                    "sample_rate": tfds.features.Scalar(np.int32),
                    "content_hash": tfds.features.Text(),
                }
            ),
            supervised_keys=("waveform", "label"),
            homepage="https://dcase.community",
            license="As each Zenodo record states; see the README of tfds_dcase.",
            disable_shuffling=True,
        )

    def _log_download_bytes(self) -> None:
        """Keeps quiet: nothing is downloaded, and `reporting` shows the progress."""

    def _log_download_done(self) -> None:
        """Keeps quiet: the folder that TFDS would name is moved afterwards by `prepare`."""

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        source = self._source or self._source_of(dl_manager)
        scan = source.scan()
        _require_space(scan.clips, Path(self.data_dir))
        self._reading = source.reading
        self._faults = Faults()
        self._clipped: dict[str, int] = {}
        self._splits = _splits(scan.clips)
        self._content_hashes: dict[str, dict[str, str]] = {split: {} for split in self._splits}
        with reporting(self._progress, "reading", len(scan.clips)) as self._on_clip:
            super()._download_and_prepare(dl_manager, download_config)
        self._faults.raise_if_any(source.title)
        expected = {split: content_of(hashes) for split, hashes in self._content_hashes.items()}
        with reporting(self._progress, "checking", len(scan.clips)) as on_clip:
            write_index(self, Path(self.data_dir), expected, on_clip)
        write_provenance(
            Path(self.data_dir),
            Provenance(
                source.machine_types,
                scan.files,
                scan.absent,
                (*scan.notes, *_clipping(self._clipped)),
                expected,
                source.options,
            ),
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, list[Callable[[], Iterator[tuple[str, dict[str, Any]]]]]]:
        return {
            split: [functools.partial(self._examples, shard) for shard in _shards(clips)]
            for split, clips in self._splits.items()
        }

    def _example_writer(self) -> tfds.core.ExampleWriter:
        return WaveformWriter(self.info.file_format)

    def _examples(self, clips: Sequence[Clip]) -> Iterator[tuple[str, dict[str, Any]]]:
        with self._reading(clips) as read:

            def hear(clip: Clip) -> tuple[Heard | Unreadable, str]:
                heard = read(clip)
                return heard, "" if isinstance(heard, Unreadable) else content_hash(heard.waveform)

            heard_clips = in_parallel(hear, clips, _ahead(clips))
            for clip, (heard, content) in zip(clips, heard_clips, strict=True):
                if isinstance(heard, Unreadable):
                    # The build goes on only to find the other faults: its output is thrown away.
                    self._faults.add(clip.where, heard.what, heard.cure)
                else:
                    yield clip.clip_id, self._example(clip, heard, content)
                self._on_clip(clip.size)

    def _example(self, clip: Clip, heard: Heard, content: str) -> dict[str, Any]:
        self._content_hashes[clip.split][clip.clip_id] = content
        if heard.clipped:
            self._clipped[clip.where] = heard.clipped
        return {
            "waveform": heard.waveform,
            "clip_id": clip.clip_id,
            "file_name": clip.file_name,
            "machine_type": clip.machine_type,
            "section": clip.section,
            "attributes": clip.attributes,
            "domain": clip.domain,
            "label": clip.label,
            "sample_rate": SAMPLE_RATE,
            "content_hash": content,
        }


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
    """Which recordings of your own, and how they are read.

    Attributes:
        recordings: The folder that holds a folder for each machine type.
        table: CSV file that lists them, in place of the names of folders; empty for none.
        channel: The `mean` of a file's channels, `first`, `second` or `all`.
    """

    recordings: str = "."
    table: str = ""
    channel: str = "mean"


class DcaseFolder(Builder):
    """Reads recordings of your own into the same records as those of a year.

    `DcaseFolder(config=FolderConfig(name="folder", version="1.0.0", recordings="my_machines"), data_dir="datasets")`

    Args:
        machine_types: Build only these and require each; () builds what is there.
        source: Where the clips come from, in place of what the config names.
        progress: Shows or reports how far the build is.
        **kwargs: As for every TFDS builder: `config`, `data_dir`, `file_format`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: Mapping[str, str] = {"1.0.0": "As tfds_dcase/folder 1.1.0 was."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Nothing is downloaded: the config names the folder."

    def _source_of(self, dl_manager: tfds.download.DownloadManager | None) -> Source:
        """The folder that the config names."""
        config = self.builder_config
        if not isinstance(config, FolderConfig):
            raise ArchiveError(
                'which recordings? Give config=FolderConfig(name="folder", version="1.0.0", recordings=...)'
            )
        table = Path(config.table).expanduser() if config.table else None
        recordings = Path(config.recordings).expanduser()
        return source_of(FOLDER, recordings, self._machine_types, table, config.channel)


def _splits(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    """Clips by split, in an order that makes every sub-split a fair sample."""
    splits = collections.defaultdict(list)
    for clip in sorted(clips, key=lambda clip: hashlib.md5(clip.clip_id.encode()).digest()):
        splits[clip.split].append(clip)
    return dict(sorted(splits.items()))


def _shards(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    count = sum(clip.size for clip in clips) // _SHARD_BYTES + 1
    return [clips[shard::count] for shard in range(min(count, len(clips)))]


def _ahead(clips: Sequence[Clip]) -> int:
    """How many clips may be read before they are written."""
    largest = max(1, *(clip.size for clip in clips))
    return min(_AHEAD_BYTES // largest, 32 * (os.cpu_count() or 1))


def _clipping(clipped: Mapping[str, int]) -> Iterator[str]:
    """The remark on samples that did not fit into 16 bits, where there are some."""
    if clipped:
        worst = max(clipped, key=clipped.__getitem__)
        yield (
            f"{sum(clipped.values())} samples of {len(clipped)} recordings lay beyond full scale and "
            f"were clipped, most of them ({clipped[worst]}) in {worst}"
        )


def _require_space(clips: Sequence[Clip], folder: Path) -> None:
    needed = sum(clip.size for clip in clips)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArchiveError(
            f"{folder} has {free >> 20} MB free, the dataset needs {needed >> 20} MB. Make room or "
            "choose another data_dir"
        )
