"""Which class a classifier takes the normal test clips of each section for."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tfds_dcase import ClipInfo

from asd_jax.data.classes import ClassMap
from asd_jax.report.findings import Findings, ModelFindings
from asd_jax.report.page import Html, details, element, heading, joined, paragraph, picture, remark

CLASS_REPORT = "class_log_probabilities"
_NUMBERED_UP_TO = 14
_NAMED_UP_TO = 60


def class_confusion(findings: Findings) -> Html:
    """A heat map a model."""
    parts: list[Html] = []
    for model in findings.models:
        if len(findings.models) > 1:
            parts.append(heading(3, f"Model {model.model.name}"))
        parts.append(_of_model(model))
    return joined(parts)


def guessed_shares(
    clips: Sequence[ClipInfo], log_probabilities: np.ndarray, class_map: ClassMap
) -> tuple[list[tuple[str, str]], np.ndarray, np.ndarray]:
    """How a section's normal test clips share out over the classes that the model finds likeliest.

    Clips without a label count as normal where a section has no labelled ones.

    Args:
        clips: test clips.
        log_probabilities: what the model says of them, `[clips, classes]`.
        class_map: which class is which.

    Returns:
        Machine types and sections, shares `[sections, classes]` whose rows sum to 1, and which classes are the
        section's own, bool of the same shape.
    """
    guess = np.argmax(log_probabilities, axis=1)
    sections = sorted({(clip.machine_type, clip.section) for clip in clips})
    shares = np.zeros((len(sections), len(class_map)))
    own = np.zeros(shares.shape, bool)
    for row, key in enumerate(sections):
        members = [i for i, clip in enumerate(clips) if (clip.machine_type, clip.section) == key]
        normal = [i for i in members if clips[i].label == "normal"]
        normal = normal or [i for i in members if clips[i].label == "unknown"]
        own[row] = class_map.candidates(clips[members[0]])
        if normal:
            shares[row] = np.bincount(guess[normal], minlength=len(class_map)) / len(normal)
    return sections, shares, own


def _of_model(model: ModelFindings) -> Html:
    if CLASS_REPORT not in model.tests.reports:
        return remark(
            f"{type(model.model.detector).__name__} tells no classes apart: there is no confusion to show."
        )
    sections, shares, own = guessed_shares(
        model.tests.clips, model.tests.reports[CLASS_REPORT], model.model.class_map
    )
    names = ["/".join(values) for values in model.model.class_map.classes]
    right = float(np.mean(np.sum(shares * own, axis=1)))
    figure = _heat_map([" ".join(key) for key in sections], names, shares, own)
    described = (
        "Share of each section's normal test clips by the class that the classifier finds likeliest"
    )
    parts = [
        paragraph(
            f"Rows: true section of the normal test clips. Columns: the likeliest of {len(names)} classes "
            f"({', '.join(model.model.class_map.by)}). Framed: the section's own classes, which "
            f"{100 * right:.1f} % of the clips fall into (mean over sections). A section that is taken for "
            "another one gets unreliable anomaly scores."
        ),
        picture(figure, described),
    ]
    if len(names) > _NAMED_UP_TO:
        numbered = joined(element("li", name) for name in names)
        parts.append(details("Names of the classes by number", element("ol", numbered, start="0")))
    return joined(parts)


def _heat_map(rows: list[str], names: list[str], shares: np.ndarray, own: np.ndarray) -> Figure:
    size = 0.5 if len(names) <= _NUMBERED_UP_TO else 0.24
    width = min(3.2 + max(size * len(names), 3.0), 12.5)
    height = min(2.4 + max(size * len(rows), 1.2), 14.0)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(100 * shares, cmap="Greys", vmin=0, vmax=100, aspect="auto")
    figure.colorbar(image, ax=axes, label="share of the section's normal clips, %")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    if len(names) <= _NAMED_UP_TO:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_xlabel("likeliest class" + ("" if len(names) <= _NAMED_UP_TO else " (number)"))
    axes.set_ylabel("true section")
    _frame_own_classes(axes, own)
    if len(names) <= _NUMBERED_UP_TO:
        for row, column in zip(*np.nonzero(shares), strict=True):
            share = shares[row, column]
            shade = "white" if share > 0.5 else "black"
            axes.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", color=shade, fontsize=8
            )
    return figure


def _frame_own_classes(axes: Axes, own: np.ndarray) -> None:
    for row, column in zip(*np.nonzero(own), strict=True):
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="#d9480f", linewidth=1.5))
