"""Several systems, each in one or several runs, on the same test clips: means, spreads and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from tfds_dcase.folder import FOLDER
from tfds_dcase_command.invocation import command

from asd_jax.data.clips import Mode
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.foreign import dataset_of
from asd_jax.evaluation.intervals import stratum
from asd_jax.evaluation.places import read_provenance
from asd_jax.evaluation.resampling import Floats, bootstrap_weights, percentile_interval
from asd_jax.evaluation.score_files import find_score_sets, read_score_set
from asd_jax.evaluation.summary import Interval, summary_numbers
from asd_jax.evaluation.tables import resampled_rows
from asd_jax.evaluation.truth import Truths, judge, truths_of_dataset
from asd_jax.training.experiment import CONFIG_FILE, load_experiment

RESAMPLES = 1000
ALL_TYPES = ""

ProtocolKnown = Literal["honest", "oracle", "unknown"]
Place = tuple[str, str]
"""Machine type, or `ALL_TYPES`, and the name of a number (see `summary_numbers`)."""


@dataclass(frozen=True)
class System:
    """One system to compare.

    Attributes:
        name: in the tables.
        runs: the scored clips of each run, for example of each seed.
        protocol: how its scores came about: "honest", "oracle" (chosen by test labels) or "unknown".
        remark: score and checkpoint of its runs, as far as their results tell.
    """

    name: str
    runs: tuple[tuple[ClipScore, ...], ...]
    protocol: ProtocolKnown = "unknown"
    remark: str = ""

    @property
    def is_oracle(self) -> bool:
        """Whether test labels chose its scores."""
        return self.protocol == "oracle"


@dataclass(frozen=True)
class Compared:
    """A number of a system.

    Attributes:
        mean: over the runs.
        spread: sample standard deviation over the runs; NaN of one run.
        interval: 95 % bootstrap interval of the mean over clips and runs.
        difference: mean less that of the first system; NaN of the first.
        difference_interval: 95 % interval of the difference, paired by clips.
    """

    mean: float
    spread: float
    interval: Interval
    difference: float
    difference_interval: Interval


@dataclass(frozen=True)
class Comparison:
    """All numbers of all systems.

    Attributes:
        dataset: a name with the year.
        stage: development or evaluation.
        machine_types: those that all systems have scores of.
        clips: how many test clips all have scores of.
        remarks: what a reader should know.
        systems: in the order of their naming.
        numbers: by the systems' names.
    """

    dataset: str
    stage: str
    machine_types: tuple[str, ...]
    clips: int
    remarks: tuple[str, ...]
    systems: tuple[System, ...]
    numbers: Mapping[str, Mapping[Place, Compared]]


def read_system(
    name: str,
    paths: Sequence[Path],
    mode: Mode,
    dataset: str | None,
    known: Truths | None = None,
) -> tuple[System, str]:
    """Reads a system's runs, and tells the year that they are of.

    Args:
        name: in the tables.
        paths: one a run: a work directory that was evaluated, one folder of its results, or a folder of score files.
        mode: whose results of a work directory are meant, and which clips of a folder.
        dataset: a name with the year; None to read it off the runs.
        known: labels for folders of score files outside work directories, which own recordings need.

    Raises:
        FileNotFoundError: a run has no scores.
        ValueError: a run's scores have a fault, are of several systems, or of recordings without labels.
    """
    runs, years = [], set()
    protocols: set[ProtocolKnown] = set()
    told: set[str] = set()
    for path in paths:
        folder, truths, own = path, known, dataset
        protocol: ProtocolKnown = "unknown"
        if (path / CONFIG_FILE).is_file():
            folder, protocol = path / "results" / mode, "honest"
            data = load_experiment(path).data
            truths, own = truths_of_dataset(data.dataset, data.data_dir), dataset or data.dataset
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"{path} has no results of --mode={mode}: run {command('evaluate')} first"
                )
        elif (
            path.absolute().parent.name == "results"
            and (path.absolute().parents[1] / CONFIG_FILE).is_file()
        ):
            # One of several results of a work directory, by another score or protocol.
            data = load_experiment(path.absolute().parents[1]).data
            truths, own = truths_of_dataset(data.dataset, data.data_dir), dataset or data.dataset
            protocol = "honest"
        if own == FOLDER and truths is None:
            raise ValueError(
                f"{folder}: the labels of own recordings are in their prepared dataset: give --data_dir=DIR, too"
            )
        told.add(str(read_provenance(folder)))
        clips, year, is_oracle = _read_run(folder, mode, own, truths)
        runs.append(clips)
        years.add(year)
        protocols.add("oracle" if is_oracle else protocol)
    if len(years) != 1:
        raise ValueError(f"{name}: its runs are of several data sets: {', '.join(sorted(years))}")
    worst: ProtocolKnown = max(protocols, key=("honest", "unknown", "oracle").index)
    remark = "; ".join(sorted(filter(None, told)))
    return System(name, tuple(runs), worst, remark), years.pop()


def compare(
    systems: Sequence[System],
    dataset: str,
    stage: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compares every system with the first, on the clips that all of them scored.

    The clips are drawn again with replacement, the same for all systems, each machine type, section, domain and label
    on its own; so are the runs of each system.

    Args:
        systems: two or more, or one to see its spread.
        dataset: a name with the year.
        stage: development or evaluation, for the title.
        resamples: of the bootstrap.
        seed: of the draws.

    Raises:
        ValueError: two systems have one name, or no labelled clip is common to all.
    """
    names = [system.name for system in systems]
    if len(set(names)) < len(names):
        raise ValueError(f"two systems have one name: {', '.join(names)}")
    common, remarks = _common_clips(systems)
    generator = np.random.default_rng(seed)
    weights = bootstrap_weights([stratum(clip) for clip in common], resamples, generator)
    # The first row is the data themselves.
    weights = np.concatenate([np.ones((1, len(common)), np.int64), weights])
    means, spreads = {}, {}
    for system in systems:
        runs = [_numbers(dataset, _ordered(run, common), weights) for run in system.runs]
        drawn = generator.integers(0, len(runs), (resamples + 1, len(runs)))
        drawn[0] = np.arange(len(runs))
        means[system.name], spreads[system.name] = _over_runs(runs, drawn)
    first = means[names[0]]
    numbers = {
        name: {
            place: _compared(
                values, spreads[name][place], None if name == names[0] else first[place]
            )
            for place, values in means[name].items()
        }
        for name in names
    }
    types = tuple(sorted({clip.machine_type for clip in common}))
    return Comparison(dataset, stage, types, len(common), remarks, tuple(systems), numbers)


def _read_run(
    folder: Path, mode: Mode, dataset: str | None, truths: Truths | None
) -> tuple[tuple[ClipScore, ...], str, bool]:
    sets = find_score_sets(folder)
    if len(sets) > 1:
        raise ValueError(
            f"{folder} holds the scores of several systems ({', '.join(s.name for s in sets)}): name one folder a run"
        )
    year = dataset or dataset_of(sets[0])
    scored = read_score_set(sets[0], year)
    judged = [found for found in judge(year, scored, truths) if found.stage == mode]
    if not scored.clips and scored.faults:
        raise ValueError(f"{folder} has no score that can be used: {scored.faults[0]}")
    if not judged:
        raise ValueError(f"{folder} has no scores of {mode} clips; choose another --mode")
    if judged[0].undefined:
        raise ValueError(f"{folder}: {judged[0].faults[0]}")
    return judged[0].clips, year, sets[0].files[0].variant[0].startswith("oracle")


def _common_clips(systems: Sequence[System]) -> tuple[list[ClipScore], tuple[str, ...]]:
    """The labelled clips that every run has, in one order, and what that leaves out."""
    keys = [
        {_key(clip) for clip in run if clip.label != "unknown"} for s in systems for run in s.runs
    ]
    common = set.intersection(*keys)
    if not common:
        raise ValueError(
            "no labelled test clip is common to all runs; compare runs of one data set"
        )
    left_out = len(set.union(*keys)) - len(common)
    remarks = (f"{left_out} clips that some runs lack are left out",) if left_out else ()
    kept = [clip for clip in systems[0].runs[0] if _key(clip) in common]
    return sorted(kept, key=_key), remarks


def _key(clip: ClipScore) -> tuple[str, str, str]:
    return clip.machine_type, clip.section, clip.file_name


def _ordered(run: Sequence[ClipScore], common: Sequence[ClipScore]) -> list[ClipScore]:
    """A run's scores of the common clips, with the labels of the first run."""
    scores = {_key(clip): clip for clip in run}
    return [replace(clip, score=scores[_key(clip)].score, decision=None) for clip in common]


def _numbers(dataset: str, clips: Sequence[ClipScore], weights: np.ndarray) -> dict[Place, Floats]:
    rows = resampled_rows(dataset, clips, weights)
    numbers: dict[Place, Floats] = {}
    for machine_type in [ALL_TYPES, *sorted({name for name, _ in rows})]:
        own = [row for row in rows if machine_type in (ALL_TYPES, row[0])]
        found = summary_numbers(dataset, own)
        found["mean_of_both"] = (found["mean_auc"] + found["mean_pauc"]) / 2
        numbers |= {(machine_type, name): found[name] for name in found}
    return numbers


def _over_runs(
    runs: Sequence[Mapping[Place, Floats]], drawn: np.ndarray
) -> tuple[dict[Place, Floats], dict[Place, float]]:
    """Means `[resamples]` over drawn runs, and the spread over the runs themselves."""
    means, spreads = {}, {}
    rows = np.arange(len(drawn))[:, None]
    for place in runs[0]:
        values = np.stack([np.broadcast_to(run[place], len(drawn)) for run in runs], axis=1)
        means[place] = values[rows, drawn].mean(axis=1)
        spreads[place] = float(values[0].std(ddof=1)) if len(runs) > 1 else float("nan")
    return means, spreads


def _compared(values: Floats, spread: float, first: Floats | None) -> Compared:
    nothing = (float("nan"), float("nan"))
    interval = percentile_interval(values[1:])
    if first is None:
        return Compared(float(values[0]), spread, interval, float("nan"), nothing)
    difference = values - first
    return Compared(
        float(values[0]),
        spread,
        interval,
        float(difference[0]),
        percentile_interval(difference[1:]),
    )
