"""From what was heard of recordings to scores, p-values and decisions."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from tfds_dcase.recordings import header_remark

from asd_jax.inference.audio_files import UNKNOWN, AudioFile, SectionBy
from asd_jax.inference.hearing import CHECK, NOT_FINITE, HeardFile, UnheardFile, seconds
from asd_jax.inference.stretches import LONG, Stretches
from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.scoring.long_recordings import LongVerdict, judge_stretches
from asd_jax.scoring.settings import FittedScore

Group = tuple[str, str]
"""Machine type and section."""


@dataclasses.dataclass(frozen=True)
class DecisionRule:
    """When a score is called an anomaly.

    Attributes:
        quantile: above this quantile of the training normals' gamma distribution, as in an evaluation.
        false_alarm_rate: where given, instead: at a p-value of at most this.
    """

    quantile: float
    false_alarm_rate: float | None = None

    @property
    def rate(self) -> float:
        """Share of normal recordings that are called an anomaly, either way."""
        return 1 - self.quantile if self.false_alarm_rate is None else self.false_alarm_rate


@dataclasses.dataclass(frozen=True)
class FileScore:
    """What a model says of a recording.

    Attributes:
        file: its path.
        machine_type: the one that it is judged as.
        section: the one that it is judged as; where `section_by` is "match", the known section that it resembles most,
            empty where the score does not tell sections apart.
        section_by: who says so.
        score: anomaly score, higher is more anomalous; of a recording much longer than the training clips its worst
            stretch's.
        p_value: probability that a normal recording of its length scores as high.
        decision: 1 anomaly, 0 normal.
        seconds: its length.
        heard_seconds: how much of it was heard.
        stretches: how many a recording that is much longer than the training clips was judged by; None for others.
        worst_start: where the worst of them begins, in seconds.
        worst_end: where it ends.
        remark: what is to be known of the decision.
    """

    file: str
    machine_type: str
    section: str
    section_by: SectionBy
    score: float
    p_value: float
    decision: int
    seconds: float
    heard_seconds: float
    stretches: int | None = None
    worst_start: float | None = None
    worst_end: float | None = None
    remark: str = ""


class FileDecisions:
    """Scores and decides what was heard of files.

    Args:
        score: calibrated on training normals.
        report: name of the report that the score is made of.
        sections: known ones of each machine type.
        rule: when a score is called an anomaly.
        files: all that will come.

    Raises:
        ValueError: there are no training normals of a file's machine type, or too few for the rate of false alarms.
    """

    def __init__(
        self,
        score: CalibratedScore,
        report: str,
        sections: Mapping[str, Sequence[str]],
        rule: DecisionRule,
        files: Sequence[AudioFile],
    ):
        self._score = score
        self._report = report
        self._sections = sections
        self._rule = rule
        self._thresholds: dict[Group, float] = {}
        for group in sorted({(file.machine_type, file.claim.section) for file in files}):
            normals = len(score.scores_of_group(*group))
            if rule.false_alarm_rate is None:
                self._thresholds[group] = score.threshold(*group, rule.quantile)
            else:
                _require_enough(normals, rule.false_alarm_rate, group)

    def __call__(self, heard: Sequence[HeardFile]) -> list[FileScore | UnheardFile]:
        """One result a file, in their order; a file whose score is not finite has none."""
        clips = [one.clip for one in heard]
        reports = {self._report: np.stack([one.report for one in heard])}
        scores = self._score.score_samples(reports, clips)
        p_values, decisions = self._decide([(c.machine_type, c.section) for c in clips], scores)
        return [
            self._clip_score(one, *numbers)
            if one.stretches is None
            else self._long_score(one, one.stretches)
            for one, *numbers in zip(heard, scores, p_values, decisions, strict=True)
        ]

    def _clip_score(
        self, one: HeardFile, score: float, p_value: float, decision: bool
    ) -> FileScore | UnheardFile:
        if not np.isfinite(score):
            return UnheardFile(one.file, f"its score {NOT_FINITE}", CHECK)
        return self._line(one, score, p_value, decision, _heard_remark(one))

    def _long_score(self, one: HeardFile, stretches: Stretches) -> FileScore | UnheardFile:
        reports = {self._report: one.stretch_reports}
        scores = self._score.score_samples(reports, [one.clip] * len(stretches.starts))
        is_finite = np.isfinite(scores)
        if not is_finite.all():
            start = seconds(stretches.starts[int(np.argmin(is_finite))])
            return UnheardFile(one.file, f"its score at {start:.1f} s {NOT_FINITE}", CHECK)
        normals = self._score.scores_of_group(one.clip.machine_type, one.clip.section)
        rate = self._rule.rate
        verdict = judge_stretches(normals, scores, rate)
        worst, begin = scores[verdict.worst], stretches.starts[verdict.worst]
        remark = _long_remark(stretches, verdict, len(normals), rate)
        remark = "; ".join(filter(None, (header_remark(one.file.path), remark)))
        line = self._line(one, worst, verdict.p_value, verdict.p_value <= rate, remark)
        return dataclasses.replace(
            line,
            stretches=len(scores),
            worst_start=seconds(begin),
            worst_end=seconds(begin + stretches.samples),
        )

    def _line(
        self, one: HeardFile, score: float, p_value: float, decision: bool, remark: str
    ) -> FileScore:
        return FileScore(
            file=str(one.file.path),
            machine_type=one.file.machine_type,
            section=self._section(one),
            section_by=one.file.claim.by,
            score=float(score),
            p_value=float(p_value),
            decision=int(decision),
            seconds=seconds(one.clip.samples),
            heard_seconds=seconds(one.heard),
            remark=remark,
        )

    def _decide(self, groups: Sequence[Group], scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p_values, decisions = np.empty(len(scores)), np.empty(len(scores), bool)
        members: dict[Group, list[int]] = defaultdict(list)
        for i, group in enumerate(groups):
            members[group].append(i)
        for group, rows in members.items():
            p_values[rows] = self._score.p_values(*group, scores[rows])
            rate = self._rule.false_alarm_rate
            if rate is None:
                decisions[rows] = scores[rows] > self._thresholds[group]
            else:
                decisions[rows] = p_values[rows] <= rate
        return p_values, decisions

    def _section(self, heard: HeardFile) -> str:
        """The claimed section, or the known one under whose claim the file scores lowest."""
        if heard.clip.section != UNKNOWN:
            return heard.clip.section
        known = self._sections[heard.clip.machine_type]
        if len(known) == 1:
            return known[0]
        under_claims = heard.under_claims
        if isinstance(self._score.score, FittedScore):
            claimed = [dataclasses.replace(heard.clip, section=section) for section in known]
            reports = {self._report: np.stack([heard.report] * len(known))}
            under_claims = self._score.score_samples(reports, claimed)
        lowest = np.flatnonzero(under_claims == under_claims.min())
        return known[int(lowest[0])] if len(lowest) == 1 else ""


def _heard_remark(heard: HeardFile) -> str:
    samples = heard.clip.samples
    if 2 * heard.heard >= samples:
        return header_remark(heard.file.path)
    return f"only {seconds(heard.heard):.1f} of its {seconds(samples):.1f} s were heard"


def _long_remark(stretches: Stretches, verdict: LongVerdict, normals: int, rate: float) -> str:
    parts = f"{len(stretches.starts)} stretches of {seconds(stretches.samples):.1f} s"
    judged = f"judged by the worst of {parts}"
    if verdict.by == "whole" and verdict.p_value <= rate:
        judged = f"half of its {parts} or more are too high"
    remark = f"over {LONG} times as long as the training clips: {judged}"
    if not verdict.is_counted:
        return (
            f"{remark}; its p-value comes from a gamma distribution fitted to {normals} training normals, which alone "
            f"resolve none below {verdict.lowest:.2g}"
        )
    if verdict.lowest > rate:
        return (
            f"{remark}; {normals} training normals resolve no p-value below {verdict.lowest:.2g}, so it cannot be an "
            "anomaly: take more training normals"
        )
    return remark


def _require_enough(normals: int, rate: float, group: Group) -> None:
    lowest = 1 / (normals + 1)
    if not lowest <= rate < 1:
        raise ValueError(
            f"a false-alarm rate of {rate:g} cannot be held for {group[0]}: its {normals} training normals allow rates "
            f"from {lowest:.3g} to below 1. Choose such a rate, or --quantile, or take more training normals "
            "(--set evaluation.threshold_clips=0)"
        )
