"""Honest and oracle protocol on a tiny run: what they choose, by what, and what they say of it."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from asd_jax.config import Experiment, override
from asd_jax.data.clips import all_clips
from asd_jax.evaluation import validation
from asd_jax.evaluation.evaluate import ProtocolName, evaluate
from asd_jax.evaluation.protocols import best_f1_threshold
from asd_jax.evaluation.results import Results
from asd_jax.evaluation.score_files import find_score_sets, read_score_set
from asd_jax.evaluation.validation import Validation, best_step
from asd_jax.training.experiment import (
    held_out_clips,
    load_experiment,
    train,
    training_clips,
)

FIGURE = "mean of AUC and pAUC"


@pytest.fixture(scope="module")
def workdir(tiny: Experiment, prepared: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model a machine type, four checkpoints each, every third normal held out."""
    workdir = tmp_path_factory.mktemp("run")
    settings = [
        f"data.data_dir={prepared('dcase2020', ['fan', 'valve'])}",
        "data.one_model_per=machine_type",
        "data.held_out=0.3",
        "training.epochs=4",
        "training.keep_checkpoints=10",
    ]
    train(override(tiny, settings), workdir)
    return workdir


@pytest.fixture(scope="module")
def oracle(workdir: Path) -> Results:
    return evaluated(workdir, "oracle")


def evaluated(workdir: Path, protocol: ProtocolName, *settings: str) -> Results:
    results = evaluate(override(load_experiment(workdir), settings), workdir, protocol)
    assert results is not None
    return results


def choices(results: Results, name: str) -> list[dict[str, str]]:
    with (results.directory / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_oracle_takes_what_is_best_on_the_test_clips_and_says_so_everywhere(
    workdir: Path, oracle: Results
) -> None:
    """In the folder's and every file's name, in the head of the table, and in the first line of result.csv."""
    results = oracle
    assert results.directory == workdir / "results" / "development_oracle"
    assert all(path.name.startswith("oracle_") for path in results.directory.iterdir())
    assert "ORACLE" in results.text.splitlines()[0]
    first = (results.directory / "oracle_result.csv").read_text().splitlines()[0]
    assert "ORACLE" in first
    lines = choices(results, "oracle_choices.csv")
    for model in ("fan", "valve"):
        own = [line for line in lines if line["model"] == model]
        # Four checkpoints, each with both scores of the detector.
        assert len(own) == 8
        (chosen,) = [line for line in own if line["chosen"]]
        assert float(chosen[FIGURE]) == max(float(line[FIGURE]) for line in own)
    assert results.summary is not None
    both = (results.summary.mean_auc + results.summary.mean_pauc) / 2
    best = [float(line[FIGURE]) for line in lines if line["chosen"]]
    assert both == pytest.approx(np.mean(best))


def test_the_honest_protocol_is_the_default_and_says_what_was_fixed(workdir: Path) -> None:
    results = evaluated(workdir, "honest")
    assert results.directory == workdir / "results" / "development"
    assert "honest protocol: last checkpoint" in results.text.splitlines()[0]
    assert not any("oracle" in path.name.lower() for path in results.directory.iterdir())
    assert not (results.directory / "choices.csv").exists()
    first = (results.directory / "result.csv").read_text().splitlines()[0]
    assert first.startswith('"honest protocol: last checkpoint, score ')


def test_oracle_files_are_read_as_a_variant_of_their_own(oracle: Results) -> None:
    """Nobody can take them for scores of the honest protocol by their names."""
    (found,) = find_score_sets(oracle.directory)
    assert found.files[0].variant == ("oracle_", "")
    assert len(read_score_set(found).clips) == 16


def test_oracle_decisions_have_the_best_f1_of_their_machine_type(oracle: Results) -> None:
    clips = read_score_set(find_score_sets(oracle.directory)[0]).clips
    for machine_type in ("fan", "valve"):
        own = [clip for clip in clips if clip.machine_type == machine_type]
        labels = [clip.label == "anomaly" for clip in own]
        scores = np.array([clip.score for clip in own])
        reached = f1_score(labels, [clip.decision == 1 for clip in own])
        possible = [f1_score(labels, scores >= score) for score in scores]
        assert reached == pytest.approx(max(possible))


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_best_threshold_by_trying_all(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    for _ in range(50):
        labels = rng.integers(0, 2, 20)
        labels[:2] = 0, 1
        scores = rng.normal(labels).round(decimals)
        reached = f1_score(labels, scores > best_f1_threshold(labels, scores))
        assert reached == pytest.approx(max(f1_score(labels, scores >= s) for s in scores))


def test_the_oracle_needs_labels(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlabelled(dataset: str, data_dir: str) -> list[Any]:
        return [dataclasses.replace(clip, label="unknown") for clip in all_clips(dataset, data_dir)]

    monkeypatch.setattr("asd_jax.evaluation.evaluate.all_clips", unlabelled)
    with pytest.raises(ValueError, match="chooses by test labels"):
        evaluated(workdir, "oracle")


def test_held_out_clips_are_normals_of_every_section_that_training_does_not_hear(
    workdir: Path,
) -> None:
    experiment = load_experiment(workdir)
    held_out, trained = held_out_clips(experiment), training_clips(experiment)
    assert len(held_out) == 8
    assert len(trained) == 16
    assert not {clip.clip_id for clip in held_out} & {clip.clip_id for clip in trained}
    assert {clip.label for clip in held_out} == {"normal"}
    sections = {(clip.machine_type, clip.section) for clip in held_out}
    assert sections == {(clip.machine_type, clip.section) for clip in trained}


@pytest.mark.parametrize(("share", "held_out"), [("0", 0), ("0.01", 4), ("0.999", 20)])
def test_a_section_keeps_a_clip_for_training_and_gives_one_for_any_share(
    share: str, held_out: int, workdir: Path
) -> None:
    experiment = override(load_experiment(workdir), [f"data.held_out={share}"])
    assert len(held_out_clips(experiment)) == held_out


def test_a_share_that_is_none_is_refused(workdir: Path) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and below 1"):
        training_clips(override(load_experiment(workdir), ["data.held_out=1"]))


def test_the_validated_checkpoint_is_chosen_by_held_out_normals_alone(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: set[str] = set()
    original = validation._scores

    def spy(model: Any, config: Any, clips: Any) -> np.ndarray:
        heard.update(clip.clip_id for clip in clips)
        return original(model, config, clips)

    monkeypatch.setattr(validation, "_scores", spy)
    results = evaluated(workdir, "honest", "evaluation.checkpoint=validated")
    assert heard == {clip.clip_id for clip in held_out_clips(load_experiment(workdir))}
    assert "validated checkpoint" in results.text.splitlines()[0]
    lines = choices(results, "choices.csv")
    assert len(lines) == 8
    for model in ("fan", "valve"):
        own = [line for line in lines if line["model"] == model]
        figures = [float(line["machine-ID confusion AUC"]) for line in own]
        (chosen,) = [i for i, line in enumerate(own) if line["chosen"]]
        assert figures[chosen] == max(figures)


def test_validation_needs_held_out_clips(workdir: Path) -> None:
    with pytest.raises(ValueError, match=r"train with --set data\.held_out=0\.1"):
        evaluated(workdir, "honest", "evaluation.checkpoint=validated", "data.held_out=0")


def test_a_score_that_ignores_the_claimed_section_is_validated_by_its_level(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an autoencoder's error: no confusion can be told, and the lowest mean score wins."""
    levels = iter([3.0, 3.0, 1.0, 1.0, 2.0, 2.0, 2.5, 2.5] * 2)
    monkeypatch.setattr(
        validation, "_scores", lambda model, config, clips: np.full(len(clips), next(levels))
    )
    results = evaluated(workdir, "honest", "evaluation.checkpoint=validated")
    lines = choices(results, "choices.csv")
    assert {line["machine-ID confusion AUC"] for line in lines} == {"nan"}
    assert [line["mean normal score"] for line in lines if line["chosen"]] == ["1.0", "1.0"]


def test_the_best_step_has_the_highest_confusion_and_then_the_lowest_score() -> None:
    found = [Validation(1, 0.9, 1.0), Validation(2, 1.0, 3.0), Validation(3, 1.0, 2.0)]
    assert best_step(found) == 3
