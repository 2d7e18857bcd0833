"""Score files in every way of naming them, and what is wrong with them."""

from pathlib import Path

import pytest

from asd_jax.evaluation.score_files import (
    ScoredClips,
    find_score_sets,
    read_clip_scores,
    read_score_set,
)


def write(folder: Path, name: str, content: str = "section_00_0001.wav,1.5\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content)
    return path


def read_one(folder: Path) -> ScoredClips:
    (found,) = find_score_sets(folder)
    return read_score_set(found)


@pytest.mark.parametrize(
    ("name", "machine_type", "section", "domain", "year", "variant"),
    [
        ("anomaly_score_fan_id_04.csv", "fan", "id_04", "unknown", "", ("", "")),
        ("tflite_anomaly_score_fan_id_04.csv", "fan", "id_04", "unknown", "", ("tflite_", "")),
        (
            "anomaly_score_ToyCar_section_00_target_test.csv",
            *("ToyCar", "section_00", "target", "", ("", "")),
        ),
        (
            "anomaly_score_3DPrinter_section_0_test.csv",
            *("3DPrinter", "section_00", "unknown", "", ("", "")),
        ),
        (
            "anomaly_score_DCASE2023T2bearing_section_00_test_seed13711_id(0_)_Eval.csv",
            *("bearing", "section_00", "unknown", "2023", ("", "_seed13711_id(0_)_Eval")),
        ),
    ],
)
def test_every_way_of_naming_is_understood(
    name: str,
    machine_type: str,
    section: str,
    domain: str,
    year: str,
    variant: tuple[str, str],
    tmp_path: Path,
) -> None:
    write(tmp_path, name)
    ((file,),) = (found.files for found in find_score_sets(tmp_path))
    assert (file.machine_type, file.section, file.domain) == (machine_type, section, domain)
    assert (file.year, file.variant) == (year, variant)


def test_folders_and_ways_of_naming_are_systems_of_their_own(tmp_path: Path) -> None:
    for name in ("anomaly_score_fan_id_00.csv", "quant_anomaly_score_fan_id_00.csv"):
        write(tmp_path / "b", name)
    write(tmp_path / "a", "anomaly_score_fan_id_00.csv")
    write(tmp_path / "a", "anomaly_score_fan_id_02.csv")
    write(tmp_path / "a", "notes.csv")
    sets = find_score_sets(tmp_path)
    assert [found.name for found in sets] == ["a", "b [*]", "b [quant_*]"]
    assert [len(found.files) for found in sets] == [2, 1, 1]
    with pytest.raises(ValueError, match="scores of one system, not of b"):
        read_clip_scores(tmp_path / "b")


def test_names_tell_label_and_domain_and_decisions_are_found_beside(tmp_path: Path) -> None:
    names = ("section_00_target_test_anomaly_0000_vel_1.wav", "section_00_0001.wav")
    write(tmp_path, "x_anomaly_score_fan_section_0_test_s1.csv", f"{names[0]},2\n{names[1]},-1\n")
    write(tmp_path, "x_decision_result_fan_section_0_test_s1.csv", f"{names[0]},1\n{names[1]},0\n")
    read = read_one(tmp_path)
    assert not read.faults
    assert [(c.label, c.domain, c.decision, c.score) for c in read.clips] == [
        ("anomaly", "target", 1, 2.0),
        ("unknown", "unknown", 0, -1.0),
    ]
    assert {clip.section for clip in read.clips} == {"section_00"}


def test_paths_spaces_blank_lines_and_other_line_ends_are_accepted(tmp_path: Path) -> None:
    write(
        tmp_path,
        "anomaly_score_fan_id_00.csv",
        "\ufeff/data/fan/test/normal_id_00_00000000.wav, 1e-3\r\n\r\nC:\\x\\b.wav,2\r\n",
    )
    read = read_one(tmp_path)
    assert [(c.file_name, c.score) for c in read.clips] == [
        ("normal_id_00_00000000.wav", 0.001),
        ("b.wav", 2.0),
    ]
    assert not read.faults


@pytest.mark.parametrize(
    ("content", "fault", "clips", "is_undefined"),
    [
        ("a.wav,nan\nb.wav,1\n", "the score of a.wav is nan", 1, True),
        ("a.wav,-inf\n", "the score of a.wav is -inf", 0, True),
        ("a.wav,high\nb.wav,1\n", "line 1: not 'clip name,number': a.wav,high", 1, True),
        ("a.wav;1,2882\nb.wav;3\n7;8\n", "line 3: not 'clip name,number': 7,8", 2, True),
        ("a.wav,1\na.wav,2\n", "line 2: a.wav stands there twice, as 1.0 and 2.0", 1, True),
        ("a.wav,1\nb.wav,3\na.wav,1\n", "line 3: a.wav stands there twice", 2, False),
        ("", "no clip", 0, True),
        ("\n\n", "no clip", 0, True),
    ],
)
def test_a_fault_is_named_and_decides_about_the_sections_metrics(
    content: str, fault: str, clips: int, is_undefined: bool, tmp_path: Path
) -> None:
    """Only a line that merely repeats another leaves the metrics as they are."""
    write(tmp_path, "anomaly_score_fan_id_00.csv", content)
    read = read_one(tmp_path)
    assert any(fault in line for line in read.faults), read.faults
    assert len(read.clips) == clips
    assert read.undefined == ({("fan", "id_00")} if is_undefined else set())


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "anomaly_score_fan_id_00.csv").write_bytes(b"\xff\xfe\x00\x00")
    assert "cannot be read" in read_one(tmp_path).faults[0]


@pytest.mark.parametrize(
    ("decisions", "fault"),
    [
        ("b.wav,1\n", "its clips are not those of anomaly_score_fan_id_00.csv (a.wav)"),
        ("a.wav,2\n", "a.wav is decided 2"),
        ("a.wav,yes\n", "line 1: not 'clip name,number'"),
    ],
)
def test_unfit_decisions_are_a_fault_and_count_for_nothing(
    decisions: str, fault: str, tmp_path: Path
) -> None:
    write(tmp_path, "anomaly_score_fan_id_00.csv", "a.wav,1\n")
    write(tmp_path, "decision_result_fan_id_00.csv", decisions)
    read = read_one(tmp_path)
    assert any(fault in line for line in read.faults), read.faults
    assert [clip.decision for clip in read.clips] == [None]
    assert not read.undefined


def test_decisions_without_scores_are_a_fault(tmp_path: Path) -> None:
    write(tmp_path, "anomaly_score_fan_id_00.csv", "a.wav,1\n")
    write(tmp_path, "decision_result_fan_id_02.csv", "a.wav,1\n")
    assert read_one(tmp_path).faults == [
        "decision_result_fan_id_02.csv: decisions without a file of scores"
    ]


def test_no_scores_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no anomaly_score"):
        find_score_sets(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        find_score_sets(tmp_path / "absent")
