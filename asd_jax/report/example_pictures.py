"""A clip to look at and to listen to."""

import io
import wave

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from asd_jax.report.heard_model import ClipExplanation

_RANGE_DB = 80.0
_TICKS = 6
# Attributions of single bins are noisy: a few frames and bands together show where they agree.
_SMOOTHING = (1.5, 2.0)
_BRIGHTEST = 0.998


def shown_relevance(relevance: np.ndarray) -> np.ndarray:
    """What a picture shows of a relevance `[frames, mels]`, of the same shape and never negative.

    Errors are shown as they are. Attributions, which have both signs, are smoothed, and what lowers the score is left
    out.
    """
    if relevance.min() >= 0 or relevance.shape[1] == 1:
        return np.maximum(relevance, 0)
    return np.maximum(gaussian_filter(relevance, _SMOOTHING), 0)


def brightest_values(relevances: list[np.ndarray]) -> list[float]:
    """Where the colour scale of each of a few shown relevances ends.

    At its own largest values, but not below the others' middle: what is dim beside the others shall look dim.
    """
    ends = [float(np.quantile(relevance, _BRIGHTEST)) for relevance in relevances]
    middle = float(np.median(ends)) if ends else 0.0
    return [max(end, middle) or 1.0 for end in ends]


def draw_clip(
    explanation: ClipExplanation, relevance: np.ndarray | None, brightest: float
) -> Figure:
    """The log-mel spectrogram, and beside it where the detector sees the anomaly.

    Args:
        explanation: of the clip.
        relevance: from `shown_relevance`; None draws the log-mel alone.
        brightest: from `brightest_values`.
    """
    figure = Figure(figsize=(12 if relevance is not None else 6.4, 2.9), layout="constrained")
    panels = figure.subplots(1, 1 if relevance is None else 2, squeeze=False)[0]
    level = explanation.log_mel
    lowest = max(float(level.max()) - _RANGE_DB, float(level.min()))
    _draw_image(
        figure, panels[0], explanation, level, "gray_r", (lowest, float(level.max())), "level, dB"
    )
    panels[0].set_title("log-mel spectrogram", fontsize=9)
    if relevance is None:
        return figure
    panels[1].set_title("where the anomaly score comes from", fontsize=9)
    if relevance.shape[1] == 1:
        seconds = np.arange(len(relevance)) * explanation.frame_seconds
        panels[1].fill_between(seconds, relevance[:, 0], color="#1f3b57")
        panels[1].set(xlabel="time, s", ylabel="relevance", xlim=(0, seconds[-1]))
    else:
        _draw_image(
            figure, panels[1], explanation, relevance, "cividis", (0.0, brightest), "relevance"
        )
    return figure


def _draw_image(
    figure: Figure,
    axes: Axes,
    explanation: ClipExplanation,
    values: np.ndarray,
    colours: str,
    limits: tuple[float, float],
    unit: str,
) -> None:
    frames, mels = values.shape
    image = axes.imshow(
        values.T,
        origin="lower",
        aspect="auto",
        extent=(0, frames * explanation.frame_seconds, -0.5, mels - 0.5),
        cmap=colours,
        vmin=limits[0],
        vmax=max(limits[1], limits[0] + 1e-12),
        interpolation="nearest",
    )
    ticks = np.linspace(0, mels - 1, _TICKS).astype(int)
    axes.set_xlabel("time, s")
    if explanation.kilohertz is None:
        axes.set_yticks(ticks)
        axes.set_ylabel("mel band")
    else:
        axes.set_yticks(ticks, [f"{explanation.kilohertz[tick]:.2g}" for tick in ticks])
        axes.set_ylabel("mel band's centre, kHz")
    is_cut = unit == "relevance" and float(values.max()) > limits[1]
    figure.colorbar(image, ax=axes, label=unit, extend="max" if is_cut else "neither")


def wav_bytes(waveform: np.ndarray, sample_rate: int) -> bytes:
    """int16 `[samples]` as a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(waveform, "<i2").tobytes())
    return content.getvalue()
