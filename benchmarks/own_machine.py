"""Which recipe suits a folder of normal sounds of one machine: python -m benchmarks.own_machine [--seeds=1,2,3]

Simulates machines of every seed (six types, one unit each, 60 normal and 60 anomalous test clips), trains every
candidate on the training normals of one machine at a time, and decides by the threshold that all of them give. Prints
a line a candidate: AUC, pAUC, how many of 60 anomalies were found, how many of 60 normals were taken for one, and
seconds of training. `configs/own_machine.py` was chosen by this table: by the labels of simulated machines, which are
nobody's test.
"""

import functools
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from absl import app, flags

_SEEDS = flags.DEFINE_list("seeds", ["1", "2", "3"], "One set of machines each.")
_TRAIN_CLIPS = flags.DEFINE_integer("train_clips", 64, "Training normals of a machine.")
_CANDIDATES = flags.DEFINE_list("candidates", [], "Some of them; all by default.")
_MACHINE_TYPES = flags.DEFINE_list("machine_types", [], "Some of dcase2020's; all by default.")
_PROCESSES = flags.DEFINE_integer("processes", 1, "Machines trained at the same time.")
_FOLDER = flags.DEFINE_string("folder", "", "Keeps archives, data sets and figures here.")

_DATASET = "dcase2020"
_TYPES = ("ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve")


class Candidate(NamedTuple):
    """A recipe's name, what is changed in it (`--set`), and further scores of the same training."""

    config: str
    settings: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()


class Figures(NamedTuple):
    """What one trained machine gave."""

    candidate: str
    machine: str
    auc: float
    pauc: float
    found: float
    false: float
    seconds: float


def _mahalanobis(epochs: int, *settings: str, scores: tuple[str, ...] = ()) -> Candidate:
    return Candidate(
        "demo_autoencoder_mahalanobis", (f"training.epochs={epochs}", *settings), scores
    )


CANDIDATES = {
    "mahalanobis_8": _mahalanobis(8),
    "mahalanobis_30": _mahalanobis(30),
    "mahalanobis_60": _mahalanobis(60, scores=("mahalanobis", "mse", "knn", "gmm")),
    "mahalanobis_100": _mahalanobis(100),
    "mahalanobis_60_batch_4": _mahalanobis(60, "training.batch_size=4"),
    "mahalanobis_60_every_vector": _mahalanobis(60, "detector.excerpt_hop=1"),
    "mse_8": Candidate("demo_autoencoder", ("evaluation.threshold_clips=0",)),
    "mse_60": Candidate("demo_autoencoder", ("evaluation.threshold_clips=0", "training.epochs=60")),
    "linear_20": Candidate(
        "demo_linear_autoencoder", ("evaluation.threshold_clips=0",), ("", "knn")
    ),
    "linear_60": Candidate(
        "demo_linear_autoencoder", ("evaluation.threshold_clips=0", "training.epochs=60")
    ),
    "anomaly_transformer_12": Candidate("demo_anomaly_transformer", (), ("", "knn")),
    "anomaly_transformer_40": Candidate("demo_anomaly_transformer", ("training.epochs=40",)),
}


def main(_: Sequence[str]) -> None:
    """Simulates, trains, and prints the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(_FOLDER.value or scratch).resolve()
        machine_types = _MACHINE_TYPES.value or list(_TYPES)
        clips = _TRAIN_CLIPS.value
        sets = [(folder / f"seed{seed}-{clips}", int(seed)) for seed in _SEEDS.value]
        with _workers() as pool:
            for made in [
                pool.submit(_simulate, where, seed, clips, machine_types) for where, seed in sets
            ]:
                made.result()
        figures = _train(sets, machine_types, folder)
    _print_table(figures)


def _workers() -> ProcessPoolExecutor:
    processes = multiprocessing.get_context("spawn")
    cores = processes.Queue()
    every = sorted(os.sched_getaffinity(0))
    for core in every:
        cores.put({core} if _PROCESSES.value > 1 else set(every))
    keep = functools.partial(_keep_to_its_cores, cores)
    return ProcessPoolExecutor(_PROCESSES.value, processes, keep)


def _keep_to_its_cores(cores: "multiprocessing.Queue[set[int]]") -> None:
    # A core each: threads of several processes on the same cores would wait for each other.
    own = cores.get()
    os.sched_setaffinity(0, own)
    cores.put(own)


def _simulate(folder: Path, seed: int, clips: int, machine_types: list[str]) -> None:
    import tfds_dcase

    from asd_jax.simulation import SimulationSize, simulate

    if (folder / "data").exists():
        return
    size = SimulationSize(sections=1, train=clips, test_normal=60, test_anomaly=60)
    simulate(_DATASET, folder / "archives", size, machine_types, seed=seed)
    tfds_dcase.prepare(_DATASET, folder / "archives", folder / "data")


def _train(sets: list[tuple[Path, int]], machine_types: list[str], folder: Path) -> list[Figures]:
    names = _CANDIDATES.value or list(CANDIDATES)
    figures: list[Figures] = []
    log = folder / "figures.jsonl"
    with _workers() as pool:
        jobs = [
            pool.submit(_machine, name, where, seed, machine, folder / "runs")
            for name in names
            for where, seed in sets
            for machine in machine_types
        ]
        for job in as_completed(jobs):
            figures += job.result()
            with log.open("a") as file:
                file.writelines(json.dumps(found._asdict()) + "\n" for found in job.result())
    return figures


def _machine(name: str, where: Path, seed: int, machine: str, runs: Path) -> list[Figures]:
    from asd_jax.config import load_config, override
    from asd_jax.evaluation.evaluate import evaluate
    from asd_jax.training.experiment import load_experiment, train

    candidate = CANDIDATES[name]
    config = Path(__file__).parents[1] / "configs" / f"{candidate.config}.py"
    settings = [
        *candidate.settings,
        f"data.data_dir={where / 'data'}",
        f"data.machine_types={machine}",
        "data.one_model_per=machine_type",
    ]
    experiment = override(load_config(config), settings)
    safe = "".join(letter if letter.isalnum() else "_" for letter in name)
    workdir = runs / f"{where.name}-{machine}-{safe}"
    start = time.perf_counter()
    train(experiment, workdir)
    seconds = time.perf_counter() - start
    figures = []
    for score in candidate.scores or (experiment.evaluation.score,):
        chosen = load_experiment(workdir)
        if score:
            chosen = override(chosen, [f"evaluation.score={score}"])
        results = evaluate(chosen, workdir)
        assert results is not None
        label = f"{name}: {score}" if candidate.scores else name
        figures.append(_figures(label, f"{seed} {machine}", results.directory, seconds))
    return figures


def _figures(label: str, machine: str, directory: Path, seconds: float) -> Figures:
    from sklearn.metrics import roc_auc_score

    from asd_jax.evaluation.score_files import read_clip_scores

    clips = read_clip_scores(directory)
    truth = [clip.label == "anomaly" for clip in clips]
    scores = [clip.score for clip in clips]
    rung = [bool(clip.decision) for clip in clips]
    return Figures(
        label,
        machine,
        float(roc_auc_score(truth, scores)),
        float(roc_auc_score(truth, scores, max_fpr=0.1)),
        sum(ring for ring, bad in zip(rung, truth, strict=True) if bad),
        sum(ring for ring, bad in zip(rung, truth, strict=True) if not bad),
        seconds,
    )


def _print_table(figures: list[Figures]) -> None:
    print(
        "| recipe | machines | mean AUC | lowest AUC | mean pAUC | found of 60 | false of 60 | most false | seconds |"
    )
    print("|" + " --- |" * 9)
    for name in sorted({row.candidate for row in figures}):
        rows = [row for row in figures if row.candidate == name]
        print(
            f"| {name} | {len(rows)} | {100 * _mean('auc', rows):.1f} | "
            f"{100 * min(row.auc for row in rows):.1f} | {100 * _mean('pauc', rows):.1f} | "
            f"{_mean('found', rows):.1f} | {_mean('false', rows):.1f} | "
            f"{max(row.false for row in rows):.0f} | {_mean('seconds', rows):.0f} |"
        )


def _mean(field: str, rows: Sequence[Figures]) -> float:
    return statistics.mean(getattr(row, field) for row in rows)


if __name__ == "__main__":
    app.run(main)
