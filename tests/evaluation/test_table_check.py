"""Published tables against recomputed metrics: who owns a table, and what a wrong number is."""

from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation.clip_scores import ClipScore, write_clip_scores
from asd_jax.evaluation.metrics import MAX_FPR, auc
from asd_jax.evaluation.published_tables import (
    Cell,
    PublishedNumber,
    find_published_numbers,
    read_published_table,
)
from asd_jax.evaluation.result_csv import Layout, write_result_csv
from asd_jax.evaluation.score_files import find_score_sets
from asd_jax.evaluation.table_check import Checked, check_numbers, numbers_of
from asd_jax.evaluation.tables import labels_and_scores, result_rows


def make_clips(year: int = 2022, seed: int = 0) -> list[ClipScore]:
    rng = np.random.default_rng(seed)
    return [
        ClipScore(
            machine_type,
            "section_00",
            domain,
            f"section_00_{domain}_test_{label}_{i:04d}.wav",
            float(rng.normal() + (label == "anomaly") * (1.5 if domain == "source" else 0.5)),
            int(rng.integers(0, 2)),
            label,
        )
        for machine_type in ("bearing", "fan")
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(30)
    ]


def check(text: str, cell: Cell, year: int = 2022) -> Checked:
    number = PublishedNumber(Path("result.csv"), "", cell, text)
    (checked,) = check_numbers([number], f"dcase{year}", make_clips())
    return checked


def right_value(cell: Cell, year: int = 2022) -> float:
    return check("0.5", cell, year).ours


LAYOUTS: tuple[Layout, ...] = ("baseline", "evaluator")
SOURCE = Cell("fan", "00", "", "AUC (source)")


def test_a_number_is_equal_rounded_or_wrong() -> None:
    value = right_value(SOURCE)
    assert check(repr(value), SOURCE).verdict == "equal"
    assert check(f"{value:.4f}", SOURCE).verdict in ("equal", "rounded")
    assert check(f"{100 * value:.2f}", SOURCE).verdict == "rounded"
    assert check(repr(value + 1e-8), SOURCE).verdict == "mismatch"
    assert check(f"{value + 0.0002:.4f}", SOURCE).verdict == "mismatch"
    assert check("0.5", Cell("pump", "00", "", "AUC (source)")).verdict == "unchecked"


@pytest.mark.parametrize("year", [2022, 2023])
def test_auc_from_the_domains_own_anomalies_is_a_mismatch_with_its_cause(year: int) -> None:
    """The commonest misreading since 2022; the number itself, and the means over it."""
    clips = make_clips()
    own = {
        name: auc(
            *labels_and_scores([c for c in clips if (c.machine_type, c.domain) == (name, "source")])
        )
        for name in ("bearing", "fan")
    }
    cells = {SOURCE: own["fan"]}
    cells[Cell("", "arithmetic mean", "", "AUC (source)")] = sum(own.values()) / 2
    for cell, value in cells.items():
        checked = check(repr(value), cell, year)
        assert checked.verdict == "mismatch"
        assert "domain's own anomalies" in checked.explanation
        assert abs(checked.ours - value) > 1e-3


def test_auc_of_2021_from_the_anomalies_of_both_domains_is_a_mismatch_with_its_cause() -> None:
    clips = [clip for clip in make_clips() if clip.machine_type == "fan"]
    mixed = [clip for clip in clips if clip.domain == "source" or clip.label == "anomaly"]
    value = auc(*labels_and_scores(mixed))
    checked = check(repr(value), Cell("fan", "00", "source", "AUC"), 2021)
    assert checked.verdict == "mismatch"
    assert "each domain stands alone" in checked.explanation


def test_pauc_without_standardisation_is_a_mismatch_with_its_cause() -> None:
    """The raw area up to a false-positive rate of 0.1, over 0.1."""
    cell = Cell("fan", "00", "", "pAUC")
    # McClish: 0.5 (1 + (area - chance) / (largest - chance)).
    chance, largest = MAX_FPR**2 / 2, MAX_FPR
    area = (2 * right_value(cell) - 1) * (largest - chance) + chance
    checked = check(repr(area / largest), cell)
    assert checked.verdict == "mismatch"
    assert "McClish" in checked.explanation


def test_a_tools_slip_is_told_from_a_mismatch() -> None:
    """The 2023 baseline's summary puts the mean of pAUC where that of pAUC (source) belongs."""
    value = right_value(Cell("", "arithmetic mean", "", "pAUC"), 2023)
    checked = check(repr(value), Cell("", "arithmetic mean", "", "pAUC (source)"), 2023)
    assert checked.verdict == "literal"
    assert "baseline's summary" in checked.explanation


def write_system(folder: Path, seed: int, tag: str = "") -> None:
    folder.mkdir(parents=True)
    for path in write_clip_scores(folder, "dcase2023", make_clips(seed=seed)):
        path.rename(path.with_name(path.name.replace("_test", f"_test{tag}")))


def write_table(path: Path, seed: int, layout: Layout = "baseline") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_result_csv(path, "dcase2023", result_rows("dcase2023", make_clips(seed=seed)), layout)


def test_tables_find_their_system_by_folder_name_or_tag(tmp_path: Path) -> None:
    """Beside the scores, in a folder of the system's name elsewhere, with its name or tag in theirs."""
    write_system(tmp_path / "dev" / "alpha", 1)
    write_system(tmp_path / "dev" / "beta", 2)
    write_system(tmp_path / "seeds", 3, "_seed1")
    for path in (tmp_path / "seeds").glob("*_seed1.csv"):
        path.with_name(path.name.replace("_seed1", "_seed2")).write_text(
            path.read_text().replace(",", ",1")
        )
    write_table(tmp_path / "dev" / "alpha" / "result.csv", 1)
    write_table(tmp_path / "summary" / "beta" / "result.csv", 2)
    write_table(tmp_path / "teams_result" / "beta_result.csv", 2, "evaluator")
    write_table(tmp_path / "seeds" / "result_seed1.csv", 3)
    sets, numbers = find_score_sets(tmp_path), find_published_numbers(tmp_path)
    owned = {
        found.name: {str(n.path.relative_to(tmp_path)) for n in numbers_of(found, sets, numbers)}
        for found in sets
    }
    assert owned == {
        "dev/alpha": {"dev/alpha/result.csv"},
        "dev/beta": {"summary/beta/result.csv", "teams_result/beta_result.csv"},
        "seeds [*_seed1]": {"seeds/result_seed1.csv"},
        "seeds [*_seed2]": set(),
    }


def test_every_number_of_our_own_tables_is_read_back_and_equal(tmp_path: Path) -> None:
    for year in (2020, 2021, 2022, 2023):
        rows = result_rows(f"dcase{year}", make_clips())
        for layout in LAYOUTS:
            path = tmp_path / f"{layout}_{year}.csv"
            write_result_csv(path, f"dcase{year}", rows, layout)
            numbers = read_published_table(path)
            assert len(numbers) >= 8
            verdicts = {n.verdict for n in check_numbers(numbers, f"dcase{year}", make_clips())}
            assert verdicts == {"equal"}, path.name


def test_files_that_are_no_tables_hold_no_numbers(tmp_path: Path) -> None:
    for name, content in {
        "scores.csv": "section_00_source_test_normal_0000.wav,0.5\n",
        "empty.csv": "",
        "other.csv": "a,b,c\n1,2,3\n",
    }.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00,\x00")
    assert find_published_numbers(tmp_path) == []
