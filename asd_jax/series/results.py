"""What a run on a time series leaves behind: energies, decisions, and figures where there are labels."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from asd_jax.series.decisions import Figures, point_adjusted
from asd_jax.series.experiment import SeriesExperiment

ADJUSTED = "point_adjusted"


@dataclasses.dataclass(frozen=True)
class SeriesResults:
    """What was found.

    Attributes:
        directory: where the files lie.
        text: the tables to print.
        energies: of every time step, `[time]`.
        threshold: the energy above which a step is decided to be an anomaly.
        figures: by decision rule, `every_step` and, if asked for, `point_adjusted`; empty without labels.
    """

    directory: Path
    text: str
    energies: np.ndarray
    threshold: float
    figures: dict[str, Figures]


def write_series_results(
    directory: Path,
    experiment: SeriesExperiment,
    energies: np.ndarray,
    threshold: float,
    labels: np.ndarray | None,
    point_adjust: bool,
) -> SeriesResults:
    """Writes `energies.csv`, and with labels `result.csv` and `table.txt`.

    Point-adjusted figures come in files of their own, `result_point_adjusted.csv` and `table_point_adjusted.txt`, whose
    columns say so; those of an earlier run are removed where they are not asked for.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # What is not finite is above any threshold.
    decisions = ~(energies <= threshold)
    _write_energies(directory / "energies.csv", energies, decisions, labels)
    heading = _heading(experiment, energies, decisions, threshold)
    found: dict[str, Figures] = {}
    if labels is not None:
        found["every_step"] = Figures.of(decisions, labels)
        if point_adjust:
            thuml = experiment.scoring.thuml_adjustment
            found[ADJUSTED] = Figures.of(point_adjusted(decisions, labels, thuml=thuml), labels)
    texts = [heading]
    for rule, suffix in (("every_step", ""), (ADJUSTED, f"_{ADJUSTED}")):
        paths = directory / f"result{suffix}.csv", directory / f"table{suffix}.txt"
        if rule in found:
            texts.append(_write_figures(*paths, heading, found[rule], suffix, threshold))
            continue
        for path in paths:
            path.unlink(missing_ok=True)
    return SeriesResults(directory, "\n\n".join(texts), energies, threshold, found)


def _heading(
    experiment: SeriesExperiment, energies: np.ndarray, decisions: np.ndarray, threshold: float
) -> str:
    scoring = experiment.scoring
    source = "training and test" if scoring.thuml_threshold else "training"
    wild = np.flatnonzero(~np.isfinite(energies))
    remark = ""
    if len(wild):
        remark = (
            f"\n{len(wild)} time steps have no finite energy, the first is {wild[0]}: they count as anomalies; "
            "look at the series there"
        )
    return (
        f"{experiment.name}: {np.count_nonzero(decisions)} of {len(energies)} time steps are above "
        f"{threshold:.6g},\nthe {100 - scoring.anomaly_ratio:g}th percentile of the {source} energies{remark}"
    )


def _write_energies(
    path: Path, energies: np.ndarray, decisions: np.ndarray, labels: np.ndarray | None
) -> None:
    columns = {"time_step": np.arange(len(energies)), "energy": energies}
    columns["decision"] = decisions.astype(int)
    if labels is not None:
        columns["label"] = labels.astype(int)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def _write_figures(
    result: Path, table: Path, heading: str, figures: Figures, suffix: str, threshold: float
) -> str:
    named = {f"{key}{suffix}": value for key, value in dataclasses.asdict(figures).items()}
    with result.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["threshold", *named])
        writer.writerow([threshold, *named.values()])
    title = "every time step for itself"
    if suffix:
        title = "POINT-ADJUSTED with the labels: an anomaly of which one step is found counts whole"
    rows = [f"  {name:<26} {value:.4f}" for name, value in named.items()]
    text = "\n".join([title, *rows])
    table.write_text(f"{heading}\n\n{text}\n", encoding="utf-8")
    return text
