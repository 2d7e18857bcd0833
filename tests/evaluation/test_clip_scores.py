"""Score and decision files: names of the year, order, digits, and reading back."""

from dataclasses import replace
from pathlib import Path

import pytest

from asd_jax.evaluation.clip_scores import (
    ClipScore,
    check_clip_scores,
    dataset_year,
    write_clip_scores,
)
from asd_jax.evaluation.score_files import read_clip_scores

CLIP = ClipScore("fan", "id_00", "unknown", "normal_id_00_00000000.wav", 0.1 + 0.2, 1, "normal")


@pytest.mark.parametrize(
    ("dataset", "clip", "stem"),
    [
        ("dcase2020", CLIP, "fan_id_00"),
        (
            "dcase2021",
            replace(
                CLIP,
                section="section_01",
                domain="target",
                file_name="section_01_target_test_normal_0000.wav",
            ),
            "fan_section_01_target_test",
        ),
        (
            "dcase2023",
            replace(
                CLIP,
                machine_type="ToyCar",
                section="section_00",
                domain="source",
                file_name="section_00_source_test_normal_0000_noAttribute.wav",
            ),
            "ToyCar_section_00_test",
        ),
    ],
)
def test_files_carry_the_names_of_the_year_and_read_back_exactly(
    dataset: str, clip: ClipScore, stem: str, tmp_path: Path
) -> None:
    written = write_clip_scores(tmp_path, dataset, [clip])
    assert [path.name for path in written] == [
        f"anomaly_score_{stem}.csv",
        f"decision_result_{stem}.csv",
    ]
    assert written[0].read_text() == f"{clip.file_name},0.30000000000000004\n"
    assert written[1].read_text() == f"{clip.file_name},1\n"
    assert read_clip_scores(tmp_path) == [clip]


def test_rows_are_sorted_by_clip_name(tmp_path: Path) -> None:
    names = [f"normal_id_00_0000000{index}.wav" for index in (3, 1, 2)]
    clips = [replace(CLIP, file_name=name) for name in names]
    path = write_clip_scores(tmp_path, "dcase2020", clips)[0]
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == sorted(names)


def test_clips_without_a_decision_have_no_decision_file(tmp_path: Path) -> None:
    clip = replace(CLIP, decision=None)
    assert len(write_clip_scores(tmp_path, "dcase2020", [clip])) == 1
    assert read_clip_scores(tmp_path) == [clip]


def test_scores_named_by_the_first_shot_baseline_are_read(tmp_path: Path) -> None:
    name = "anomaly_score_DCASE2024T2bearing_section_00_test_seed1_id(0_).csv"
    (tmp_path / name).write_text("section_00_0001.wav,1.5\n")
    (clip,) = read_clip_scores(tmp_path)
    assert (clip.machine_type, clip.section, clip.label) == ("bearing", "section_00", "unknown")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": float("nan")}, "fan/normal_id_00_00000000.wav: anomaly score is nan"),
        ({"score": float("inf")}, "fan/normal_id_00_00000000.wav: anomaly score is inf"),
        ({"label": "broken"}, "label 'broken'"),
        ({"domain": "moon"}, "domain 'moon'"),
        ({"decision": 2}, "decision 2"),
        ({"section": "00"}, "section '00'"),
    ],
)
def test_a_bad_clip_score_is_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_clip_scores([replace(CLIP, **change)])


def test_a_clip_scored_twice_is_named() -> None:
    with pytest.raises(ValueError, match=r"normal_id_00_00000000\.wav: scored more than once"):
        check_clip_scores([CLIP, CLIP])


def test_2021_needs_the_domain(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="domain is unknown"):
        write_clip_scores(tmp_path, "dcase2021", [CLIP])


def test_a_data_set_without_a_year_is_an_error() -> None:
    assert dataset_year("dcase2023") == 2023
    with pytest.raises(ValueError, match="names no year"):
        dataset_year("my_machines")


@pytest.mark.parametrize(
    ("score_lines", "decision_lines", "message"),
    [
        ("a.wav,high\n", None, "line 1: not 'clip name,number'"),
        ("a.wav,1\na.wav,2\n", None, "line 2: a.wav stands there twice"),
        ("a.wav,1\n", "b.wav,1\n", "its clips are not those"),
    ],
)
def test_broken_files_are_named_with_the_line(
    score_lines: str, decision_lines: str | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "anomaly_score_fan_id_00.csv").write_text(score_lines)
    if decision_lines:
        (tmp_path / "decision_result_fan_id_00.csv").write_text(decision_lines)
    with pytest.raises(ValueError, match=message):
        read_clip_scores(tmp_path)


def test_a_folder_without_scores_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no anomaly_score"):
        read_clip_scores(tmp_path)
