"""Scores and decisions of every machine type: histograms, ROC curves, and what the threshold makes of them."""

from collections.abc import Sequence

from scipy import stats

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.metrics import precision_recall_f1
from asd_jax.evaluation.plots import roc_curves, score_histograms
from asd_jax.report.findings import Findings, Thresholds
from asd_jax.report.page import Html, heading, joined, paragraph, picture, remark, table
from asd_jax.report.results_section import UNLABELLED, percent

_UNLIKELY = 0.001
_HEADER = [
    "section",
    "domain",
    "threshold",
    "anomalies found",
    "anomalies missed",
    "false alarms",
    "normals passed",
    "false-alarm rate %",
    "precision %",
    "recall %",
    "F1 score %",
]


def decisions(findings: Findings) -> Html:
    """A part a machine type."""
    expected = percent(1 - findings.experiment.evaluation.threshold_quantile)
    parts = [
        paragraph(
            "A clip is called an anomaly where its score exceeds the threshold. The threshold is set for "
            f"{expected} % false alarms among normal clips like those of the training."
        )
    ]
    if not findings.has_labels:
        parts.append(remark(UNLABELLED))
    for machine_type in findings.machine_types:
        own = [score for score in findings.scores if score.machine_type == machine_type]
        said = unexpected_alarms(own, 1 - findings.experiment.evaluation.threshold_quantile)
        if said:
            parts.append(remark(f"{machine_type}: {said}"))
    for machine_type in findings.machine_types:
        own = [score for score in findings.scores if score.machine_type == machine_type]
        parts.append(heading(3, machine_type))
        figure = score_histograms(own, findings.thresholds)
        described = f"Histograms of the anomaly scores of {machine_type} by section and domain, with the threshold"
        parts.append(picture(figure, described))
        if any(score.label != "unknown" for score in own):
            figure = roc_curves(findings.experiment.data.dataset, own)
            parts.append(picture(figure, f"ROC curves of {machine_type}, a panel a section"))
            parts.append(confusion_table(machine_type, own, findings.thresholds))
        else:
            parts.append(_alarms(own, findings.thresholds))
    return joined(parts)


def unexpected_alarms(scores: Sequence[ClipScore], expected: float) -> str:
    """A remark where normal clips raise so many alarms that the threshold cannot be of clips like them; else "".

    Args:
        scores: of one machine type.
        expected: rate of false alarms that the threshold was set for.
    """
    decided = [score.decision or 0 for score in scores if score.label == "normal"]
    alarms = sum(decided)
    if not decided or alarms <= expected * len(decided):
        return ""
    chance = stats.binomtest(alarms, len(decided), expected, alternative="greater").pvalue
    if chance >= _UNLIKELY:
        return ""
    return (
        f"{alarms} of {len(decided)} normal test clips are false alarms ({percent(alarms / len(decided))} %), far more "
        f"than the {percent(expected)} % that the threshold was set for. They sound other than the training normals, "
        "or these were too few: train on more normals, of the conditions of the test"
    )


def confusion_table(machine_type: str, scores: Sequence[ClipScore], thresholds: Thresholds) -> Html:
    """True and false alarms of a machine type's labelled clips, a row a section and domain, and one for all."""
    known = [score for score in scores if score.label != "unknown"]
    groups = sorted({(score.section, score.domain) for score in known})
    lines = []
    for section, domain in groups:
        own = [score for score in known if (score.section, score.domain) == (section, domain)]
        threshold = thresholds[machine_type, section]
        lines.append([section, domain, f"{threshold:.4g}", *_counts(own)])
    if len(groups) > 1:
        lines.append(["all", "", "", *_counts(known)])
    is_mean = [line[0] == "all" for line in lines]
    return table(f"Decisions, {machine_type}", _HEADER, lines, 2, is_mean)


def _counts(scores: Sequence[ClipScore]) -> list[str]:
    labels = [int(score.label == "anomaly") for score in scores]
    decided = [score.decision or 0 for score in scores]
    pairs = list(zip(labels, decided, strict=True))
    counts = [pairs.count(pair) for pair in ((1, 1), (1, 0), (0, 1), (0, 0))]
    normals = counts[2] + counts[3]
    rate = counts[2] / normals if normals else float("nan")
    shares = [rate, *precision_recall_f1(labels, decided)]
    return [*map(str, counts), *map(percent, shares)]


def _alarms(scores: Sequence[ClipScore], thresholds: Thresholds) -> Html:
    """Of clips without labels: how many exceed the threshold."""
    lines = []
    for section in sorted({score.section for score in scores}):
        own = [score for score in scores if score.section == section]
        threshold = thresholds[own[0].machine_type, section]
        alarms = sum(score.decision or 0 for score in own)
        lines.append([section, f"{threshold:.4g}", str(len(own)), str(alarms)])
    return table("Decisions", ["section", "threshold", "clips", "called anomalies"], lines)
