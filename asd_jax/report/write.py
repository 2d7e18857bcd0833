"""From a trained work directory to one HTML file."""

import os
from pathlib import Path

import jax

from asd_jax.config import Experiment
from asd_jax.evaluation.places import place_name
from asd_jax.evaluation.plots import learning_curve
from asd_jax.report import results_section
from asd_jax.report.class_confusion import class_confusion
from asd_jax.report.decisions import decisions
from asd_jax.report.embedding_map import embedding_maps
from asd_jax.report.examples import examples
from asd_jax.report.findings import Findings, find
from asd_jax.report.page import Html, document, heading, joined, picture, remark
from asd_jax.training.logs import read_log


def report_path(experiment: Experiment, workdir: Path, default_score: str) -> Path:
    """Where the report lies: beside the results, whose folder is replaced as a whole, and named as that is."""
    return workdir / f"report_{place_name(experiment, workdir, default_score)}.html"


def write_report(
    experiment: Experiment, workdir: Path, path: Path | None = None, example_count: int = 3
) -> Path:
    """Hears the mode's test clips and the training normals once, and writes all that is to be told of them.

    Args:
        experiment: the work directory's configuration; data.mode and data.machine_types may differ from training.
        workdir: of a finished training.
        path: file to write, as a whole or not at all; by default `report_path`.
        example_count: worst false alarms to show of each machine type, and as many misses; 0 for no examples.

    Returns:
        The file.

    Raises:
        FileNotFoundError: a model is not trained, or the folder of the file is not there.
        ValueError: see `find`; or there are several processes.
    """
    if jax.process_count() > 1:
        raise ValueError("a report is written by one process: leave out --multi_process")
    if path and not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is no folder: make it, or choose another --output")
    if path is None and not os.access(workdir, os.W_OK):
        raise ValueError(
            f"{workdir} cannot be written to: give a file for the report, --output=FILE"
        )
    findings = find(experiment, workdir)
    default = findings.models[0].model.detector.score_names[0]
    path = path or report_path(experiment, workdir, default)
    page = page_of(findings, example_count)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
    return path


def page_of(findings: Findings, example_count: int) -> Html:
    """The whole page."""
    sections = [
        ("run", "The run", results_section.head(findings)),
        ("results", "Results", results_section.results(findings)),
        ("decisions", "Scores and decisions", decisions(findings)),
        ("embeddings", "Map of the embeddings", embedding_maps(findings)),
        ("classes", "Confusion of classes", class_confusion(findings)),
        ("training", "Training", _training(findings)),
    ]
    if example_count:
        shown = examples(findings, example_count)
        sections.append(("examples", "Examples to look at and to listen to", shown))
    return document(results_section.title(findings), sections)


def _training(findings: Findings) -> Html:
    parts = []
    for model in findings.models:
        name = model.model.name
        if len(findings.models) > 1:
            parts.append(heading(3, f"Model {name}"))
        log = read_log(model.model.directory)
        if log:
            described = f"Learning curves of model {name}: {', '.join(log[-1])}"
            parts.append(picture(learning_curve(log, columns=2), described))
        else:
            parts.append(remark("There is no training log: the weights were imported."))
    return joined(parts)
