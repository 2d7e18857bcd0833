"""A submission is packed only where it is complete; what is wrong is said, and nothing is left behind."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfds_dcase
import yaml

from asd_jax.evaluation.clip_scores import ClipScore, write_clip_scores
from asd_jax.evaluation.submission import pack_submission

LABEL = "Ito_HIT_task2_1"


def all_clips(year: int) -> list[ClipScore]:
    generator = np.random.default_rng(0)
    return [
        ClipScore(
            machine_type,
            truth.section or name[: len("section_03")],
            truth.domain,
            name,
            float(generator.normal()),
            int(generator.integers(0, 2)),
            "unknown",
        )
        for (machine_type, name), truth in sorted(tfds_dcase.evaluation_truth(year).items())
    ]


@pytest.fixture(scope="module", params=[2022, 2024, 2026])
def year(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def written(folder: Path, year: int, clips: list[ClipScore]) -> Path:
    folder.mkdir()
    write_clip_scores(folder, f"dcase{year}", clips)
    return folder


def test_a_complete_submission_is_packed_under_the_official_names(
    year: int, tmp_path: Path
) -> None:
    clips = all_clips(year)
    scores = written(tmp_path / "scores", year, clips)
    packed = pack_submission(scores, f"dcase{year}", LABEL, tmp_path / "out" / "s.zip")
    with zipfile.ZipFile(packed.path) as archive:
        names = archive.namelist()
        form = yaml.safe_load(archive.read(f"task2/{LABEL}/{LABEL}.meta.yaml"))
        for path in scores.iterdir():
            assert archive.read(f"task2/{LABEL}/{path.name}") == path.read_bytes()
    assert len(names) == len(list(scores.iterdir())) + 1
    assert packed.clips == len(clips)
    assert form["submission"]["label"] == LABEL
    assert form["submission"]["authors"][0]["lastname"] == "Ito"
    assert "say TODO" in packed.remarks[0]


BROKEN: dict[str, Callable[[list[ClipScore]], list[ClipScore]]] = {
    r"1 of \d+ clips are missing": lambda clips: clips[1:],
    r"no scores of ": lambda clips: [c for c in clips if c.machine_type != clips[0].machine_type],
    r"have no decision, such as": lambda clips: [replace(c, decision=None) for c in clips],
}


@pytest.mark.parametrize("told", BROKEN)
def test_an_incomplete_submission_is_refused(told: str, tmp_path: Path) -> None:
    scores = written(tmp_path / "scores", 2024, BROKEN[told](all_clips(2024)))
    with pytest.raises(ValueError, match=told):
        pack_submission(scores, "dcase2024", LABEL, tmp_path / "s.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["scores"]


@pytest.mark.parametrize("label", ["Ito", "Ito_HIT_task2_5", "Ito_HIT_task3_1", "../x_y_task2_1"])
def test_a_label_that_the_challenge_does_not_take_is_refused(label: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Surname_AFFILIATION_task2_N"):
        pack_submission(tmp_path, "dcase2024", label, tmp_path / "s.zip")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda form: form["submission"].update(label="Ito_HIT_task2_2"), "submission.label is"),
        (lambda form: form.pop("system"), "lacks system.description, system.complexity"),
        (lambda form: form.clear(), "lacks submission.label"),
    ],
)
def test_a_form_of_another_system_or_without_its_parts_is_refused(
    change: Any, told: str, tmp_path: Path
) -> None:
    scores = written(tmp_path / "scores", 2024, all_clips(2024))
    first = pack_submission(scores, "dcase2024", LABEL, tmp_path / "s.zip")
    with zipfile.ZipFile(first.path) as archive:
        text = archive.read(f"task2/{LABEL}/{LABEL}.meta.yaml").decode()
    meta = tmp_path / "filled.yaml"
    meta.write_text(text.replace("TODO", "done"))
    assert pack_submission(scores, "dcase2024", LABEL, first.path, meta).remarks == ()
    form = yaml.safe_load(text)
    change(form)
    meta.write_text(yaml.safe_dump(form))
    with pytest.raises(ValueError, match=told):
        pack_submission(scores, "dcase2024", LABEL, first.path, meta)
    meta.write_text("a: [")
    with pytest.raises(ValueError, match="is no YAML"):
        pack_submission(scores, "dcase2024", LABEL, first.path, meta)


def test_the_command_lists_what_it_packed(command: Any, tmp_path: Path) -> None:
    scores = written(tmp_path / "scores", 2024, all_clips(2024))
    arguments = (f"--scores={scores}", "--dataset=2024", f"--label={LABEL}")
    done = command("submit", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"task2/{LABEL}/anomaly_score_3DPrinter_section_00_test.csv" in done.stdout
    assert (tmp_path / f"{LABEL}.zip").is_file()
    assert "needs --dataset=YEAR" in command("submit", *arguments[::2], cwd=tmp_path).stderr
