"""A trained model that remembers what it heard, and explains clips."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tfds_dcase import ClipInfo
from tfds_dcase.bars import progress_bar

from asd_jax.config import Experiment
from asd_jax.data.clips import ClipSource, Waveforms
from asd_jax.data.pipeline import Window, evaluation_windows
from asd_jax.detectors.base import Batch, Detector, Explanation, TrainState
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.features.logmel import LogMel, waveform_from_int16
from asd_jax.inference.audio_files import AudioFile
from asd_jax.scoring.clip_reports import LOUDNESS, Reports

KEPT_REPORTS = ("embedding", "class_log_probabilities", LOUDNESS)
NORMALS_TO_COMPARE = 4
WINDOWS_AT_ONCE = 8


class Heard(NamedTuple):
    """Clips and what was kept of their reports, `[clips, ...]` each."""

    clips: tuple[ClipInfo, ...]
    reports: Reports


class ClipExplanation(NamedTuple):
    """What a detector hears of a clip, and where it sees the anomaly.

    Attributes:
        log_mel: `[frames, mels]` in dB.
        relevance: `[frames, mels]`, `[frames, 1]`, or None of a detector that does not explain.
        frame_seconds: time between frames.
        kilohertz: centre of every mel band `[mels]`; None where the bands are not those of the configuration.
    """

    log_mel: np.ndarray
    relevance: np.ndarray | None
    frame_seconds: float
    kilohertz: np.ndarray | None


class LooseRecordings:
    """Recordings of no dataset.

    Args:
        files: what is known of them.
        waveforms: int16 `[samples]` of each.
    """

    def __init__(self, files: Sequence[AudioFile], waveforms: Sequence[np.ndarray]):
        self.files = files
        self.clips = [
            file.clip(len(waveform)) for file, waveform in zip(files, waveforms, strict=True)
        ]
        self._waveforms = list(waveforms)

    def __len__(self) -> int:
        return len(self._waveforms)

    def __getitem__(self, position: int, /) -> np.ndarray:
        return self._waveforms[position]


class HeardModel(TrainedModel):
    """A model of a work directory; see `TrainedModel`.

    Attributes:
        heard: one entry for every call of `report`, in their order.
    """

    heard: list[Heard]

    def __init__(self, experiment: Experiment, directory: Path, test: Sequence[ClipInfo]):
        super().__init__(experiment, directory, test, draw_learning_curve=False)
        self.experiment = experiment
        self.heard = []

    def report(self, clips: Sequence[ClipInfo], title: str) -> Reports:
        """As `TrainedModel.report`; the small ones of its reports are remembered."""
        reports = super().report(clips, title)
        kept = {name: reports[name] for name in KEPT_REPORTS if name in reports}
        self.heard.append(Heard(tuple(clips), kept))
        return reports

    def source(self, clips: Sequence[ClipInfo]) -> ClipSource:
        """The waveforms of some clips, in the channel that the model hears."""
        data = self.experiment.data
        return ClipSource(data.dataset, data.data_dir, clips, data.channel)

    def explain(
        self, clips: Sequence[ClipInfo], recordings: Waveforms | None = None
    ) -> list[ClipExplanation]:
        """Explains clips window by window, as evaluation hears them; the mean where windows overlap.

        Args:
            clips: what is known of them.
            recordings: their waveforms; by default those of the prepared dataset.
        """
        features = getattr(self.experiment.detector, "features", None)
        features = features if isinstance(features, LogMel) else LogMel()
        source: Waveforms = self.source(clips) if recordings is None else recordings
        if not self.detector.relevance_kind:
            return [_only_heard(source[i], features) for i in range(len(source))]
        windows = evaluation_windows(source, range(len(source)), self.policy)
        found: list[Explanation] = []
        with progress_bar(total=len(windows), unit="window", desc=f"{self.name}: examples") as bar:
            for start in range(0, len(windows), WINDOWS_AT_ONCE):
                part = windows[start : start + WINDOWS_AT_ONCE]
                found += self._explain_windows(source, part)
                bar.update(len(part))
        by_clip: list[list[tuple[int, Explanation]]] = [[] for _ in clips]
        for (clip, start), explanation in zip(windows, found, strict=True):
            by_clip[clip].append((start, explanation))
        return [
            _joined(parts, features, clip.samples)
            for parts, clip in zip(by_clip, clips, strict=True)
        ]

    def _explain_windows(self, source: Waveforms, windows: Sequence[Window]) -> list[Explanation]:
        # The last batch is filled up: another size would be compiled anew.
        filled = [windows[i % len(windows)] for i in range(WINDOWS_AT_ONCE)]
        clips = [source.clips[clip] for clip, _ in filled]
        normals = [self._normals_like(clip.machine_type, clip.section) for clip in clips]
        cut = self.policy.cut
        batch: Batch = {
            "waveform": jnp.asarray(np.stack([cut(source[clip], start) for clip, start in filled])),
            "candidates": jnp.asarray(np.stack([self.class_map.candidates(c) for c in clips])),
            "normal_waveform": jnp.asarray(
                np.stack(
                    [
                        np.stack(
                            [
                                cut(each, _start_within(each, start, self.policy.samples))
                                for each in group
                            ]
                        )
                        for group, (_, start) in zip(normals, filled, strict=True)
                    ]
                )
            ),
        }
        explained = jax.device_get(_explain(self.detector, self.state, batch))
        return [
            Explanation(explained.log_mel[i], explained.relevance[i]) for i in range(len(windows))
        ]

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a model lives as long as its report is written
    def _normals_like(self, machine_type: str, section: str) -> list[np.ndarray]:
        """Waveforms of a few training normals of a section, or of its machine type where training had none."""
        of_type = [clip for clip in self.training if clip.machine_type == machine_type]
        group = [clip for clip in of_type if clip.section == section] or of_type
        places = np.linspace(0, len(group) - 1, NORMALS_TO_COMPARE).round().astype(int)
        source = self.source([group[i] for i in places])
        return [source[i] for i in range(len(source))]


def _start_within(waveform: np.ndarray, start: int, samples: int) -> int:
    return min(start, max(len(waveform) - samples, 0))


@functools.partial(jax.jit, static_argnums=0)
def _explain(detector: Detector, state: TrainState, batch: Batch) -> Explanation:
    return detector.explain(state, batch)


def _only_heard(waveform: np.ndarray, features: LogMel) -> ClipExplanation:
    level = jax.jit(features)(waveform_from_int16(jnp.asarray(waveform[None])))[0]
    return _with_axes(np.asarray(level), None, features)


def _joined(
    parts: Sequence[tuple[int, Explanation]], features: LogMel, samples: int
) -> ClipExplanation:
    """The explanations of a clip's windows, each with its first sample, on the clip's frames.

    What a short clip was filled up with is left out.
    """
    offsets = [round(start / features.hop) for start, _ in parts]
    frames = max(
        offset + len(part.log_mel) for offset, (_, part) in zip(offsets, parts, strict=True)
    )
    count = np.zeros((frames, 1), np.float32)
    sums = [np.zeros((frames, part.shape[1]), np.float32) for part in parts[0][1]]
    for offset, (_, part) in zip(offsets, parts, strict=True):
        own = slice(offset, offset + len(part.log_mel))
        count[own] += 1
        for total, values in zip(sums, part, strict=True):
            total[own] += values
    own = slice(0, features.frames(samples))
    log_mel, relevance = (total[own] / np.maximum(count[own], 1) for total in sums)
    return _with_axes(log_mel, relevance, features)


def _with_axes(
    log_mel: np.ndarray, relevance: np.ndarray | None, features: LogMel
) -> ClipExplanation:
    is_own = log_mel.shape[1] == features.n_mels
    kilohertz = features.band_centers() / 1000 if is_own else None
    return ClipExplanation(log_mel, relevance, features.hop / features.sample_rate, kilohertz)
