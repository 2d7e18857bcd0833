"""The TFDS builder of the DCASE Challenge Task 2 data."""

import collections
import functools
import hashlib
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_dcase.archives import DAMAGE, find_archives, fingerprints, no_archives
from tfds_dcase.clips import Clip, scan_archives
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.index import content_of, write_index
from tfds_dcase.layouts import DOMAINS, LABELS, LAYOUTS, SAMPLE_RATE
from tfds_dcase.progress import Progress, reporting
from tfds_dcase.provenance import Provenance, write_provenance
from tfds_dcase.waveforms import WaveformError, decode_wav

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

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: Mapping[str, str] = {"1.0.0": "2020 to 2025."}
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
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "waveform": tfds.features.Tensor(
                        shape=(None,), dtype=np.int16, encoding=tfds.features.Encoding.BYTES
                    ),
                    "clip_id": tfds.features.Text(),
                    "file_name": tfds.features.Text(),
                    "machine_type": tfds.features.Text(),
                    "section": tfds.features.Text(),
                    "attributes": tfds.features.Text(),
                    "domain": tfds.features.ClassLabel(names=DOMAINS),
                    "label": tfds.features.ClassLabel(names=LABELS),
                    "sample_rate": tfds.features.Scalar(np.int32),
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
        with reporting(self._progress, "reading", len(scan.clips)) as self._on_clip:
            super()._download_and_prepare(dl_manager, download_config)
        self._faults.raise_if_any(f"clips of {layout.config} in {found.folder}")
        expected = {
            split: content_of(clip.clip_id for clip in clips)
            for split, clips in self._splits.items()
        }
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

    def _examples(self, clips: Sequence[Clip]) -> Iterator[tuple[str, dict[str, Any]]]:
        with zipfile.ZipFile(clips[0].archive) as archive:
            for clip in clips:
                yield clip.clip_id, self._example(archive, clip)
                self._on_clip(clip.size)

    def _example(self, archive: zipfile.ZipFile, clip: Clip) -> dict[str, Any]:
        # After a fault the build goes on only to find the others: its output is thrown away.
        waveform = np.zeros(0, np.int16)
        try:
            waveform = decode_wav(archive.read(clip.member))
        except WaveformError as error:
            self._faults.add(clip.where, str(error), error.cure)
        except (*DAMAGE, OSError) as error:
            cure = "The archive is damaged: download it again"
            self._faults.add(clip.where, f"cannot be unpacked ({error})", cure)
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
