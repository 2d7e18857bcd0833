"""Embeddings of training normals and test clips on a plane, by class, domain and label."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from tfds_dcase import ClipInfo
from threadpoolctl import threadpool_limits

from asd_jax.report.findings import Findings, ModelFindings
from asd_jax.report.page import Html, heading, joined, paragraph, picture, remark

MOST_POINTS = 2000
_SEED = 0
_PERPLEXITY = 30.0
_FEATURES_FOR_NEIGHBOURS = 50
_NAMED_UP_TO = 12
_MARKERS = "osv^DP<>Xdph*"

Projection = Callable[[np.ndarray], np.ndarray]
"""`[clips, features]` to `[clips, 2]`."""

# Shape and fill differ as well as colour, so that a greyscale print stays readable.
_DOMAIN_STYLE: dict[str, dict[str, Any]] = {
    "source": {"marker": "o", "facecolor": "#9ecae1", "edgecolor": "#3b6e8f"},
    "target": {"marker": "^", "facecolor": "#7f2704", "edgecolor": "#7f2704"},
    "unknown": {"marker": "s", "facecolor": "none", "edgecolor": "#888888"},
}
_LABEL_STYLE: dict[str, dict[str, Any]] = {
    "training normal": {"marker": "o", "facecolor": "#cfcfcf", "edgecolor": "none"},
    "test normal": {"marker": "o", "facecolor": "none", "edgecolor": "#1f5f8b"},
    "test anomaly": {"marker": "x", "facecolor": "#c2410c"},
    "test clip without label": {"marker": "s", "facecolor": "none", "edgecolor": "#666666"},
}


def embedding_maps(findings: Findings) -> Html:
    """The maps of every model."""
    parts = [
        paragraph(
            "Each point is a clip. Clips that the detector describes alike lie close together; PCA keeps large "
            "distances, t-SNE keeps neighbours (distances between its clusters mean nothing). Axes have no unit."
        )
    ]
    if importlib.util.find_spec("umap") is None:
        parts.append(remark("UMAP is left out: the package umap-learn is not installed."))
    for model in findings.models:
        if len(findings.models) > 1:
            parts.append(heading(3, f"Model {model.model.name}"))
        parts.append(_maps_of(model))
    return joined(parts)


def _maps_of(model: ModelFindings) -> Html:
    heard = [part for part in (model.normals, model.tests) if part.clips]
    if "embedding" not in model.tests.reports:
        return remark(f"{type(model.model.detector).__name__} reports no embedding.")
    everything = np.concatenate([part.reports["embedding"] for part in heard])
    clips = [clip for part in heard for clip in part.clips]
    training = len(clips) - len(model.tests.clips)
    chosen = np.linspace(0, len(clips) - 1, min(len(clips), MOST_POINTS)).round().astype(int)
    points = everything.reshape(len(everything), -1)[chosen].astype(np.float64)
    if len(points) < 4 or points.shape[1] < 2 or not np.ptp(points, axis=0).any():
        return remark("There are too few clips, or their embeddings do not differ: no map.")
    if model.model.centers_of(clips[0]) is not None:
        # The class head compares directions; lengths are arbitrary.
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    shown = [clips[i] for i in chosen]
    is_training = chosen < training
    parts = [
        remark(
            f"{len(shown)} of {len(clips)} clips, evenly picked: {int(is_training.sum())} training normals and "
            f"{int((~is_training).sum())} test clips."
        )
    ]
    for name, project in _projections().items():
        figure = _figure(name, project(points), shown, is_training)
        described = f"{name} of the embeddings of model {model.model.name}: by section, by domain and by label"
        parts.append(picture(figure, described))
    return joined(parts)


def _projections() -> dict[str, Projection]:
    found: dict[str, Projection] = {"PCA": pca_map, "t-SNE": tsne_map}
    if importlib.util.find_spec("umap") is not None:
        found["UMAP"] = umap_map
    return found


def pca_map(points: np.ndarray) -> np.ndarray:
    """The two directions of largest variance."""
    return PCA(2, random_state=_SEED).fit_transform(points)


def tsne_map(points: np.ndarray) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton 2008) of at most 50 principal components; without randomness."""
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=_SEED)
    # Its threads wait for each other busily: on cores that others use as well, one is a hundred times faster.
    with threadpool_limits(1):
        return model.fit_transform(_principal(points))


def umap_map(points: np.ndarray) -> np.ndarray:
    """UMAP (McInnes et al. 2018) of the same; needs the package umap-learn."""
    umap = importlib.import_module("umap")
    neighbours = min(15, len(points) - 1)
    return umap.UMAP(n_neighbors=neighbours, random_state=_SEED).fit_transform(_principal(points))


def _principal(points: np.ndarray) -> np.ndarray:
    components = min(_FEATURES_FOR_NEIGHBOURS, *points.shape)
    return PCA(components, random_state=_SEED).fit_transform(points)


def _figure(
    name: str, points: np.ndarray, clips: Sequence[ClipInfo], is_training: np.ndarray
) -> Figure:
    figure = Figure(figsize=(13.5, 5.6), layout="constrained")
    panels = figure.subplots(1, 3)
    sections = [f"{clip.machine_type} {clip.section}" for clip in clips]
    _draw_sections(panels[0], points, np.array(sections))
    _draw_groups(panels[1], points, np.array([clip.domain for clip in clips]), _DOMAIN_STYLE)
    labels = [
        "training normal" if training else _label_of(clip)
        for clip, training in zip(clips, is_training, strict=True)
    ]
    _draw_groups(panels[2], points, np.array(labels), _LABEL_STYLE)
    for axes, title in zip(panels, ("by section", "by domain", "by label"), strict=True):
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{name} 1")
        axes.set_ylabel(f"{name} 2")
    return figure


def _label_of(clip: ClipInfo) -> str:
    return "test clip without label" if clip.label == "unknown" else f"test {clip.label}"


def _draw_groups(
    axes: Axes, points: np.ndarray, groups: np.ndarray, styles: dict[str, dict[str, Any]]
) -> None:
    for name, style in styles.items():
        own = points[groups == name]
        if len(own):
            axes.scatter(
                own[:, 0], own[:, 1], s=22, linewidth=0.9, label=f"{name} ({len(own)})", **style
            )
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2)


def _draw_sections(axes: Axes, points: np.ndarray, sections: np.ndarray) -> None:
    names = sorted(set(sections.tolist()))
    shades = colormaps["viridis"](np.linspace(0, 0.92, len(names)))
    for number, name in enumerate(names):
        own = points[sections == name]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=18,
            marker=_MARKERS[number % len(_MARKERS)],
            facecolor=[shades[number]],
            edgecolor="none",
            label=f"{number} {name}",
        )
    for number, (x, y) in enumerate(label_places(points, sections).tolist()):
        axes.annotate(
            str(number),
            (x, y),
            xytext=(7, 7),
            textcoords="offset points",
            fontsize=7,
            fontweight="bold",
            ha="center",
            va="center",
            bbox={
                "boxstyle": "round,pad=0.1",
                "facecolor": "white",
                "edgecolor": "#444444",
                "linewidth": 0.4,
                "alpha": 0.85,
            },
        )
    columns = 2 if len(names) <= _NAMED_UP_TO else 3
    size = 8 if len(names) <= _NAMED_UP_TO else 6
    axes.legend(fontsize=size, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=columns)


def label_places(points: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """For each group, sorted, one of its own points as far as can be from the other groups' places: `[groups, 2]`."""
    extent = np.maximum(np.ptp(points, axis=0), 1e-12)
    taken: list[np.ndarray] = []
    for name in sorted(set(groups.tolist())):
        own = points[groups == name]
        if not taken:
            taken.append(
                own[np.argmin(np.linalg.norm((own - np.median(own, axis=0)) / extent, axis=1))]
            )
            continue
        others = np.stack(taken)
        gaps = np.linalg.norm((own[:, None] - others) / extent, axis=2).min(axis=1)
        middle = np.linalg.norm((own - np.median(own, axis=0)) / extent, axis=1)
        # Far enough from its neighbours, a number stands best in the middle of its group.
        taken.append(own[np.argmin(middle - 10 * np.minimum(gaps, 0.07))])
    return np.stack(taken)
