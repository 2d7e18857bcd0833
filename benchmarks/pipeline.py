"""Reading and batching clips against decoding wav files in a loop: python -m benchmarks.pipeline"""

import sys
import tempfile
import zipfile
from pathlib import Path

import librosa
import numpy as np
import soundfile
import tfds_dcase
from absl import flags

from asd_jax.data.clips import ClipSource, all_clips, select_clips
from asd_jax.data.pipeline import training_batches
from asd_jax.data.windows import WindowPolicy
from asd_jax.simulation import SimulationSize, simulate
from benchmarks.timing import print_rates, take_turns

_BATCH = 32
_BATCHES = 16


def main() -> None:
    """Batches of 10-s clips: from the prepared dataset, and from wav files as the published systems read them."""
    flags.FLAGS(sys.argv[:1])
    with tempfile.TemporaryDirectory() as folder:
        archives, data_dir = Path(folder) / "archives", Path(folder) / "datasets"
        size = SimulationSize(sections=2, train=64, test_normal=1, test_anomaly=1)
        simulate("dcase2020", archives, size=size, machine_types=("fan", "pump"))
        tfds_dcase.prepare("dcase2020", archives, data_dir)
        wavs = _unpacked(archives, Path(folder) / "wavs")
        clips = select_clips(all_clips("dcase2020", str(data_dir)), ["dev"], "train", ())
        source = ClipSource("dcase2020", str(data_dir), clips)
        batches = iter(training_batches(source, [0] * len(clips), WindowPolicy(), _BATCH, seed=0))
        contestants = {
            "asd_jax, ArrayRecord through Grain": lambda: [next(batches) for _ in range(_BATCHES)],
            "soundfile on unpacked wav files": lambda: _batches(wavs, _soundfile),
            "librosa.load on unpacked wav files": lambda: _batches(wavs, _librosa),
        }
        seconds = take_turns(contestants, rounds=7)
        batches.close()
    print_rates(
        "10-s clips decoded and batched, one process", "clips/s", _BATCH * _BATCHES, seconds
    )


def _unpacked(archives: Path, folder: Path) -> list[Path]:
    for archive in archives.glob("*.zip"):
        with zipfile.ZipFile(archive) as members:
            members.extractall(folder)
    return sorted(folder.glob("*/train/*.wav"))


def _batches(wavs: list[Path], read) -> None:
    for batch in range(_BATCHES):
        chosen = [wavs[(batch * _BATCH + i) % len(wavs)] for i in range(_BATCH)]
        np.stack([read(wav) for wav in chosen])


def _soundfile(wav: Path) -> np.ndarray:
    return soundfile.read(wav, dtype="int16")[0]


def _librosa(wav: Path) -> np.ndarray:
    return librosa.load(wav, sr=None)[0]


if __name__ == "__main__":
    main()
