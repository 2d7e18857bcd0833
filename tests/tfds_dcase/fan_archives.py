"""Archives of a fan's clips, and datasets made of them."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import tfds_dcase

Waveform = npt.NDArray[np.int16]
FOLDER = f"tfds_dcase/dcase2020/{tfds_dcase.Builder.VERSION}"
TRAIN, TEST = "dev_train_fan", "dev_test_fan"
SHARD = f"tfds_dcase-{TRAIN}.array_record-00000-of-00001"
SECOND = 16000


def noise(seed: int, samples: int = 2 * SECOND, channels: int = 1) -> Waveform:
    """Samples that only this seed has."""
    shape = (samples, channels) if channels > 1 else (samples,)
    return np.random.default_rng(seed).integers(-900, 900, shape, np.int16)


def training_clip(number: int) -> str:
    """Name in the archive of 2020."""
    return f"fan/train/normal_id_00_{number:08}.wav"


def anomalous_clip(number: int) -> str:
    """Name in the archive of 2020, in the test split."""
    return f"fan/test/anomaly_id_00_{number:08}.wav"


def wav(samples: Waveform) -> bytes:
    """A clip's file."""
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="WAV")
    return file.getvalue()


def pack(path: Path, clips: Mapping[str, Waveform]) -> None:
    """Writes an archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, samples in clips.items():
            archive.writestr(name, wav(samples))


def prepared(folder: Path, clips: Mapping[str, Waveform], dataset: str = "dcase2020") -> Path:
    """Prepares a dataset of fan clips in `folder` and gives `folder`."""
    name = "dev_data_fan.zip" if dataset == "dcase2020" else "dev_fan.zip"
    pack(folder / "archives" / name, clips)
    tfds_dcase.prepare(dataset, folder / "archives", folder)
    return folder
