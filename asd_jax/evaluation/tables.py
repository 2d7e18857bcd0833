"""Rows of a year's official result table, and the `result.csv` that holds them."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd_jax.evaluation.clip_scores import DOMAINS, ClipScore, check_clip_scores, dataset_year
from asd_jax.evaluation.metrics import (
    arithmetic_mean,
    auc,
    harmonic_mean,
    pauc,
    precision_recall_f1,
)

DECISION_METRICS = ("precision", "recall", "F1 score")


@dataclass(frozen=True)
class ResultRow:
    """Metrics of one section, in 2021 of one section and domain.

    Attributes:
        machine_type: for example `fan`.
        section: `id_00` or `section_00`.
        domain: `source` or `target` in 2021, empty in the other years.
        metrics: the year's columns in their order, NaN where one class has no labelled clip.
        extra: AUC of further scores of the same clips, by column name.
    """

    machine_type: str
    section: str
    domain: str
    metrics: dict[str, float]
    extra: dict[str, float] = field(default_factory=dict)


def compared_clips(year: int, clips: Sequence[ClipScore]) -> dict[str, list[ClipScore]]:
    """The clips of one section whose ROC curves the year looks at, by the curve's name.

    2020 compares all clips of a machine ID. 2021 keeps the domains apart. From 2022 on, a
    domain's normal clips stand against the anomalies of both domains, and `both` holds all clips.
    """
    if year == 2020:
        return {"all": list(clips)}
    if year == 2021:
        return {name: [clip for clip in clips if clip.domain == name] for name in DOMAINS}
    curves = {
        name: [clip for clip in clips if clip.domain == name or clip.label == "anomaly"]
        for name in DOMAINS
    }
    return curves | {"both": list(clips)}


def labels_and_scores(
    clips: Sequence[ClipScore],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels `[clips]` (1 anomaly, 0 normal) and anomaly scores `[clips]`, unlabelled left out."""
    known = [clip for clip in clips if clip.label != "unknown"]
    labels = np.array([clip.label == "anomaly" for clip in known], dtype=np.int64)
    return labels, np.array([clip.score for clip in known], dtype=np.float64)


def result_rows(
    dataset: str,
    clip_scores: Sequence[ClipScore],
    extra_columns: Mapping[str, Sequence[float]] | None = None,
) -> list[ResultRow]:
    """Metrics per section by the definition of the data set's year, in the order of its table.

    Args:
        dataset: a name with the year, for example `dcase2023`.
        clip_scores: every scored test clip; unlabelled clips count for nothing.
        extra_columns: further scores of the same clips in the same order, by column name; each
            adds the AUC that this score alone would reach.

    Raises:
        ValueError: see `check_clip_scores`; or an extra column has another number of scores.
    """
    year = dataset_year(dataset)
    check_clip_scores(clip_scores)
    extra_clips = _extra_clips(clip_scores, extra_columns or {})
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index, clip in enumerate(clip_scores):
        # Both domains get a row in 2021, so that an absent one shows instead of vanishing.
        for domain in DOMAINS if year == 2021 else ("",):
            members = groups.setdefault((clip.machine_type, domain, clip.section), [])
            if domain in ("", clip.domain):
                members.append(index)
    rows = []
    for (machine_type, domain, section), members in sorted(groups.items()):
        metrics = _section_metrics(year)(year, [clip_scores[index] for index in members])
        extra = {
            name: auc(*labels_and_scores([clips[index] for index in members]))
            for name, clips in extra_clips.items()
        }
        rows.append(ResultRow(machine_type, section, domain, metrics, extra))
    return rows


def mean_rows(year: int) -> dict[str, Callable[[Sequence[float]], float]]:
    """The mean rows below a machine type's sections, by their label in the year's table."""
    if year == 2020:
        return {"Average": arithmetic_mean}
    return {"arithmetic mean": arithmetic_mean, "harmonic mean": harmonic_mean}


def write_result_csv(path: Path, dataset: str, rows: Sequence[ResultRow]) -> None:
    """Writes the table of the year's baseline, one block a machine type.

    An undefined metric is the cell `nan`, and so is every mean over it: the layout has no place
    for a remark that the mean is incomplete.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError(f"{path}: no section to write; score at least one test clip")
    year = dataset_year(dataset)
    keys = {2020: ["id"], 2021: ["section", "domain"]}.get(year, ["section"])
    blank = [""] * (len(keys) - 1)
    means = mean_rows(year)
    lines: list[list[str | float]] = []
    for machine_type, block in groupby(rows, key=lambda row: row.machine_type):
        block_rows = list(block)
        lines += [[machine_type], [*keys, *block_rows[0].metrics]]
        for row in block_rows:
            number = row.section.rpartition("_")[2]
            lines.append([number, *([row.domain] if blank else []), *row.metrics.values()])
        for label, mean in means.items():
            lines.append([label, *blank, *column_means(block_rows, mean).values()])
        lines.append([])
    if year != 2020:
        lines.append(["", *blank, *rows[0].metrics])
        for label, mean in means.items():
            label += " over all machine types, sections, and domains"
            lines.append([label, *blank, *column_means(rows, mean).values()])
        lines.append([])
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def column_means(
    rows: Sequence[ResultRow], mean: Callable[[Sequence[float]], float]
) -> dict[str, float]:
    """Mean of every official column over the rows."""
    return {name: mean([row.metrics[name] for row in rows]) for name in rows[0].metrics}


def _extra_clips(
    clip_scores: Sequence[ClipScore], extra_columns: Mapping[str, Sequence[float]]
) -> dict[str, list[ClipScore]]:
    extra = {}
    for name, scores in extra_columns.items():
        if len(scores) != len(clip_scores):
            raise ValueError(
                f"Column '{name}' has {len(scores)} scores for {len(clip_scores)} clips; "
                "give one score a clip in the same order"
            )
        pairs = zip(clip_scores, scores, strict=True)
        extra[name] = [replace(clip, score=float(score)) for clip, score in pairs]
        try:
            check_clip_scores(extra[name])
        except ValueError as error:
            raise ValueError(f"Column '{name}': {error}") from error
    return extra


def _section_metrics(year: int) -> Callable[[int, Sequence[ClipScore]], dict[str, float]]:
    return {2020: _metrics_2020, 2021: _metrics_2021}.get(year, _metrics_from_2022)


def _metrics_2020(year: int, clips: Sequence[ClipScore]) -> dict[str, float]:
    labels, scores = labels_and_scores(clips)
    return {"AUC": auc(labels, scores), "pAUC": pauc(labels, scores)}


def _metrics_2021(year: int, clips: Sequence[ClipScore]) -> dict[str, float]:
    return _metrics_2020(year, clips) | _decision_metrics(clips)


def _metrics_from_2022(year: int, clips: Sequence[ClipScore]) -> dict[str, float]:
    curves = compared_clips(year, clips)
    own = {name: [clip for clip in clips if clip.domain == name] for name in DOMAINS}
    metrics = {f"AUC ({name})": auc(*labels_and_scores(curves[name])) for name in DOMAINS}
    metrics["pAUC"] = pauc(*labels_and_scores(curves["both"]))
    if year >= 2023:
        metrics |= {f"pAUC ({name})": pauc(*labels_and_scores(own[name])) for name in DOMAINS}
    decided = {name: _decision_metrics(own[name]) for name in DOMAINS}
    return metrics | {
        f"{metric} ({name})": decided[name][metric]
        for metric in DECISION_METRICS
        for name in DOMAINS
    }


def _decision_metrics(clips: Sequence[ClipScore]) -> dict[str, float]:
    known = [clip for clip in clips if clip.label != "unknown"]
    decisions = [clip.decision for clip in known if clip.decision is not None]
    if len(decisions) < len(known):
        return dict.fromkeys(DECISION_METRICS, float("nan"))
    labels, _ = labels_and_scores(known)
    return dict(zip(DECISION_METRICS, precision_recall_f1(labels, decisions), strict=True))
