"""Metrics of every section by the definitions of the data set's year."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from asd_jax.evaluation.clip_scores import DOMAINS, ClipScore, check_clip_scores, dataset_year
from asd_jax.evaluation.metrics import MAX_FPR, auc, pauc, precision_recall_f1
from asd_jax.evaluation.resampling import roc_areas

DECISION_METRICS = ("precision", "recall", "F1 score")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class ResultRow:
    """Metrics of one section, in 2021 of one section and domain.

    Attributes:
        machine_type: for example `fan`.
        section: `id_00` or `section_00`.
        domain: `source` or `target` in 2021, empty in the other years.
        metrics: the year's metrics in their order, NaN where one class has no labelled clip.
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
        return {name: [clips[i] for i in _own(clips, name)] for name in DOMAINS}
    against = {name: [clips[i] for i in _against_all(clips, name)] for name in DOMAINS}
    return against | {"both": list(clips)}


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
    undefined_sections: Iterable[tuple[str, str]] = (),
) -> list[ResultRow]:
    """Metrics per section by the definition of the data set's year, in the order of its table.

    Args:
        dataset: a name with the year, for example `dcase2023`.
        clip_scores: every scored test clip; unlabelled clips count for nothing.
        extra_columns: further scores of the same clips in the same order, by column name; each
            adds the AUC that this score alone would reach.
        undefined_sections: machine types and sections that get a row of NaN whatever clips they have.

    Raises:
        ValueError: see `check_clip_scores`; or an extra column has another number of scores.
    """
    year = dataset_year(dataset)
    check_clip_scores(clip_scores)
    extra_clips = _extra_clips(clip_scores, extra_columns or {})
    rows = []
    for key, members in _members(year, clip_scores, set(undefined_sections)).items():
        machine_type, domain, section = key
        clips = [clip_scores[i] for i in members]
        metrics = {
            name: _area([clips[i] for i in compared], max_fpr)
            for name, (compared, max_fpr) in _areas_of(year, clips).items()
        }
        extra = {
            name: auc(*labels_and_scores([scored[i] for i in members]))
            for name, scored in extra_clips.items()
        }
        metrics |= _decision_metrics(year, clips)
        rows.append(ResultRow(machine_type, section, domain, metrics, extra))
    return rows


def resampled_rows(
    dataset: str, clip_scores: Sequence[ClipScore], weights: NDArray
) -> list[tuple[str, dict[str, NDArray[np.float64]]]]:
    """Machine type, AUCs and pAUCs `[resamples]` of the same rows, of resampled clips.

    Args:
        dataset: a name with the year.
        clip_scores: every scored test clip.
        weights: `[resamples, clips]`, how often each clip is in a resample.
    """
    year = dataset_year(dataset)
    rows = []
    for (machine_type, _, _), members in _members(year, clip_scores, set()).items():
        known = [i for i in members if clip_scores[i].label != "unknown"]
        clips = [clip_scores[i] for i in known]
        labels, scores = labels_and_scores(clips)
        own = weights[:, known]
        # Leaving out a clip of another section changes nothing here: all such resamples share one computation.
        is_whole = (own == 1).all(axis=1)
        computed = np.concatenate([np.flatnonzero(~is_whole), np.flatnonzero(is_whole)[:1]])
        place = np.where(is_whole, len(computed) - 1, np.cumsum(~is_whole) - 1)
        own = own[computed]
        metrics = {
            name: roc_areas(labels[compared], scores[compared], own[:, compared], max_fpr)[place]
            for name, (compared, max_fpr) in _areas_of(year, clips).items()
        }
        rows.append((machine_type, metrics))
    return rows


def official_columns(year: int) -> tuple[list[str], list[str]]:
    """Columns of the AUCs and of the pAUCs that count in the year's official score."""
    if year <= 2021:
        return ["AUC"], ["pAUC"]
    # AUC (all), and from 2023 on pAUC (source) and pAUC (target), are listed but never count.
    return [f"AUC ({name})" for name in DOMAINS], ["pAUC"]


def _members(
    year: int, clip_scores: Sequence[ClipScore], undefined: set[tuple[str, str]]
) -> dict[tuple[str, str, str], list[int]]:
    """Positions of the clips of every row of the table, by machine type, domain and section."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    # Both domains get a row in 2021, so that an absent one shows instead of vanishing.
    domains = DOMAINS if year == 2021 else ("",)
    for machine_type, section in undefined:
        groups |= {(machine_type, domain, section): [] for domain in domains}
    for i, clip in enumerate(clip_scores):
        for domain in domains:
            members = groups.setdefault((clip.machine_type, domain, clip.section), [])
            is_defined = (clip.machine_type, clip.section) not in undefined
            if domain in ("", clip.domain) and is_defined:
                members.append(i)
    return dict(sorted(groups.items()))


def _areas_of(year: int, clips: Sequence[ClipScore]) -> dict[str, tuple[Positions, float | None]]:
    """By metric: which of a row's clips stand in its ROC curve, and where on the false-positive axis a part ends."""
    everything = np.arange(len(clips))
    if year <= 2021:
        return {"AUC": (everything, None), "pAUC": (everything, MAX_FPR)}
    areas: dict[str, tuple[Positions, float | None]] = {"AUC (all)": (everything, None)}
    areas |= {f"AUC ({name})": (_against_all(clips, name), None) for name in DOMAINS}
    areas["pAUC"] = (everything, MAX_FPR)
    if year >= 2023:
        areas |= {f"pAUC ({name})": (_own(clips, name), MAX_FPR) for name in DOMAINS}
    return areas


def _own(clips: Sequence[ClipScore], domain: str) -> Positions:
    return np.flatnonzero([clip.domain == domain for clip in clips])


def _against_all(clips: Sequence[ClipScore], domain: str) -> Positions:
    return np.flatnonzero([clip.domain == domain or clip.label == "anomaly" for clip in clips])


def _area(clips: Sequence[ClipScore], max_fpr: float | None) -> float:
    labels, scores = labels_and_scores(clips)
    return auc(labels, scores) if max_fpr is None else pauc(labels, scores, max_fpr)


def _decision_metrics(year: int, clips: Sequence[ClipScore]) -> dict[str, float]:
    """Precision, recall and F1 score of a row; of each domain's own clips from 2022 on, none in 2020."""
    if year == 2020:
        return {}
    if year == 2021:
        return _of_decisions(clips)
    by_domain = {name: _of_decisions([clips[i] for i in _own(clips, name)]) for name in DOMAINS}
    return {
        f"{metric} ({name})": by_domain[name][metric]
        for metric in DECISION_METRICS
        for name in DOMAINS
    }


def _of_decisions(clips: Sequence[ClipScore]) -> dict[str, float]:
    known = [clip for clip in clips if clip.label != "unknown"]
    decisions = [clip.decision for clip in known if clip.decision is not None]
    if len(decisions) < len(known):
        return dict.fromkeys(DECISION_METRICS, float("nan"))
    labels, _ = labels_and_scores(known)
    return dict(zip(DECISION_METRICS, precision_recall_f1(labels, decisions), strict=True))


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
