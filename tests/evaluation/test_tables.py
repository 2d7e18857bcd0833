"""Definitions and layouts of the years' tables, and what becomes of undefined metrics."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.metrics import auc, harmonic_mean, pauc
from asd_jax.evaluation.result_csv import write_result_csv
from asd_jax.evaluation.summary import summarise
from asd_jax.evaluation.tables import ResultRow, result_rows
from asd_jax.evaluation.text_table import format_table


def make_clips(
    machine_type: str, section: str, domain: str, seed: int, labels: str = "nnnnnaaaaa"
) -> list[ClipScore]:
    """Clips with random scores; `n` is a normal, `a` an anomalous and `?` an unlabelled clip."""
    rng = np.random.default_rng(seed)
    names = {"n": "normal", "a": "anomaly", "?": "unknown"}
    clips = []
    for index, label in enumerate(labels):
        score = float(rng.normal() + (label == "a"))
        name = f"{section}_{domain}_test_{names[label]}_{index:04d}.wav"
        clips.append(
            ClipScore(machine_type, section, domain, name, score, int(score > 1), names[label])
        )
    return clips


def both_domains(machine_type: str, section: str, seed: int) -> list[ClipScore]:
    source = make_clips(machine_type, section, "source", seed)
    return source + make_clips(machine_type, section, "target", seed + 100, "nnnaaaaa")


def compute(clips: list[ClipScore], metric=auc) -> float:
    return metric([clip.label == "anomaly" for clip in clips], [clip.score for clip in clips])


def text_table(dataset: str, rows: list[ResultRow]) -> str:
    return format_table(dataset, rows, summarise(dataset, rows))


def test_2020_averages_over_ids_then_over_machine_types() -> None:
    clips = [
        *make_clips("fan", "id_00", "unknown", 0),
        *make_clips("fan", "id_02", "unknown", 1),
        *make_clips("pump", "id_04", "unknown", 2),
    ]
    rows = result_rows("dcase2020", clips)
    areas = [row.metrics["AUC"] for row in rows]
    summary = summarise("dcase2020", rows)
    assert summary.mean_auc == pytest.approx(((areas[0] + areas[1]) / 2 + areas[2]) / 2)
    assert summary.official_score is None


def test_2021_looks_at_a_domain_alone_and_lists_source_first() -> None:
    clips = both_domains("fan", "section_00", 3) + both_domains("fan", "section_01", 4)
    rows = result_rows("dcase2021", clips)
    assert [(row.section, row.domain) for row in rows] == [
        ("section_00", "source"),
        ("section_01", "source"),
        ("section_00", "target"),
        ("section_01", "target"),
    ]
    own = [clip for clip in clips if (clip.section, clip.domain) == ("section_01", "target")]
    assert rows[3].metrics["AUC"] == compute(own)
    terms = [row.metrics[name] for row in rows for name in ("AUC", "pAUC")]
    assert summarise("dcase2021", rows).official_score == pytest.approx(harmonic_mean(terms))


@pytest.mark.parametrize("year", [2022, 2023, 2025])
def test_from_2022_normals_of_a_domain_meet_the_anomalies_of_both(year: int) -> None:
    clips = both_domains("fan", "section_00", 5)
    (row,) = result_rows(f"dcase{year}", clips)
    target = [clip for clip in clips if clip.domain == "target" or clip.label == "anomaly"]
    own = [clip for clip in clips if clip.domain == "target"]
    assert row.metrics["AUC (target)"] == compute(target)
    assert row.metrics["pAUC"] == compute(clips, pauc)
    assert ("pAUC (target)" in row.metrics) == (year >= 2023)
    if year >= 2023:
        assert row.metrics["pAUC (target)"] == compute(own, pauc)
    terms = [row.metrics[name] for name in ("AUC (source)", "AUC (target)", "pAUC")]
    score = summarise(f"dcase{year}", [row]).official_score
    assert score == pytest.approx(harmonic_mean(terms))


def test_precision_of_a_domain_counts_its_own_clips_only() -> None:
    clips = both_domains("fan", "section_00", 6)
    (row,) = result_rows("dcase2023", clips)
    own = [clip for clip in clips if clip.domain == "source"]
    hits = sum(clip.decision == 1 and clip.label == "anomaly" for clip in own)
    found = sum(clip.decision == 1 for clip in own)
    assert row.metrics["precision (source)"] == pytest.approx(hits / found)


def test_result_csv_of_2020_has_the_layout_of_its_baseline(tmp_path: Path) -> None:
    clips = make_clips("fan", "id_00", "unknown", 7, "na") + make_clips(
        "ToyCar", "id_01", "unknown", 7, "na"
    )
    write_result_csv(tmp_path / "result.csv", "dcase2020", result_rows("dcase2020", clips))
    lines = (tmp_path / "result.csv").read_text().split("\n")
    assert [line.split(",")[0] for line in lines] == [
        *("ToyCar", "id", "01", "Average", ""),
        *("fan", "id", "00", "Average", "", ""),
    ]
    assert lines[1] == "id,AUC,pAUC"


def test_a_section_of_one_class_is_nan_and_every_mean_over_it_says_so(tmp_path: Path) -> None:
    clips = make_clips("fan", "id_00", "unknown", 8) + make_clips(
        "fan", "id_02", "unknown", 9, "nnn"
    )
    rows = result_rows("dcase2020", clips)
    summary = summarise("dcase2020", rows)
    assert summary.missing == ("fan id_02",)
    assert summary.mean_auc == rows[0].metrics["AUC"]
    text = text_table("dcase2020", rows)
    assert "1 of 2 rows lack" in text
    assert "fan id_02" in text
    average = next(line for line in text.splitlines() if "Average" in line)
    assert average.count("*") == 2
    write_result_csv(tmp_path / "result.csv", "dcase2020", rows)
    assert "02,nan,nan\nAverage,nan,nan\n" in (tmp_path / "result.csv").read_text()


def test_a_section_that_was_declared_undefined_has_a_row_and_counts_for_nothing() -> None:
    """Its scores were unusable; it must show, whether or not some of its clips are there."""
    clips = make_clips("fan", "id_00", "unknown", 8) + make_clips("fan", "id_02", "unknown", 9)
    undefined = [("fan", "id_02"), ("pump", "id_04")]
    rows = result_rows("dcase2020", clips, undefined_sections=undefined)
    assert [(row.machine_type, row.section) for row in rows] == [("fan", "id_00"), *undefined]
    assert [math.isnan(row.metrics["AUC"]) for row in rows] == [False, True, True]
    summary = summarise("dcase2020", rows)
    assert summary.mean_auc == rows[0].metrics["AUC"]
    assert summary.missing == ("fan id_02", "pump id_04")


def test_equal_scores_are_chance_whatever_the_year() -> None:
    clips = [replace(clip, score=1.0) for clip in both_domains("fan", "section_00", 3)]
    for year in (2021, 2022, 2023):
        for row in result_rows(f"dcase{year}", clips):
            areas = [value for name, value in row.metrics.items() if "AUC" in name]
            assert areas == pytest.approx([0.5] * len(areas))


def test_an_absent_domain_of_2021_shows_as_an_undefined_row() -> None:
    rows = result_rows("dcase2021", make_clips("fan", "section_00", "source", 10))
    assert [row.domain for row in rows] == ["source", "target"]
    assert math.isnan(rows[1].metrics["AUC"])
    assert summarise("dcase2021", rows).missing == ("fan section_00 target",)


def test_machine_types_may_have_different_sections() -> None:
    clips = both_domains("fan", "section_00", 11) + both_domains("pump", "section_02", 12)
    rows = result_rows("dcase2022", clips)
    assert [(row.machine_type, row.section) for row in rows] == [
        ("fan", "section_00"),
        ("pump", "section_02"),
    ]


def test_unlabelled_clips_do_not_count() -> None:
    clips = make_clips("fan", "id_00", "unknown", 13)
    extra = make_clips("fan", "id_00", "unknown", 14, "???")
    (row,) = result_rows("dcase2020", clips + extra)
    assert row.metrics["AUC"] == compute(clips)


def test_sections_without_decisions_have_areas_but_no_precision() -> None:
    clips = [
        ClipScore("fan", "section_00", "source", f"{index}.wav", index, None, label)
        for index, label in enumerate(("normal", "anomaly"))
    ]
    row = result_rows("dcase2021", clips)[0]
    assert row.metrics["AUC"] == 1.0
    assert math.isnan(row.metrics["precision"])


def test_extra_columns_are_the_auc_of_their_own_scores() -> None:
    clips = make_clips("fan", "id_00", "unknown", 15)
    loudness = [float(clip.label == "anomaly") for clip in clips]
    rows = result_rows("dcase2020", clips, {"RMS AUC": loudness})
    assert rows[0].extra == {"RMS AUC": 1.0}
    assert summarise("dcase2020", rows).extra_means == {"RMS AUC": 1.0}
    assert "RMS AUC" in text_table("dcase2020", rows).splitlines()[2]
    with pytest.raises(ValueError, match="'RMS AUC' has 1 scores for 10 clips"):
        result_rows("dcase2020", clips, {"RMS AUC": [1.0]})
    with pytest.raises(ValueError, match="Column 'RMS AUC': Clip fan/id_00_unknown_test_normal"):
        result_rows("dcase2020", clips, {"RMS AUC": [float("nan")] * 10})


def test_text_table_is_aligned_and_in_percent() -> None:
    clips = both_domains("fan", "section_00", 16) + both_domains("ToyCar", "section_00", 17)
    rows = result_rows("dcase2023", clips)
    lines = text_table("dcase2023", rows).splitlines()
    header = next(line for line in lines if line.startswith("machine type"))
    fan = next(line for line in lines if line.startswith("fan"))
    area = f"{100 * rows[1].metrics['AUC (source)']:.2f}"
    assert fan[: header.index("AUC (source)") + len("AUC (source)")].endswith(area)
