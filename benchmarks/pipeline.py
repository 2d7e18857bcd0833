"""Reading and batching clips against PyTorch's DataLoader over wav files: python -m benchmarks.pipeline

PyTorch's part needs `pip install torch`. Its loader hands floats to the model, as the published systems do, or leaves
the samples as they are in the file; ours always does the latter, since features begin with the conversion on the
device. All wav files stay in the page cache.
"""

import functools
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tfds_dcase

from asd_jax.simulation import SimulationSize, simulate
from benchmarks.contestants import Contestants, Tasks, is_installed
from benchmarks.timing import print_rates

_BATCH = 32
_BATCHES = 30


def main() -> None:
    """Batches of 10-s clips, from the prepared dataset in one process and from unpacked wav files."""
    with tempfile.TemporaryDirectory() as folder:
        archives, data_dir = Path(folder) / "archives", Path(folder) / "datasets"
        size = SimulationSize(sections=2, train=150, test_normal=1, test_anomaly=1)
        simulate("dcase2020", archives, size=size, machine_types=("fan", "pump"))
        tfds_dcase.prepare("dcase2020", archives, data_dir)
        wavs = _unpacked(archives, Path(folder) / "wavs")
        makers: dict[str, Callable[..., Tasks]] = {
            "asd_jax": _ours,
            "librosa.load in a loop": _librosa,
        }
        if is_installed("torch", "torch"):
            for workers in (0, 2):
                for kind in ("float32", "int16"):
                    name = f"DataLoader, soundfile, {kind}, {workers} workers"
                    makers[name] = functools.partial(_torch, kind, workers)
        with Contestants(makers, str(data_dir), wavs) as contestants:
            seconds = contestants.take_turns("read", rounds=5)
    print_rates("10-s clips decoded and batched", "clips/s", _BATCH * _BATCHES, seconds)


def _unpacked(archives: Path, folder: Path) -> list[Path]:
    for archive in archives.glob("*.zip"):
        with zipfile.ZipFile(archive) as members:
            members.extractall(folder)
    return sorted(folder.glob("*/train/*.wav"))


def _ours(data_dir: str, wavs: list[Path]) -> Tasks:
    from absl import flags

    from asd_jax.data.clips import ClipSource, all_clips, select_clips
    from asd_jax.data.pipeline import training_batches
    from asd_jax.data.windows import WindowPolicy

    flags.FLAGS(sys.argv[:1])
    clips = select_clips(all_clips("dcase2020", data_dir), ["dev"], "train", ())
    source = ClipSource("dcase2020", data_dir, clips)
    batches = iter(training_batches(source, [0] * len(clips), WindowPolicy(), _BATCH, seed=0))
    return {"read": lambda: [next(batches) for _ in range(_BATCHES)]}


def _librosa(data_dir: str, wavs: list[Path]) -> Tasks:
    import librosa

    def read() -> None:
        for batch in range(_BATCHES):
            chosen = [wavs[(batch * _BATCH + i) % len(wavs)] for i in range(_BATCH)]
            np.stack([librosa.load(wav, sr=None)[0] for wav in chosen])

    return {"read": read}


def _torch(kind: str, workers: int, data_dir: str, wavs: list[Path]) -> Tasks:
    from benchmarks.torch_wavs import batches

    endless = batches(wavs, kind, workers, _BATCH)
    return {"read": lambda: [next(endless) for _ in range(_BATCHES)]}


if __name__ == "__main__":
    main()
