"""`launch/metrics.py` and `launch/compare.py` as a user runs them."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tfds_dcase

from asd_jax.evaluation.clip_scores import ClipScore, write_clip_scores
from asd_jax.evaluation.foreign import evaluate_foreign_scores
from asd_jax.evaluation.metrics import auc
from asd_jax.evaluation.result_csv import write_result_csv
from asd_jax.evaluation.tables import labels_and_scores, result_rows

Launch = Callable[..., subprocess.Popen[str]]


def make_clips(seed: int = 0) -> list[ClipScore]:
    """Scores of all of the 2022 evaluation clips of two sections, labelled by the package."""
    rng = np.random.default_rng(seed)
    return [
        ClipScore(
            machine_type,
            name[: len("section_03")],
            truth.domain,
            name,
            float(rng.normal() + (truth.label == "anomaly")),
            int(rng.integers(0, 2)),
            truth.label,
        )
        for (machine_type, name), truth in sorted(tfds_dcase.evaluation_truth(2022).items())
        if machine_type == "fan" and name[:10] in ("section_03", "section_04")
    ]


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    folder = tmp_path / "team"
    folder.mkdir()
    write_clip_scores(folder, "dcase2022", make_clips())
    return folder


def run(command: Launch, *arguments: str, cwd: Path) -> tuple[int, str, str]:
    process = command(*arguments, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_evaluation_scores_are_joined_with_the_packaged_truth(
    scores: Path, command: Launch, tmp_path: Path
) -> None:
    """The table has the evaluator's layout, and the year is read off the sections."""
    status, out, err = run(command, "metrics.py", f"--scores={scores}", cwd=tmp_path)
    assert status == 0, err
    rows = result_rows("dcase2022", make_clips())
    assert f"{100 * rows[0].metrics['AUC (target)']:.2f}" in out
    assert "no scores of ToyCar" in out
    lines = (tmp_path / "metrics/team/evaluation/result.csv").read_text().splitlines()
    assert lines[1].startswith("section,AUC (all),AUC (source)")
    assert lines[-2].startswith("official score ci95,,")


def test_missing_and_double_clips_are_told_and_the_status_is_1(
    scores: Path, command: Launch, tmp_path: Path
) -> None:
    path = scores / "anomaly_score_fan_section_03_test.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[2:], lines[5]]) + "\n")
    status, out, _ = run(
        command, "metrics.py", "--dataset=2022", f"--scores={scores}", "--noplots", cwd=tmp_path
    )
    assert status == 1
    assert "NOT OFFICIAL" in out
    assert "stands there twice" in out
    assert f"fan section_03: 2 of {len(lines)} clips are missing" in out
    assert "decision_result_fan_section_03_test.csv: its clips are not those of" in out


def test_a_table_from_own_domain_anomalies_is_reported_as_a_mismatch(
    scores: Path, command: Launch, tmp_path: Path
) -> None:
    clips = make_clips()
    rows = []
    for row in result_rows("dcase2022", clips):
        own = [c for c in clips if (c.section, c.domain) == (row.section, "source")]
        rows.append(
            replace(row, metrics=row.metrics | {"AUC (source)": auc(*labels_and_scores(own))})
        )
    write_result_csv(scores / "result.csv", "dcase2022", rows)
    status, out, _ = run(
        command, "metrics.py", "--dataset=2022", f"--scores={scores}", "--noplots", cwd=tmp_path
    )
    assert status == 1
    assert "MISMATCH result.csv, fan 03 AUC (source)" in out
    assert "domain's own anomalies" in out
    checked = (tmp_path / "metrics/team/evaluation_published.csv").read_text()
    assert checked.count(",mismatch,") >= 2
    assert checked.count(",equal,") > 10


def test_a_wrong_folder_and_an_open_year_are_errors_with_status_2(
    command: Launch, tmp_path: Path
) -> None:
    status, _, err = run(command, "metrics.py", "--scores=absent", cwd=tmp_path)
    assert status == 2
    assert "absent is no folder" in err
    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "anomaly_score_fan_section_00_test.csv").write_text(
        "section_00_source_test_normal_0000.wav,1\n"
    )
    status, _, err = run(command, "metrics.py", f"--scores={folder}", cwd=tmp_path)
    assert status == 2
    assert "which year? dcase2022, dcase2023" in err


def test_scores_that_are_all_unusable_are_an_error(tmp_path: Path) -> None:
    """They must not pass as a table without a fault."""
    (tmp_path / "anomaly_score_fan_section_03_test.csv").write_text("section_03_0000.wav,nan\n")
    with pytest.raises(ValueError, match=r"has no score that can be used: .* is nan"):
        evaluate_foreign_scores(tmp_path, tmp_path / "out", "dcase2022")


def test_an_unusable_section_shows_in_the_table_and_is_no_official_number(tmp_path: Path) -> None:
    (tmp_path / "anomaly_score_fan_section_03_test.csv").write_text("section_03_0000.wav,inf\n")
    clips = [clip for clip in make_clips() if clip.section == "section_04"]
    write_clip_scores(tmp_path, "dcase2022", clips)
    (result,) = evaluate_foreign_scores(tmp_path, tmp_path / "out", "dcase2022", plots=False)
    assert not result.is_sound
    assert "the score of section_03_0000.wav is inf" in result.text()
    table = (result.results.directory / "result.csv").read_text().splitlines()
    assert table[2] == "03," + ",".join(["nan"] * 10)
    assert "nan" not in table[3]


def test_systems_are_compared_with_intervals(scores: Path, command: Launch, tmp_path: Path) -> None:
    runs = []
    for seed in (1, 2):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        write_clip_scores(folder, "dcase2022", make_clips(seed))
        runs.append(str(folder))
    status, out, err = run(
        command,
        *("compare.py", str(scores), f"ours={','.join(runs)}", "--mode=evaluation"),
        "--resamples=200",
        cwd=tmp_path,
    )
    assert status == 0, err
    assert "difference to team" in out
    assert "±" in out
    names = sorted(path.name for path in (tmp_path / "comparison").iterdir())
    assert names == ["comparison.csv", "comparison.tex", "comparison.txt"]
