"""Recordings through a trained model: decoded ahead of the device, their windows batched across files."""

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from tfds_dcase import ClipInfo
from tfds_dcase.layouts import SAMPLE_RATE
from tfds_dcase.reading import Unreadable
from tfds_dcase.records import in_parallel

from asd_jax.config import EvaluationConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.inference.audio_files import UNKNOWN, AudioFile, read_recording
from asd_jax.inference.calibration import Calibration
from asd_jax.inference.stretches import Stretches, is_long, stretches_of
from asd_jax.scoring.clip_reports import WindowReporter, pool_windows
from asd_jax.scoring.settings import FittedScore

HeardWindows = Literal["auto", "head", "all"]
"""Which windows of a recording are heard; see `asd score`."""

NOT_FINITE = "is not finite, which is neither normal nor an anomaly"
CHECK = "Check the recording and the checkpoint"

# Recordings that wait decoded for the device. An hour of one takes 115 MB.
_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class UnheardFile:
    """A recording without a score: what is wrong with it, and the cure."""

    file: AudioFile
    what: str
    cure: str


@dataclasses.dataclass(frozen=True)
class HeardFile:
    """A recording with its report.

    Attributes:
        file: the recording.
        clip: the same as a test clip.
        report: the one that the score is made of, pooled over windows: `[...]`.
        under_claims: scores `[sections]` under the claim of each known section of its machine type; empty where they
            were not asked for.
        heard: samples at 16 kHz that the windows cover.
        stretches: of a recording much longer than the training clips; None of others.
        stretch_reports: the report of each stretch, `[stretches, ...]`.
    """

    file: AudioFile
    clip: ClipInfo
    report: np.ndarray
    under_claims: np.ndarray
    heard: int
    stretches: Stretches | None = None
    stretch_reports: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))


@dataclasses.dataclass
class _Recording:
    """A decoded recording and what has been heard of it, in windows that reach so many samples from their starts."""

    file: AudioFile
    clip: ClipInfo
    waveform: np.ndarray
    starts: list[int]
    reach: int
    stretches: Stretches | None
    values: list[np.ndarray] = dataclasses.field(default_factory=list)


class _Window(NamedTuple):
    recording: _Recording
    start: int


class FileHearing:
    """Hears files with a trained model in constant memory, in their order.

    Args:
        model: the trained model.
        calibration: of its score.
        config: batch size and pooling.
        sections: known ones of each machine type.
        windows: "auto" hears a recording that is longer than every training clip of its machine type to its end, and
            others as the model's policy says; "head" and "all" need a model with that policy. But for "head", one that
            is much longer is heard in stretches of the training clips' length (`asd_jax.inference.stretches`).
        channel: see `read_recording`.
    """

    def __init__(
        self,
        model: TrainedModel,
        calibration: Calibration,
        config: EvaluationConfig,
        sections: Mapping[str, Sequence[str]],
        windows: HeardWindows,
        channel: str,
    ):
        self._model = model
        self._reporter = WindowReporter(model.detector, model.state, config.batch_size)
        self._longest = calibration.longest if windows == "auto" else {}
        self._usual = {} if windows == "head" else _usual_lengths(calibration, sections)
        self._sections = sections
        self._channel = channel
        score = calibration.score.score
        self._is_fitted = isinstance(score, FittedScore)
        self.report = score.config.report if isinstance(score, FittedScore) else score
        is_score = self.report in model.detector.score_names
        self._pooling = config.pooling if is_score else "mean"
        self._candidates: dict[tuple[str, str], np.ndarray] = {}

    def __call__(self, files: Sequence[AudioFile]) -> Iterator[list[HeardFile | UnheardFile]]:
        """The files in their order, as many at a time as a batch has finished."""
        claims = self._claims(files)
        self._candidates.clear()
        size = self._reporter.batch_size
        waiting: deque[_Recording | UnheardFile] = deque()
        rows: list[_Window] = []
        is_first_batch = True
        for recording in in_parallel(self._read, files, _AHEAD):
            waiting.append(recording)
            for window in _windows(recording):
                rows.append(window)
                if len(rows) == size:
                    self._hear(rows, size, claims)
                    rows, is_first_batch = [], False
            if done := list(self._finished(waiting, claims)):
                yield done
        if rows:
            # A few windows alone are not worth a full batch; behind others its compiled step is there.
            few = self._reporter.whole_batch(1 << (len(rows) - 1).bit_length())
            self._hear(rows, min(few, size) if is_first_batch else size, claims)
        if done := list(self._finished(waiting, claims)):
            yield done

    def _claims(self, files: Sequence[AudioFile]) -> int:
        """Under how many sections each window must be scored; 0 where all are known or the score is fitted."""
        if self._is_fitted:
            return 0
        unknown = {file.machine_type for file in files if file.claim.section == UNKNOWN}
        most = max((len(self._sections[name]) for name in unknown), default=0)
        return most if most > 1 else 0

    def _read(self, file: AudioFile) -> _Recording | UnheardFile:
        waveform = read_recording(file.path, self._channel)
        if isinstance(waveform, Unreadable):
            return UnheardFile(file, waveform.what, waveform.cure)
        clip, policy = file.clip(len(waveform)), self._model.policy
        usual = self._usual.get(file.machine_type)
        if usual is not None and is_long(clip.samples, usual):
            stretches = stretches_of(clip.samples, usual, policy)
            reach = min(stretches.samples, policy.samples)
            return _Recording(file, clip, waveform, stretches.window_starts, reach, stretches)
        starts = self._policy(file.machine_type, clip.samples).starts(clip.samples)
        if starts == [0]:
            # A copy: a view would keep the rest of an hour in memory.
            waveform = waveform[: policy.samples].copy()
        return _Recording(file, clip, waveform, starts, policy.samples, None)

    def _policy(self, machine_type: str, samples: int) -> WindowPolicy:
        policy = self._model.policy
        if samples > self._longest.get(machine_type, samples):
            return dataclasses.replace(policy, evaluation="all")
        return policy

    def _hear(self, rows: Sequence[_Window], size: int, claims: int) -> None:
        policy = self._model.policy
        waveform = np.zeros((size, policy.samples), np.int16)
        each = [self._candidates_of(recording.clip, claims) for recording, _ in rows]
        candidates = np.stack(each + [each[0]] * (size - len(rows)))
        for row, (recording, start) in enumerate(rows):
            reached = recording.waveform[start : start + recording.reach]
            waveform[row] = policy.cut(reached, 0)
        if claims:
            values = self._reporter.claimed(self.report, waveform, candidates)
        else:
            values = self._reporter(waveform, candidates)[self.report]
        for (recording, _), value in zip(rows, values, strict=False):
            recording.values.append(value)

    def _candidates_of(self, clip: ClipInfo, claims: int) -> np.ndarray:
        """Classes that a clip may have, `[classes]`; with claims also under each of these, `[1 + claims, classes]`."""
        key = (clip.machine_type, clip.section)
        if key not in self._candidates:
            own = self._model.class_map.candidates(clip)
            if claims:
                sections = self._sections[clip.machine_type]
                claimed = [dataclasses.replace(clip, section=section) for section in sections]
                rows = [self._model.class_map.candidates(each) for each in claimed]
                own = np.stack([own, *rows, *[own] * (claims - len(rows))])
            self._candidates[key] = own
        return self._candidates[key]

    def _finished(
        self, waiting: deque[_Recording | UnheardFile], claims: int
    ) -> Iterator[HeardFile | UnheardFile]:
        """Takes what is done from the left of the queue."""
        while waiting:
            first = waiting[0]
            if isinstance(first, _Recording) and len(first.values) < len(first.starts):
                return
            waiting.popleft()
            yield self._pooled(first, claims) if isinstance(first, _Recording) else first

    def _pooled(self, recording: _Recording, claims: int) -> HeardFile | UnheardFile:
        values, under_claims = np.stack(recording.values), np.empty(0)
        report = pool_windows(values, self._pooling)
        if claims:
            known = len(self._sections[recording.clip.machine_type])
            values, report, under_claims = values[:, 0], report[0], report[1 : 1 + known]
        if not np.isfinite(values).all():
            what = f"the detector's {self.report} of it {NOT_FINITE}"
            return UnheardFile(recording.file, what, CHECK)
        heard = HeardFile(recording.file, recording.clip, report, under_claims, _covered(recording))
        if recording.stretches is None:
            return heard
        of_stretches = recording.stretches.pooled(values, self._pooling)
        return dataclasses.replace(
            heard, stretches=recording.stretches, stretch_reports=of_stretches
        )


def _usual_lengths(
    calibration: Calibration, sections: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """Of the machine types that there are training normals of."""
    return {name: calibration.usual_length(name) for name, known in sections.items() if known}


def _windows(recording: _Recording | UnheardFile) -> list[_Window]:
    if isinstance(recording, UnheardFile):
        return []
    return [_Window(recording, start) for start in recording.starts]


def _covered(recording: _Recording) -> int:
    """Samples of a recording that lie in one of its windows."""
    following = [*recording.starts[1:], recording.clip.samples]
    return sum(
        min(end - start, recording.reach)
        for start, end in zip(recording.starts, following, strict=True)
    )


def seconds(samples: int) -> float:
    """At 16 kHz."""
    return samples / SAMPLE_RATE
