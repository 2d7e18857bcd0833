"""Prepared clips by position, and which of them a run uses."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import tensorflow_datasets as tfds
import tfds_dcase
from google.protobuf.message import DecodeError
from tfds_dcase import ClipInfo
from tfds_dcase_command.invocation import command

Mode = Literal["development", "evaluation"]
Stage = Literal["dev", "eval"]
Part = Literal["train", "test"]

STAGE_OF_MODE: dict[Mode, Stage] = {"development": "dev", "evaluation": "eval"}


Channel = Literal["near", "far", "mean", "all"]
"""What is heard of a recording with two channels, near the machine and far from it (DCASE 2026)."""


class Waveforms(Protocol):
    """Clips with their waveforms, of a dataset or of loose files."""

    @property
    def clips(self) -> Sequence[ClipInfo]:
        """What is known of each."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, position: int, /) -> np.ndarray:
        """The waveform of one, int16 `[samples]`."""


class ClipSource:
    """Random access to the waveforms of chosen clips; what else is known of them stands in `clips`.

    Args:
        dataset: `dcase2020` and so on.
        data_dir: folder of prepared datasets, local or of shared storage (`gs://...`).
        clips: the clips, in the order of this source.
        channel: which channel is heard, or the mean of all; recordings of one channel have but one to hear.
        check_content: compare the samples' hash with the index, where a wrong number would be worse than a slow one.

    Raises:
        ValueError: the recordings have no second channel, or cannot be read at random.
        tfds_dcase.ArchiveError: the dataset is damaged; also when a clip is read.
    """

    def __init__(
        self,
        dataset: str,
        data_dir: str,
        clips: Sequence[ClipInfo],
        channel: Channel = "near",
        check_content: bool = False,
    ):
        self.clips = tuple(clips)
        self._name = f"{dataset} in {data_dir}"
        self._check_content = check_content
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
        self._shards = {name: _shards_of(split) for name, split in builder.info.splits.items()}
        self._records = {}
        for split in sorted({clip.split for clip in clips}):
            with self._naming(f"split {split}"):
                self._records[split] = builder.as_data_source(split).data_source

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> np.ndarray:
        """The waveform of a clip: int16 `[samples]`, or `[samples, channels]` of all."""
        clip = self.clips[index]
        with self._naming(self._place(clip)):
            record = self._records[clip.split][clip.position]
            clip_id, waveform = tfds_dcase.named_waveform_of(record, self._channels)
            if clip_id != clip.clip_id:
                raise ValueError(f"its record is {clip_id[:200]!r}")
            if self._check_content and tfds_dcase.content_hash(waveform) != clip.content_hash:
                raise ValueError("its samples are not those that were built")
        if self._channels == 1 or self._channel == "all":
            return waveform
        if self._channel == "mean":
            return np.rint(waveform.mean(axis=1)).astype(np.int16)
        return waveform[:, 0 if self._channel == "near" else 1]

    @contextlib.contextmanager
    def _naming(self, place: str) -> Iterator[None]:
        """Tells where the prepared dataset is damaged, and the cure."""
        try:
            yield
        # ArrayRecord raises RuntimeError, ValueError or IndexError as the place of the damage has it.
        except (OSError, RuntimeError, ValueError, LookupError, DecodeError) as error:
            reason = next(iter(str(error).splitlines()), "")[:300]
            raise tfds_dcase.ArchiveError(
                f"{self._name} is damaged, {place}: {reason}. Prepare the dataset again: "
                f"{command('prepare')} with --rebuild"
            ) from error

    def _place(self, clip: ClipInfo) -> str:
        position = clip.position
        for shard, length in self._shards[clip.split]:
            if position < length:
                return f"{clip.clip_id}, record {position} of {shard}"
            position -= length
        return f"{clip.clip_id}, record {clip.position} of {clip.split}, which ends before it"

    def __repr__(self) -> str:
        return f"ClipSource({self._name}, {len(self)} clips)"


def _shards_of(split: tfds.core.SplitInfo) -> list[tuple[str, int]]:
    names = [Path(name).name for name in split.filenames]
    return list(zip(sorted(names), split.shard_lengths, strict=False))


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
