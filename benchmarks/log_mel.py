"""Log-mel inside jit against librosa, on one core: python -m benchmarks.log_mel"""

import os

if hasattr(os, "sched_setaffinity"):
    # Before the libraries start their thread pools, which would use the other cores.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import librosa
import numpy as np

from asd_jax.features.logmel import LogMel
from benchmarks.timing import print_rates, take_turns

_CLIPS = 32
_SAMPLES = 160000


def main() -> None:
    """The published variants of log-mel, ours and librosa's."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=(_CLIPS, _SAMPLES))
    waveforms = noise.astype(np.float32)
    variants = {
        "STgram-MFN": LogMel.stgram(),
        "AEGAN-AD": LogMel.aegan(),
        "DCASE": LogMel.dcase2021(),
    }
    for name, features in variants.items():
        transform = jax.jit(features)
        contestants = {
            "asd_jax": lambda transform=transform: transform(waveforms).block_until_ready(),
            "librosa": lambda features=features: _librosa(waveforms, features),
        }
        seconds = take_turns(contestants, rounds=7)
        print_rates(f"log-mel of {name}, one core", "clips/s", _CLIPS, seconds)


def _librosa(waveforms: np.ndarray, features: LogMel) -> None:
    for waveform in waveforms:
        power = librosa.feature.melspectrogram(
            y=waveform,
            sr=features.sample_rate,
            n_fft=features.n_fft,
            hop_length=features.hop,
            n_mels=features.n_mels,
            htk=features.mel_scale == "htk",
            norm="slaney" if features.area_norm else None,
            pad_mode="reflect" if features.reflect else "constant",
        )
        librosa.power_to_db(power, amin=features.floor, top_db=features.top_db or None)


if __name__ == "__main__":
    main()
