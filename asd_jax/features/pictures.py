"""Log-mel spectrograms as pictures."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from asd_jax.features.logmel import LogMel, waveform_from_int16


def save_spectrogram(path: Path, waveform: np.ndarray, title: str, features: LogMel) -> None:
    """Saves a PNG of a clip's log-mel spectrogram, one panel a channel; readable in greyscale.

    Args:
        path: file to write.
        waveform: int16 `[samples]` or `[samples, channels]`.
        title: above the picture.
        features: the log-mel's settings.
    """
    channels = waveform.reshape(len(waveform), -1).T
    levels = np.asarray(jax.jit(features)(waveform_from_int16(jnp.asarray(channels))))
    figure = Figure(figsize=(9, 1 + 2.8 * len(levels)), layout="constrained")
    panels = figure.subplots(len(levels), 1, squeeze=False, sharex=True)[:, 0]
    seconds = len(waveform) / features.sample_rate
    kilohertz = features.band_centers() / 1000
    ticks = np.linspace(0, features.n_mels - 1, 7).astype(int)
    for channel, (panel, level) in enumerate(zip(panels, levels, strict=True)):
        image = panel.imshow(
            level.T,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, -0.5, features.n_mels - 0.5),
            cmap="gray_r",
            vmin=max(level.max() - 80, level.min()),
            interpolation="nearest",
        )
        panel.set_yticks(ticks, [f"{kilohertz[tick]:.2g}" for tick in ticks])
        panel.set_ylabel("mel band's centre, kHz")
        if len(levels) > 1:
            panel.set_title("near the machine" if channel == 0 else "far from it", fontsize=9)
        figure.colorbar(image, ax=panel, label="level, dB")
    panels[-1].set_xlabel("time, s")
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
