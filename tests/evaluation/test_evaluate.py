"""From a work directory to the year's result table, on tiny simulated datasets."""

import csv
import dataclasses
import json
import os
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tfds_dcase
from absl import logging

from asd_jax.config import Experiment, override
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource
from asd_jax.evaluation.clip_scores import DOMAINS, ClipScore
from asd_jax.evaluation.comparison import read_system
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.results import Results
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.scoring.clip_reports import report_clips
from asd_jax.scoring.threshold import GammaThreshold
from asd_jax.simulation import SimulationSize
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.experiment import build_detector, load_experiment, train, training_clips
from asd_jax.training.mesh import data_mesh

PLOTS = {"score_histograms", "roc_curves"}
BOTH = ("dev", "eval")
# As many steps a training in every year: the compiled step can be used again.
SIZE_2021 = SimulationSize(sections=2, train=12, test_normal=4, test_anomaly=4)
SIZE_2023 = SimulationSize(sections=1, train=24, test_normal=4, test_anomaly=4)


@pytest.fixture(scope="module")
def data_2020(prepared: Any) -> str:
    return prepared("dcase2020", ["fan", "valve"], BOTH)


@pytest.fixture(scope="module")
def run_2020(tiny: Experiment, data_2020: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on the development data alone."""
    workdir = tmp_path_factory.mktemp("run_2020")
    train(override(tiny, [f"data.data_dir={data_2020}", "evaluation.loudness=true"]), workdir)
    return workdir


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    logged: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *args: logged.append(text % args))
    return logged


def evaluated(workdir: Path, *settings: str) -> Results:
    results = evaluate(override(load_experiment(workdir), settings), workdir)
    assert results is not None
    return results


def result_csv(results: Results) -> list[list[str]]:
    """The year's table behind the line that names protocol, checkpoint and score."""
    with (results.directory / "result.csv").open(newline="") as file:
        head, *table = csv.reader(file)
    (said,) = head
    assert said in results.text.splitlines()[0]
    assert said.startswith("honest protocol: last checkpoint, score nll_margin")
    return table


def files(results: Results, ending: str) -> set[str]:
    return {path.name for path in results.directory.glob(f"*{ending}")}


def score_files(names: list[str]) -> set[str]:
    return {f"{kind}_{name}.csv" for kind in ("anomaly_score", "decision_result") for name in names}


def test_the_table_of_2020(run_2020: Path) -> None:
    """File names, layout and plots of the year; the learning curve lies beside the model."""
    results = evaluated(run_2020)
    assert results.directory == run_2020 / "results" / "development"
    names = [f"{machine}_id_{number}" for machine in ("fan", "valve") for number in ("00", "02")]
    assert files(results, ".csv") == score_files(names) | {"result.csv"}
    plots = {f"{plot}_{machine}.png" for plot in PLOTS for machine in ("fan", "valve")}
    assert files(results, ".png") == plots
    table = result_csv(results)
    assert [row[:1] for row in table] == [
        [name] if name else []
        for machine in ("fan", "valve")
        for name in (machine, "id", "00", "02", "Average", "")
    ]
    assert table[1] == ["id", "AUC", "pAUC"]
    for start in (2, 8):
        ids, average = table[start : start + 2], table[start + 2]
        for column in (1, 2):
            values = [float(row[column]) for row in ids]
            assert float(average[column]) == pytest.approx(np.mean(values))
    assert (run_2020 / "models/all/learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "RMS AUC" in results.text
    assert (results.directory / "table.txt").read_text() == results.text + "\n"


def scores_and_decisions(results: Results) -> dict[tuple[str, str], tuple[float, int | None]]:
    clips = read_clip_scores(results.directory)
    return {(clip.machine_type, clip.file_name): (clip.score, clip.decision) for clip in clips}


def trained_scores(workdir: Path) -> dict[str, list[float]]:
    """Scores of the training clips by machine type, without the code under test."""
    experiment = load_experiment(workdir)
    clips = training_clips(experiment)
    model = workdir / "models" / "all"
    class_map = ClassMap.load(model / "class_map.json")
    detector = build_detector(experiment, class_map, len(clips))
    with Checkpoints(model / "checkpoints") as checkpoints:
        shapes = jax.eval_shape(detector.init, jax.random.key(0))
        state = checkpoints.restore(shapes, data_mesh())
    source = ClipSource(experiment.data.dataset, experiment.data.data_dir, clips)
    policy = experiment.detector.windows()
    config = experiment.evaluation
    reports = report_clips(detector, state, source, class_map, policy, config, "training clips")
    found = defaultdict(list)
    for clip, score in zip(clips, reports[detector.score_names[0]], strict=True):
        assert clip.label == "normal"
        found[clip.machine_type].append(float(score))
    return found


def test_a_decision_is_a_score_above_the_threshold_of_training_normals(run_2020: Path) -> None:
    """Fitted once a machine type, at the configured quantile."""
    normals = trained_scores(run_2020)
    for quantile in (0.5, 0.9):
        results = evaluated(run_2020, f"evaluation.threshold_quantile={quantile}")
        thresholds = {
            name: GammaThreshold(quantile).fit(scores).threshold_
            for name, scores in normals.items()
        }
        decisions = scores_and_decisions(results)
        assert {decision for _, decision in decisions.values()} <= {0, 1}
        for (machine_type, _), (score, decision) in decisions.items():
            assert decision == int(score > thresholds[machine_type])


def relabelled(data_dir: str, folder: Path, labels: dict[str, str]) -> str:
    """The same audio with other labels of the evaluation clips."""
    shutil.copytree(Path(data_dir) / "archives", folder / "archives")
    table = folder / "archives" / "ground_truth.csv"
    rows = list(csv.DictReader(table.open(newline="")))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        kept = [row for row in rows if row["label"] in labels]
        writer.writerows(row | {"label": labels[row["label"]]} for row in kept)
    tfds_dcase.prepare("dcase2020", folder / "archives", folder)
    return str(folder)


def test_test_labels_change_no_score_and_no_decision(
    run_2020: Path, data_2020: str, tmp_path: Path, warnings_logged: list[str]
) -> None:
    """Normal and anomaly exchanged turn the AUC round; without labels only scores and decisions are written.

    The sections were not in training: a warning says so and what they are compared with.
    """
    settings = ("data.mode=evaluation", "data.data_dir=")
    true = evaluated(run_2020, settings[0])
    assert "not in training: fan id_01, fan id_03, valve id_01, valve id_03." in " ".join(
        warnings_logged
    )
    assert "train with --mode=evaluation" in " ".join(warnings_logged)
    names = [f"{machine}_id_{number}" for machine in ("fan", "valve") for number in ("01", "03")]
    assert files(true, ".csv") == score_files(names) | {"result.csv"}
    expected, auc = scores_and_decisions(true), true.summary
    assert len(expected) == 16

    exchanged = {"normal": "anomaly", "anomaly": "normal"}
    turned = evaluated(
        run_2020, settings[0], settings[1] + relabelled(data_2020, tmp_path / "turned", exchanged)
    )
    assert scores_and_decisions(turned) == expected
    assert auc is not None
    assert turned.summary is not None
    assert turned.summary.mean_auc == pytest.approx(1 - auc.mean_auc)

    hidden = evaluated(
        run_2020, settings[0], settings[1] + relabelled(data_2020, tmp_path / "hidden", {})
    )
    assert scores_and_decisions(hidden) == expected
    assert hidden.summary is None
    assert files(hidden, "") == score_files(names) | {"summary.json"}
    assert "the labels of all 16 test clips are unknown" in hidden.text


def test_one_model_of_both_stages_serves_both_modes(
    tiny: Experiment, data_2020: str, tmp_path: Path, warnings_logged: list[str]
) -> None:
    """As the paper's recipe: every section of either mode was in training."""
    settings = [f"data.data_dir={data_2020}", "data.train_stages=dev,eval"]
    train(override(tiny, [*settings, "data.machine_types=fan"]), tmp_path)
    assert len(ClassMap.load(tmp_path / "models/all/class_map.json")) == 4
    for mode, sections in {"development": {"00", "02"}, "evaluation": {"01", "03"}}.items():
        results = evaluated(tmp_path, f"data.mode={mode}")
        assert results.directory == tmp_path / "results" / mode
        assert {clip.section[-2:] for clip in read_clip_scores(results.directory)} == sections
    assert not [text for text in warnings_logged if "not in training" in text]


def test_a_part_of_the_machine_types(run_2020: Path) -> None:
    """The scores are those of the whole evaluation."""
    whole = scores_and_decisions(evaluated(run_2020))
    part = scores_and_decisions(evaluated(run_2020, "data.machine_types=valve"))
    assert part == {key: value for key, value in whole.items() if key[0] == "valve"}


def test_what_a_user_may_get_wrong_is_named(run_2020: Path) -> None:
    with pytest.raises(ValueError, match=r"machine types pump are not .* holds fan, valve"):
        evaluated(run_2020, "data.machine_types=pump")
    known = r"evaluation.score kn: this detector has nll_margin,.*any detector are knn, lof"
    with pytest.raises(ValueError, match=known):
        evaluated(run_2020, "evaluation.score=kn")
    with pytest.raises(ValueError, match=r"reports .*embedding.*, not error_moments"):
        evaluated(run_2020, "evaluation.score=knn", "evaluation.scorer.report=error_moments")


def test_a_scorer_on_the_embeddings_gives_a_table_and_decisions(run_2020: Path) -> None:
    """Fitted on the training normals, with a threshold that some of them exceed and most do not."""
    results = evaluated(run_2020, "evaluation.score=knn", "evaluation.scorer.metric=euclidean")
    clips = read_clip_scores(results.directory)
    assert min(clip.score for clip in clips) > 0
    assert_decisions_split_scores(clips)
    other = evaluated(run_2020, "evaluation.score=knn", "evaluation.reference_clips=2")
    assert [c.score for c in read_clip_scores(other.directory)] != [c.score for c in clips]


def test_results_of_several_scores_lie_side_by_side(run_2020: Path) -> None:
    """Each says in its table and its summary which score it is."""
    found = {
        name: evaluated(run_2020, *settings)
        for name, settings in {
            "development": ["evaluation.score=nll_margin"],
            "development_knn": ["evaluation.score=knn"],
            "development_nll_fan": ["evaluation.score=nll", "data.machine_types=fan"],
        }.items()
    }
    for name, results in found.items():
        assert results.directory == run_2020 / "results" / name
        summary = json.loads((results.directory / "summary.json").read_text())
        assert summary["score"] in results.text.splitlines()[0]
        assert (summary["protocol"], summary["checkpoint"]) == ("honest", "last")
        assert summary["score"] == (name.split("_")[1:] or ["nll_margin"])[0]
        system, _ = read_system("a", [results.directory], "development", None)
        assert system.remark == f"score {summary['score']}, last checkpoint"
    pooled = evaluated(run_2020, "evaluation.pooling=max")
    assert re.fullmatch(r"development_[0-9a-f]{8}", pooled.directory.name)


def test_a_run_that_is_read_only_is_evaluated_elsewhere(
    run_2020: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load_experiment(run_2020)
    usual = scores_and_decisions(evaluated(run_2020))
    access = os.access

    def refusing(path: Any, mode: int) -> bool:
        is_written = mode == os.W_OK and Path(path).is_relative_to(run_2020)
        return not is_written and access(path, mode)

    monkeypatch.setattr(os, "access", refusing)
    curve = run_2020 / "models/all/learning_curve.png"
    curve.unlink()
    with pytest.raises(ValueError, match=r"cannot be written to: give a folder .*--output=DIR"):
        evaluate(experiment, run_2020)
    results = evaluate(experiment, run_2020, output=tmp_path / "elsewhere")
    assert results is not None
    assert results.directory == tmp_path / "elsewhere"
    assert scores_and_decisions(results) == usual
    assert not curve.exists()


def test_the_table_of_2021(tiny: Experiment, prepared: Any, tmp_path: Path) -> None:
    """A row a section and domain; the class of a clip may hold its domain, which test clips hide."""
    data_dir = prepared("dcase2021", ["fan"], size=SIZE_2021)
    settings = [
        f"data.data_dir={data_dir}",
        "data.dataset=dcase2021",
        "data.class_by=machine_type,section,domain",
        "evaluation.threshold_per=section",
        "evaluation.loudness=true",
    ]
    train(override(tiny, settings), tmp_path)
    assert len(ClassMap.load(tmp_path / "models/all/class_map.json")) == 4
    results = evaluated(tmp_path)
    names = [f"fan_section_{n}_{d}_test" for n in ("00", "01") for d in ("source", "target")]
    assert files(results, ".csv") == score_files(names) | {"result.csv"}
    table = result_csv(results)
    assert table[0] == ["fan"]
    assert table[1] == ["section", "domain", "AUC", "pAUC", "precision", "recall", "F1 score"]
    pairs = [["00", "source"], ["01", "source"], ["00", "target"], ["01", "target"]]
    assert [row[:2] for row in table[2:6]] == pairs
    assert [row[0] for row in table[6:8]] == ["arithmetic mean", "harmonic mean"]
    assert_decisions_split_scores(read_clip_scores(results.directory))


def assert_decisions_split_scores(clips: list[ClipScore]) -> None:
    """In each section every anomaly scores higher than every normal clip."""
    for section in {(clip.machine_type, clip.section) for clip in clips}:
        own = [clip for clip in clips if (clip.machine_type, clip.section) == section]
        below = [clip.score for clip in own if clip.decision == 0]
        above = [clip.score for clip in own if clip.decision == 1]
        assert len(below) + len(above) == len(own)
        assert max(below, default=-np.inf) < min(above, default=np.inf)


@pytest.fixture(scope="module")
def run_2023(tiny: Experiment, prepared: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model a machine type, trained on the development data."""
    data_dir = prepared("dcase2023", ["bearing", "fan", "ToyTank"], BOTH, size=SIZE_2023)
    workdir = tmp_path_factory.mktemp("run_2023")
    settings = [f"data.data_dir={data_dir}", "data.dataset=dcase2023"]
    settings += ["data.one_model_per=machine_type", "data.class_by=machine_type,attributes"]
    train(override(tiny, settings), workdir)
    return workdir


def test_the_table_of_2023(run_2023: Path) -> None:
    """A row a section, with the domains in its columns."""
    results = evaluated(run_2023)
    names = ["bearing_section_00_test", "fan_section_00_test"]
    assert files(results, ".csv") == score_files(names) | {"result.csv"}
    table = result_csv(results)
    decided = [f"{m} ({d})" for m in ("precision", "recall", "F1 score") for d in DOMAINS]
    aucs = ["AUC (source)", "AUC (target)", "pAUC", "pAUC (source)", "pAUC (target)"]
    assert table[1] == ["section", *aucs, *decided]
    assert [row[0] for row in table[:3]] == ["bearing", "section", "00"]
    assert [row[0] for row in table[6:9]] == ["fan", "section", "00"]
    assert {path.name for path in (run_2023 / "models").iterdir()} == {"bearing", "fan"}
    assert_decisions_split_scores(read_clip_scores(results.directory))


def test_a_machine_type_without_a_model_is_named(run_2023: Path) -> None:
    """From 2023 on the evaluation data hold other machine types than the development data."""
    with pytest.raises(FileNotFoundError, match=r"no trained model for ToyTank: train with"):
        evaluated(run_2023, "data.mode=evaluation")


def test_the_evaluation_mode_of_2023(run_2023: Path, tmp_path: Path) -> None:
    """Trains on the additional training clips and scores the test clips of the new machine types."""
    experiment = load_experiment(run_2023)
    data = dataclasses.replace(experiment.data, mode="evaluation", train_stages=())
    train(dataclasses.replace(experiment, data=data), tmp_path)
    results = evaluated(tmp_path)
    assert results.directory.name == "evaluation"
    assert files(results, ".csv") == score_files(["ToyTank_section_00_test"]) | {"result.csv"}
    assert results.summary is not None
    assert len(read_clip_scores(results.directory)) == 8


def test_a_machine_type_that_the_one_model_never_heard_is_named(
    run_2023: Path, tiny: Experiment, tmp_path: Path
) -> None:
    """Before any clip is scored."""
    data = load_experiment(run_2023).data
    settings = [f"data.data_dir={data.data_dir}", "data.dataset=dcase2023", "training.epochs=1"]
    train(override(tiny, [*settings, "training.batch_size=16"]), tmp_path)
    unfamiliar = r"not trained on ToyTank but on bearing, fan: choose these machine types, or train"
    for types in ("ToyTank", ""):
        with pytest.raises(ValueError, match=unfamiliar):
            evaluated(tmp_path, "data.mode=evaluation", f"data.machine_types={types}")
    assert not (tmp_path / "results").exists()


def test_an_unfinished_training_is_evaluated_with_a_warning(
    run_2020: Path, tmp_path: Path, warnings_logged: list[str]
) -> None:
    """The scores are those of the checkpoint that is there."""
    workdir = tmp_path / "run"
    shutil.copytree(run_2020, workdir)
    shutil.rmtree(workdir / "models/all/checkpoints/6")
    early = scores_and_decisions(evaluated(workdir))
    assert any("model all stopped at epoch 1 of 2" in text for text in warnings_logged)
    warnings_logged.clear()
    assert scores_and_decisions(evaluated(run_2020)) != early
    assert not any("stopped at" in text for text in warnings_logged)


def test_a_model_whose_checkpoints_are_gone_is_named(run_2020: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    shutil.copytree(run_2020, workdir, ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*models/all/checkpoints: "):
        evaluated(workdir)
