"""Tiny trained work directories, the wav files that their clips came from, and ways to score these."""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import Experiment, override
from asd_jax.inference.run import FileScoring, score_files
from asd_jax.training.experiment import load_experiment, train

Rows = list[dict[str, str]]
Score = Callable[..., Rows]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpacks a prepared dataset's archives: a folder a machine type."""

    def unpack(data_dir: str) -> Path:
        folder = tmp_path_factory.mktemp("wav")
        for path in sorted(Path(data_dir, "archives").glob("*.zip")):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        return folder

    return unpack


@pytest.fixture(scope="session")
def data_2020(prepared: Any) -> str:
    return prepared("dcase2020", ["fan", "valve"], ("dev", "eval"))


@pytest.fixture(scope="session")
def run_2020(tiny: Experiment, data_2020: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model for both machine types, trained on the development data."""
    workdir = tmp_path_factory.mktemp("run_2020")
    train(override(tiny, [f"data.data_dir={data_2020}"]), workdir)
    return workdir


@pytest.fixture(scope="session")
def wavs_2020(data_2020: str, unpacked: Callable[[str], Path]) -> Path:
    return unpacked(data_2020)


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """Scores paths with a work directory: `score(workdir, [path], "evaluation.score=knn", quantile=0.5)`."""

    def run(workdir: Path, paths: list[Path], *settings: str, **options: Any) -> Rows:
        experiment = override(load_experiment(workdir), settings)
        output = tmp_path / "scores.csv"
        score_files(experiment, workdir, paths, FileScoring(**options), output)
        with output.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return list(csv.DictReader(file))

    return run
