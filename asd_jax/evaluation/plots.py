"""Plots of an evaluation and of a training run, readable in greyscale."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import roc_curve

from asd_jax.evaluation.clip_scores import ClipScore, dataset_year
from asd_jax.evaluation.metrics import MAX_FPR, auc, pauc
from asd_jax.evaluation.tables import compared_clips, labels_and_scores

BINS = 30
MAX_COLUMNS = 4
_DECADES = 1e3
# Fill and hatch differ as well as colour, so that a greyscale print stays readable.
_CLASS_STYLE: dict[str, dict[str, Any]] = {
    "normal": {"color": "#cfe3f2", "edgecolor": "#3b6e8f", "hatch": ""},
    "anomaly": {"color": "#c2410c", "edgecolor": "#5c1a00", "hatch": "////", "alpha": 0.6},
    "unknown": {"color": "#cccccc", "edgecolor": "#666666", "hatch": ".."},
}
_CURVE_STYLE: dict[str, dict[str, Any]] = {
    "all": {"color": "#1f3b57", "linestyle": "-"},
    "both": {"color": "#1f3b57", "linestyle": "-"},
    "source": {"color": "#2a7fb8", "linestyle": "--"},
    "target": {"color": "#d9480f", "linestyle": ":"},
}


def save_score_histograms(
    path: Path,
    clip_scores: Sequence[ClipScore],
    thresholds: Mapping[tuple[str, str], float],
) -> None:
    """Saves a PNG of `score_histograms`.

    Args:
        path: file to write.
        clip_scores: see there.
        thresholds: see there.
    """
    _save(score_histograms(clip_scores, thresholds), path)


def score_histograms(
    clip_scores: Sequence[ClipScore], thresholds: Mapping[tuple[str, str], float]
) -> Figure:
    """The anomaly scores of one machine type, a panel a section and domain.

    Args:
        clip_scores: the scored clips of one machine type.
        thresholds: decision threshold by machine type and section, drawn where there is one.

    Raises:
        ValueError: the clips are of several machine types.
    """
    panels = _panels(clip_scores)
    domains = sorted({clip.domain for clip in clip_scores})
    sections = sorted(panels)
    figure, grid = _grid(len(domains) * len(sections), len(sections), height=4.0)
    for index, (domain, section) in enumerate((d, s) for d in domains for s in sections):
        clips = [clip for clip in panels[section] if clip.domain == domain]
        axes = grid[index]
        if clips:
            _draw_histogram(axes, clips)
        threshold = thresholds.get((clip_scores[0].machine_type, section))
        if threshold is not None:
            axes.axvline(threshold, color="black", linestyle="--", label="threshold")
        axes.set_title(section if domain == "unknown" else f"{section}, {domain}")
        axes.set_xlabel("anomaly score (higher = more anomalous)")
        axes.set_ylabel("clips (count)")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    figure.suptitle(f"Anomaly scores, {clip_scores[0].machine_type}")
    return figure


def save_roc_curves(path: Path, dataset: str, clip_scores: Sequence[ClipScore]) -> None:
    """Saves a PNG of `roc_curves`.

    Args:
        path: file to write.
        dataset: see there.
        clip_scores: see there.
    """
    _save(roc_curves(dataset, clip_scores), path)


def roc_curves(dataset: str, clip_scores: Sequence[ClipScore]) -> Figure:
    """The ROC curves of one machine type, a panel a section.

    The curves are those that the year's metrics look at (`compared_clips`); the region of the
    partial AUC is shaded.

    Args:
        dataset: a name with the year, for example `dcase2021`.
        clip_scores: the scored clips of one machine type.

    Raises:
        ValueError: the clips are of several machine types.
    """
    year = dataset_year(dataset)
    panels = _panels(clip_scores)
    figure, grid = _grid(len(panels), MAX_COLUMNS)
    for axes, (section, clips) in zip(grid, sorted(panels.items()), strict=False):
        axes.axvspan(0.0, MAX_FPR, color="#e8e8e8", label=f"pAUC: FPR ≤ {MAX_FPR:.0%}")
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        for name, compared in compared_clips(year, clips).items():
            # From 2022 on only the curve of both domains carries the official pAUC.
            _draw_roc_curve(axes, name, compared, with_pauc=year <= 2021 or name == "both")
        axes.set_title(section)
        axes.set_xlabel("false-positive rate (%)")
        axes.set_ylabel("true-positive rate (%)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15))
    figure.suptitle(f"ROC curves, {clip_scores[0].machine_type}")
    return figure


def save_learning_curve(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Saves a PNG of `learning_curve`.

    Args:
        path: file to write.
        rows: see there.

    Raises:
        ValueError: no row, or a row without its step.
    """
    try:
        _save(learning_curve(rows), path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def learning_curve(rows: Sequence[Mapping[str, float]], columns: int = 1) -> Figure:
    """A training run, one panel a logged quantity over the optimiser steps.

    Args:
        rows: what was logged, for example `{"step": 10, "epoch": 0.5, "loss": 2.3}`. A row may
            lack a quantity; values that are not finite leave a gap.
        columns: panels side by side.

    Raises:
        ValueError: no row, or a row without its step.
    """
    if not rows or any("step" not in row for row in rows):
        raise ValueError("a learning curve needs rows that each hold a 'step'")
    logged = dict.fromkeys(key for row in rows for key in row)
    names = [name for name in logged if name not in ("step", "epoch")]
    figure, grid = _grid(len(names), columns, width=8.0 / columns**0.5, height=2.6)
    for axes, name in zip(grid, names, strict=False):
        points = [(row["step"], row[name]) for row in rows if name in row]
        steps, values = np.array(points, dtype=np.float64).T
        finite = values[np.isfinite(values)]
        axes.plot(steps, values, color="#1f3b57", marker="." if len(steps) < 50 else "")
        # A range of more than two decades would hide the end of the run on a linear axis.
        if finite.size and finite.min() > 0 and finite.max() / finite.min() > 100:
            axes.set_yscale("log")
        axes.set_ylabel(name.replace("_", " "))
        axes.set_xlabel("optimiser step")
        axes.grid(alpha=0.3)
    last = rows[-1]
    if names and last.get("epoch") and last["step"]:
        epoch = last["epoch"] / last["step"]
        scale = (lambda step: step * epoch, lambda value: value / epoch)
        grid[0].secondary_xaxis("top", functions=scale).set_xlabel("epoch")
    figure.suptitle("Learning curve")
    return figure


def _panels(clip_scores: Sequence[ClipScore]) -> dict[str, list[ClipScore]]:
    machine_types = {clip.machine_type for clip in clip_scores}
    if len(machine_types) != 1:
        raise ValueError(f"One plot shows one machine type, got {sorted(machine_types)}")
    panels: dict[str, list[ClipScore]] = {}
    for clip in clip_scores:
        panels.setdefault(clip.section, []).append(clip)
    return panels


def _draw_histogram(axes: Axes, clips: Sequence[ClipScore]) -> None:
    values = np.array([clip.score for clip in clips])
    # Likelihoods crowd near zero and reach far: on a linear axis all but a few would share one bar.
    if values.min() > 0 and values.max() / values.min() > _DECADES:
        edges = np.geomspace(values.min(), values.max(), BINS + 1).tolist()
        axes.set_xscale("log")
    else:
        edges = np.histogram_bin_edges(values, bins=BINS).tolist()
        axes.xaxis.set_major_locator(MaxNLocator(5))
    for label, style in _CLASS_STYLE.items():
        scores = [clip.score for clip in clips if clip.label == label]
        if scores:
            axes.hist(scores, bins=edges, label=f"{label} ({len(scores)})", **style)


def _draw_roc_curve(axes: Axes, name: str, clips: Sequence[ClipScore], with_pauc: bool) -> None:
    labels, scores = labels_and_scores(clips)
    area = auc(labels, scores)
    if math.isnan(area):
        axes.plot([], [], label=f"{name}: no AUC, one class only", **_CURVE_STYLE[name])
        return
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, scores)
    label = f"{name}: AUC {100 * area:.2f} %"
    if with_pauc:
        label += f", pAUC {100 * pauc(labels, scores):.2f} %"
    axes.plot(false_positive_rate, true_positive_rate, label=label, **_CURVE_STYLE[name])


def _grid(
    panels: int, columns: int, width: float = 4.6, height: float = 4.8
) -> tuple[Figure, list[Axes]]:
    columns = min(columns, max(panels, 1))
    lines = math.ceil(max(panels, 1) / columns)
    # Without pyplot there is no global state, no display and no figure left in memory.
    figure = Figure(figsize=(width * columns, height * lines), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in grid[panels:]:
        axes.set_visible(False)
    return figure, grid


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, format="png")
