"""Truth for score files that keep it back, and what they lack."""

from pathlib import Path

import pytest
import tfds_dcase

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.score_files import ScoredClips
from asd_jax.evaluation.truth import Truth, judge, read_truths


def scored(
    machine_type: str, section: str, names: list[str], label: str = "unknown"
) -> ScoredClips:
    return ScoredClips(
        [ClipScore(machine_type, section, "unknown", name, 0.0, None, label) for name in names]
    )


def packaged(year: int, machine_type: str, section: str) -> dict[str, Truth]:
    truths = tfds_dcase.evaluation_truth(year)
    return {
        name: truth
        for (kind, name), truth in truths.items()
        if kind == machine_type and section in name
    }


@pytest.mark.parametrize(
    ("year", "machine_type", "section"),
    [
        (2020, "fan", "id_01"),
        (2021, "gearbox", "section_04"),
        (2022, "bearing", "section_05"),
        (2023, "Vacuum", "section_00"),
        (2024, "Scanner", "section_00"),
        (2025, "ToyPet", "section_00"),
        (2026, "ToyDrone", "section_00"),
    ],
)
def test_evaluation_clips_get_the_packaged_label_and_domain(
    year: int, machine_type: str, section: str
) -> None:
    truth = packaged(year, machine_type, section)
    (judged,) = judge(f"dcase{year}", scored(machine_type, section, [*truth]))
    assert judged.stage == "evaluation"
    assert not judged.faults
    assert {c.file_name: (c.label, c.domain) for c in judged.clips} == {
        name: (known.label, known.domain) for name, known in truth.items()
    }
    assert {clip.label for clip in judged.clips} == {"normal", "anomaly"}


def test_missing_and_unknown_clips_are_named() -> None:
    names = [*packaged(2022, "fan", "section_03")]
    (judged,) = judge(
        "dcase2022", scored("fan", "section_03", [*names[:-2], "section_03_9999.wav"])
    )
    assert any(f"fan section_03: 2 of {len(names)} clips are missing" in f for f in judged.faults)
    assert any("1 clips are not in the ground truth: section_03_9999" in f for f in judged.faults)


def test_absent_machine_types_and_sections_are_remarks() -> None:
    """A partial set is no fault, but its official score is of what is there."""
    names = [*packaged(2021, "fan", "section_03")]
    (judged,) = judge("dcase2021", scored("fan", "section_03", names))
    assert not judged.faults
    (remark,) = judged.remarks
    assert "pump" in remark
    assert "fan section_04" in remark
    assert "section_00" not in remark


def test_development_and_evaluation_clips_are_judged_apart() -> None:
    clips = scored("fan", "id_00", ["normal_id_00_00000000.wav"], "normal").clips
    clips += scored("fan", "id_01", [*packaged(2020, "fan", "id_01")]).clips
    stages = [judged.stage for judged in judge("dcase2020", ScoredClips(clips))]
    assert stages == ["development", "evaluation"]


def test_a_year_without_truth_has_no_metrics_and_says_so() -> None:
    clips = scored("Sander", "section_00", ["section_00_0000.wav"])
    (judged,) = judge("dcase2026", clips, {})
    assert not judged.faults
    assert any("its truth is not known" in remark for remark in judged.remarks)


def test_a_name_that_contradicts_the_truth_is_a_fault() -> None:
    truths = {("fan", "normal_id_00_00000000.wav"): Truth("source", "anomaly")}
    clips = scored("fan", "id_00", ["normal_id_00_00000000.wav"], "normal")
    (judged,) = judge("dcase2020", clips, truths)
    assert "named normal, but the ground truth says anomaly" in judged.faults[0]


def test_a_truth_that_knows_no_label_leaves_the_names() -> None:
    truths = {("fan", "normal_id_00_00000000.wav"): Truth("source", "unknown")}
    clips = scored("fan", "id_00", ["normal_id_00_00000000.wav"], "normal")
    (judged,) = judge("dcase2020", clips, truths)
    assert judged.clips[0].label == "normal"


def test_faults_of_reading_stay() -> None:
    clips = scored("fan", "id_00", ["normal_id_00_00000000.wav"], "normal")
    clips.faults.append("a fault")
    clips.undefined |= {("fan", "id_02"), ("fan", "id_01")}
    (judged,) = judge("dcase2020", clips)
    assert judged.faults == ("a fault",)
    # id_01 is a machine of the evaluation data: it has no row among the development data's.
    assert judged.undefined == {("fan", "id_02")}


def test_own_recordings_are_development_data_without_official_sections() -> None:
    clips = scored("press", "section_00", ["a.wav"])
    (judged,) = judge("folder", clips, {("press", "a.wav"): Truth("unknown", "anomaly")})
    assert (judged.stage, judged.remarks) == ("development", ())


def test_truth_of_the_2020_evaluators_list(tmp_path: Path) -> None:
    path = tmp_path / "eval_data_list.csv"
    path.write_text(
        "fan\nid_01_00000000.wav,normal_id_01_00000000.wav,0\n"
        "id_01_00000001.wav,anomaly_id_01_00000001.wav,1\n\npump\nid_03_00000000.wav,x.wav,1\n"
    )
    for given in (path, tmp_path):
        truths = read_truths(given)
        assert [(key, truth.label) for key, truth in truths.items()] == [
            (("fan", "id_01_00000000.wav"), "normal"),
            (("fan", "id_01_00000001.wav"), "anomaly"),
            (("pump", "id_03_00000000.wav"), "anomaly"),
        ]
    path.write_text("fan\nid_01_00000000.wav,x.wav,maybe\n")
    with pytest.raises(ValueError, match="not 'clip,name with label,0 or 1': id_01_00000000"):
        read_truths(path)


def test_truth_of_the_later_evaluators_folders(tmp_path: Path) -> None:
    for folder, content in {
        "ground_truth_data": "section_00_0000.wav,0\nsection_00_0001.wav,1\n",
        "ground_truth_domain": "section_00_0000.wav,1\nsection_00_0001.wav,0\n",
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ground_truth_ToyTank_section_00_test.csv").write_text(content)
    assert read_truths(tmp_path) == {
        ("ToyTank", "section_00_0000.wav"): Truth("target", "normal"),
        ("ToyTank", "section_00_0001.wav"): Truth("source", "anomaly"),
    }
    wrong = tmp_path / "ground_truth_data" / "ground_truth_ToyTank_section_00_test.csv"
    wrong.write_text("section_00_0000.wav,2\n")
    with pytest.raises(ValueError, match="not 'clip,0 or 1'"):
        read_truths(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds neither"):
        read_truths(tmp_path / "absent")
