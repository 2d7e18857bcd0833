"""Prepared clips by position, and which of them a run uses."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow_datasets as tfds
import tfds_dcase
from tfds_dcase import ClipInfo

Mode = Literal["development", "evaluation"]
Stage = Literal["dev", "eval"]
Part = Literal["train", "test"]

STAGE_OF_MODE: dict[Mode, Stage] = {"development": "dev", "evaluation": "eval"}


Channel = Literal["near", "far", "mean", "all"]
"""What is heard of a recording with two channels, near the machine and far from it (DCASE 2026)."""


class ClipSource:
    """Random access to the waveforms of chosen clips; what else is known of them stands in `clips`.

    Args:
        dataset: `dcase2020` and so on.
        data_dir: folder of prepared datasets, local or of shared storage (`gs://...`).
        clips: the clips, in the order of this source.
        channel: which channel is heard, or the mean of all; recordings of one channel have but one to hear.

    Raises:
        ValueError: the recordings have no second channel, or cannot be read at random.
    """

    def __init__(
        self,
        dataset: str,
        data_dir: str,
        clips: Sequence[ClipInfo],
        channel: Channel = "near",
    ):
        self.clips = tuple(clips)
        self._name = f"{dataset} in {data_dir}"
        builder = tfds_dcase.load(dataset, data_dir)
        if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
            raise ValueError(
                f"{self._name} is stored as {builder.info.file_format.value}, which cannot be read at random: "
                "prepare it with --file_format=array_record"
            )
        self._channels = tfds_dcase.channels_of(builder)
        self._channel = channel
        if channel == "far" and self._channels == 1:
            raise ValueError(f"{self._name} has one channel, none is far: choose data.channel=near")
        self._records = {
            split: builder.as_data_source(split).data_source
            for split in sorted({clip.split for clip in clips})
        }

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> np.ndarray:
        """The waveform of a clip: int16 `[samples]`, or `[samples, channels]` of all."""
        clip = self.clips[index]
        record = self._records[clip.split][clip.position]
        waveform = tfds_dcase.waveform_of(record, self._channels)
        if self._channels == 1 or self._channel == "all":
            return waveform
        if self._channel == "mean":
            return np.rint(waveform.mean(axis=1)).astype(np.int16)
        return waveform[:, 0 if self._channel == "near" else 1]

    def __repr__(self) -> str:
        return f"ClipSource({self._name}, {len(self)} clips)"


def all_clips(dataset: str, data_dir: str) -> list[ClipInfo]:
    """Every clip of a prepared dataset.

    Raises:
        tfds_dcase.ArchiveError: it is not prepared.
    """
    builder = tfds_dcase.load(dataset, data_dir)
    return tfds_dcase.read_index(builder.data_path)


def select_clips(
    clips: Sequence[ClipInfo], stages: Sequence[Stage], part: Part, machine_types: Sequence[str]
) -> list[ClipInfo]:
    """The clips of some stages, one part, and some machine types (all of them if none is named).

    Raises:
        ValueError: a named machine type is not in the dataset, or nothing is left.
    """
    present = sorted({clip.machine_type for clip in clips})
    unknown = sorted(set(machine_types) - set(present))
    if unknown:
        raise ValueError(
            f"machine types {', '.join(unknown)} are not in the prepared dataset, which holds "
            f"{', '.join(present)}: choose among these, or prepare the missing archives"
        )
    wanted = {f"{stage}_{part}_{name}" for stage in stages for name in machine_types or present}
    chosen = [clip for clip in clips if clip.split in wanted]
    if not chosen:
        raise ValueError(
            f"the prepared dataset has no {part} clips of stage {' or '.join(stages)}"
            f"{' for ' + ', '.join(machine_types) if machine_types else ''}; its splits are "
            f"{', '.join(sorted({clip.split for clip in clips}))}: prepare the missing archives, "
            "or choose another --mode"
        )
    return chosen
