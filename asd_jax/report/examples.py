"""The clips that a detector judges worst, and two to compare them with: pictures, sounds, scores."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.report.example_pictures import brightest_values, draw_clip, shown_relevance, wav_bytes
from asd_jax.report.findings import Findings, ModelFindings
from asd_jax.report.heard_model import ClipExplanation
from asd_jax.report.page import Html, code, element, heading, joined, picture, player, remark

MOST_AUDIO_BYTES = 40_000_000
_BASE64 = 4 / 3

TYPICAL = "Typical normal clip (median score)"
CLEAREST = "Most clearly detected anomaly"
FALSE_ALARM = "Worst false alarm"
MISS = "Worst miss"
HIGHEST = "Highest score"
_TYPICAL_UNLABELLED = "Typical clip (median score)"
LOG_MEL_ALONE = "so there are log-mel spectrograms alone."


@dataclasses.dataclass(frozen=True)
class Example:
    """A test clip to be shown, and why.

    Attributes:
        kind: why it was chosen.
        rank: its place among those of its kind, from 0.
        position: of the clip in its model's test clips.
    """

    kind: str
    rank: int
    position: int


def choose_examples(
    scores: Sequence[ClipScore], machine_type: str, margins: np.ndarray, count: int
) -> list[Example]:
    """A typical normal clip, the clearest anomaly, and the worst false alarms and misses of a machine type.

    Without labels the highest scores take the place of the last two.

    Args:
        scores: of a model's test clips.
        machine_type: whose clips.
        margins: their scores less their thresholds, `[clips]`.
        count: at most so many false alarms, and as many misses.
    """
    own = [i for i, score in enumerate(scores) if score.machine_type == machine_type]
    by_margin = sorted(own, key=lambda i: (-margins[i], scores[i].file_name))
    normal = [i for i in by_margin if scores[i].label == "normal"]
    anomalous = [i for i in by_margin if scores[i].label == "anomaly"]
    alarms = [i for i in normal if margins[i] > 0]
    misses = [i for i in reversed(anomalous) if margins[i] <= 0]
    found = [i for i in anomalous if margins[i] > 0]
    if not normal and not anomalous:
        chosen = {
            _TYPICAL_UNLABELLED: by_margin[len(by_margin) // 2 :][:1],
            HIGHEST: by_margin[:count],
        }
    else:
        chosen = {
            TYPICAL: normal[len(normal) // 2 :][:1],
            CLEAREST: found[:1],
            FALSE_ALARM: alarms[:count],
            MISS: misses[:count],
        }
    return [
        Example(kind, rank, i) for kind, places in chosen.items() for rank, i in enumerate(places)
    ]


def examples(findings: Findings, count: int) -> Html:
    """A part a machine type; see `choose_examples`."""
    chosen = list(_all_examples(findings, count))
    audible = _audible(
        [(example, model.tests.clips[example.position]) for model, _, example in chosen]
    )
    parts = [_introduction(findings, len(chosen), len(audible))]
    for (model, machine_type), group in groupby(chosen, key=lambda entry: entry[:2]):
        parts.append(heading(3, machine_type))
        parts += _of_machine_type(findings, model, machine_type, [e for *_, e in group], audible)
    return joined(parts)


def _all_examples(findings: Findings, count: int) -> Iterator[tuple[ModelFindings, str, Example]]:
    for model in findings.models:
        margins = np.array(
            [s.score - findings.thresholds[s.machine_type, s.section] for s in model.scores]
        )
        for machine_type in sorted({score.machine_type for score in model.scores}):
            for example in choose_examples(model.scores, machine_type, margins, count):
                yield model, machine_type, example


def _audible(chosen: Sequence[tuple[Example, ClipInfo]]) -> set[str]:
    """Ids of the clips that get a player: those of the first ranks, until the page would grow too large."""
    by_rank = sorted(chosen, key=lambda entry: entry[0].rank)
    sizes = np.cumsum([2 * clip.samples * _BASE64 for _, clip in by_rank])
    fitting = int(np.searchsorted(sizes, MOST_AUDIO_BYTES, side="right"))
    return {clip.clip_id for _, clip in by_rank[:fitting]}


def _introduction(findings: Findings, shown: int, audible: int) -> Html:
    detector = findings.models[0].model.detector
    kind = detector.relevance_kind
    parts = []
    if kind:
        text = f"The right-hand pictures show {kind}. Bright is much: compare the colour scales."
        if findings.score != detector.score_names[0]:
            text += (
                f" They explain the detector's default score, {detector.score_names[0]}; this run is judged by "
                f"{findings.score}, which weighs the clip otherwise."
            )
        parts.append(element("p", text))
        if "gradients" in kind:
            parts.append(
                remark("Parts that lower the score are left dark; neighbouring bins are smoothed.")
            )
    else:
        parts.append(
            remark(f"{type(detector).__name__} does not explain its score: {LOG_MEL_ALONE}")
        )
    parts.append(
        remark(
            "The p-value is the share of the training normals that score as high, the clip itself counted. Sounds are "
            "as recorded, at their own level, in the channel that the detector hears."
        )
    )
    if audible < shown:
        limit = MOST_AUDIO_BYTES // 1_000_000
        parts.append(
            remark(
                f"{audible} of {shown} clips have a player: more than {limit} MB of sound is left out."
            )
        )
    return joined(parts)


def _of_machine_type(
    findings: Findings,
    model: ModelFindings,
    machine_type: str,
    chosen: Sequence[Example],
    audible: set[str],
) -> list[Html]:
    clips = [model.tests.clips[example.position] for example in chosen]
    explanations = model.model.explain(clips)
    shown = [None if e.relevance is None else shown_relevance(e.relevance) for e in explanations]
    ends = iter(brightest_values([values for values in shown if values is not None]))
    source = model.model.source(clips)
    parts = []
    previous = ""
    for i, (example, explanation, relevance) in enumerate(
        zip(chosen, explanations, shown, strict=True)
    ):
        if example.kind != previous:
            parts.append(heading(4, example.kind))
            previous = example.kind
        parts.append(_described(findings, model, example))
        brightest = 0.0 if relevance is None else next(ends)
        parts.append(_drawn(clips[i], explanation, relevance, brightest))
        if clips[i].clip_id in audible:
            recording = wav_bytes(source[i], clips[i].sample_rate)
            parts.append(player(recording, f"{machine_type} {clips[i].file_name}"))
    missing = {
        FALSE_ALARM: "no false alarm",
        MISS: "no missed anomaly",
        CLEAREST: "no detected anomaly",
    }
    absent = [text for kind, text in missing.items() if kind not in {e.kind for e in chosen}]
    if absent and findings.has_labels:
        parts.append(remark(f"{machine_type} has {', '.join(absent)}."))
    return parts


def _described(findings: Findings, model: ModelFindings, example: Example) -> Html:
    score = model.scores[example.position]
    threshold = findings.thresholds[score.machine_type, score.section]
    domain = "" if score.domain == "unknown" else f", {score.domain} domain"
    label = "label unknown" if score.label == "unknown" else score.label
    numbers = (
        f" {score.section}{domain}, {label}: score {score.score:.4g}, threshold {threshold:.4g}, "
        f"p-value {model.p_values[example.position]:.3g}"
    )
    return element("p", joined([code(score.file_name), numbers]))


def _drawn(
    clip: ClipInfo, explanation: ClipExplanation, relevance: np.ndarray | None, brightest: float
) -> Html:
    figure = draw_clip(explanation, relevance, brightest)
    described = f"Log-mel spectrogram of {clip.file_name}"
    if relevance is not None:
        described += " and where in it the anomaly score comes from"
    return picture(figure, described)
