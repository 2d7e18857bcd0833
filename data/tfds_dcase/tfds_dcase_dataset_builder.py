"""The TFDS builder of the DCASE Challenge Task 2 data."""

import collections
import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from tfds_dcase.archives import find_archives, fingerprints, no_archives
from tfds_dcase.clips import Clip, scan_archives
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.index import content_of, write_index
from tfds_dcase.layouts import DOMAINS, LABELS, LAYOUTS, SAMPLE_RATE
from tfds_dcase.progress import Progress, reporting
from tfds_dcase.provenance import Provenance, write_provenance
from tfds_dcase.reading import ArchiveReader, Unreadable
from tfds_dcase.records import WaveformWriter, in_parallel
from tfds_dcase.waveforms import content_hash

# A shard is held in memory while it is written.
_SHARD_BYTES = 128 << 20


class Builder(tfds.core.ShardBasedBuilder):
    """Reads the published zip archives as they are into shards of int16 waveforms.

    Splits are named `{dev|eval}_{train|test}_{machine_type}`. Shard by shard, because the usual
    shuffling writer of TFDS spills splits above 1 GB through TensorFlow.

    Args:
        machine_types: Build only these and require each; () builds what is there.
        progress: Shows or reports how far the build is.
        **kwargs: As for every TFDS builder: `config`, `data_dir`, `file_format`.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: Mapping[str, str] = {
        "1.1.0": "2026 with two channels; content hashes; records without compression.",
        "1.0.0": "2020 to 2025.",
    }
    BUILDER_CONFIGS: Sequence[tfds.core.BuilderConfig] = [
        tfds.core.BuilderConfig(name=config, description=f"The year's task: {layout.task}")
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
        progress: Progress = False,
        file_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(file_format=file_format, **kwargs)
        self._original_state |= {"machine_types": machine_types, "file_format": file_format}
        self._machine_types = tuple(machine_types)
        self._progress = progress
        if file_format is None and not self.is_prepared():
            # The format that TFDS would take by default needs TensorFlow.
            self.info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD, override=True)

    def _info(self) -> tfds.core.DatasetInfo:
        channels = LAYOUTS[self.builder_config.name].channels
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
        layout = LAYOUTS[self.builder_config.name]
        manual_dir = Path(dl_manager.manual_dir)
        found = find_archives(layout, manual_dir, self._machine_types)
        if found is None:
            raise no_archives(layout, manual_dir)
        scan = scan_archives(layout, found)
        _require_space(scan.clips, Path(self.data_dir))
        self._faults = Faults()
        self._splits = _splits(scan.clips)
        self._content_hashes: dict[str, dict[str, str]] = {split: {} for split in self._splits}
        with reporting(self._progress, "reading", len(scan.clips)) as self._on_clip:
            super()._download_and_prepare(dl_manager, download_config)
        self._faults.raise_if_any(f"clips of {layout.config} in {found.folder}")
        expected = {split: content_of(hashes) for split, hashes in self._content_hashes.items()}
        with reporting(self._progress, "checking", len(scan.clips)) as on_clip:
            write_index(self, Path(self.data_dir), expected, on_clip)
        write_provenance(
            Path(self.data_dir),
            Provenance(
                self._machine_types, fingerprints(found), found.absent, scan.notes, expected
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
        channels = LAYOUTS[self.builder_config.name].channels
        with ArchiveReader(clips[0].archive, channels) as reader:
            for clip, waveform in zip(clips, in_parallel(reader.read, clips), strict=True):
                if isinstance(waveform, Unreadable):
                    # The build goes on only to find the other faults: its output is thrown away.
                    self._faults.add(clip.where, waveform.what, waveform.cure)
                else:
                    yield clip.clip_id, self._example(clip, waveform)
                self._on_clip(clip.size)

    def _example(self, clip: Clip, waveform: npt.NDArray[np.int16]) -> dict[str, Any]:
        found = content_hash(waveform)
        self._content_hashes[clip.split][clip.clip_id] = found
        return {
            "waveform": waveform,
            "clip_id": clip.clip_id,
            "file_name": clip.file_name,
            "machine_type": clip.machine_type,
            "section": clip.section,
            "attributes": clip.attributes,
            "domain": clip.domain,
            "label": clip.label,
            "sample_rate": SAMPLE_RATE,
            "content_hash": found,
        }


def _splits(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    """Clips by split, in an order that makes every sub-split a fair sample."""
    splits = collections.defaultdict(list)
    for clip in sorted(clips, key=lambda clip: hashlib.md5(clip.clip_id.encode()).digest()):
        splits[clip.split].append(clip)
    return dict(sorted(splits.items()))


def _shards(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    count = sum(clip.size for clip in clips) // _SHARD_BYTES + 1
    return [clips[shard::count] for shard in range(min(count, len(clips)))]


def _require_space(clips: Sequence[Clip], folder: Path) -> None:
    needed = sum(clip.size for clip in clips)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArchiveError(
            f"{folder} has {free >> 20} MB free, the dataset needs {needed >> 20} MB. Make room or "
            "choose another data_dir"
        )
