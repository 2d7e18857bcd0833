"""Prepared clips by position, and which of them a run uses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
import tfds_dcase
from tfds_dcase import ClipInfo

Mode = Literal["development", "evaluation"]
Stage = Literal["dev", "eval"]
Part = Literal["train", "test"]

STAGE_OF_MODE: dict[Mode, Stage] = {"development": "dev", "evaluation": "eval"}


class Clip(TypedDict):
    """One record as the pipeline sees it: `waveform` int16 `[samples]`, `clip` its position in the source."""

    waveform: np.ndarray
    clip: int


class ClipSource:
    """Random access to the waveforms of chosen clips, as Grain asks of a source.

    What is known of a clip beside its waveform stands in `clips`.

    Args:
        dataset: `dcase2020` and so on.
        data_dir: folder of prepared datasets.
        clips: the clips, in the order of this source.
    """

    def __init__(self, dataset: str, data_dir: str, clips: Sequence[ClipInfo]):
        self.clips = tuple(clips)
        self._name = f"{dataset} in {data_dir}"
        builder = tfds_dcase.load(dataset, data_dir)
        self._splits = {
            split: builder.as_data_source(split) for split in sorted({clip.split for clip in clips})
        }

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        clip = self.clips[index]
        record = self._splits[clip.split][clip.position]
        return {"waveform": record["waveform"], "clip": int(index)}

    def __repr__(self) -> str:
        return f"ClipSource({self._name}, {len(self)} clips)"


def all_clips(dataset: str, data_dir: str) -> list[ClipInfo]:
    """Every clip of a prepared dataset.

    Raises:
        tfds_dcase.ArchiveError: it is not prepared.
    """
    builder = tfds_dcase.load(dataset, data_dir)
    return tfds_dcase.read_index(Path(builder.data_path))


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
