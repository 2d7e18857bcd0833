"""Writes small folders of own recordings."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import tfds_dcase


def waveform(name: str, channels: int = 1) -> npt.NDArray[np.int16]:
    """Noise of a length that hardly another recording has, int16 `[samples, channels]`."""
    seed = sum(name.encode())
    noise = np.random.default_rng(seed)
    return noise.integers(-900, 900, (300 + seed % 97, channels), np.int16)


def write(folder: Path, *names: str, rate: int = 16000, channels: int = 1) -> None:
    """Writes a recording under each name below the folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform(name, channels), rate)


def clips(folder: Path, data_dir: Path, **options: object) -> dict[str, tfds_dcase.ClipInfo]:
    """Prepares the folder; the clips by their path below it."""
    built = tfds_dcase.prepare("folder", folder, data_dir, **options)  # type: ignore[arg-type]
    return {clip.file_name: clip for clip in tfds_dcase.read_index(built.data_path)}


def notes(data_dir: Path) -> str:
    """The table of clips and the remarks below it."""
    return tfds_dcase.summary(tfds_dcase.dataset_folder("folder", data_dir))


def labels(found: Iterable[tfds_dcase.ClipInfo]) -> dict[str, tuple[str, str]]:
    """Part and label of each clip by its path."""
    return {clip.file_name: (clip.split.split("_")[1], clip.label) for clip in found}
