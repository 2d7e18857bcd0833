"""Result tables that the authors of real systems published are recomputed from their scores, number by number."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from asd_jax.evaluation.foreign import fitting_datasets
from asd_jax.evaluation.published_tables import PublishedNumber, find_published_numbers
from asd_jax.evaluation.result_csv import Layout, write_result_csv
from asd_jax.evaluation.score_files import ScoreSet, find_score_sets, read_score_set
from asd_jax.evaluation.table_check import Checked, check_numbers, numbers_of
from asd_jax.evaluation.tables import result_rows
from asd_jax.evaluation.truth import JudgedClips, judge

pytestmark = pytest.mark.scores


def systems(shared: Path) -> list[Path]:
    root = shared / "scores"
    folders = sorted(path for path in root.glob("*") if path.is_dir()) if root.is_dir() else []
    if not folders:
        pytest.skip(f"no scores of systems under {root}")
    return folders


def dataset_of(score_set: ScoreSet, numbers: list[PublishedNumber]) -> str:
    """The year; where the names leave it open, the table's columns tell whether it is before 2023."""
    fitting = fitting_datasets(score_set)
    assert fitting, f"{score_set.folder}: no year has such files"
    columns = {number.cell.column for number in numbers}
    listed_since_2023 = "pAUC (source)" in columns
    return next(
        (name for name in fitting if listed_since_2023 == (int(name[-4:]) >= 2023)), fitting[-1]
    )


def judged_sets(folder: Path) -> Iterator[tuple[ScoreSet, str, JudgedClips, list[Checked]]]:
    sets, numbers = find_score_sets(folder), find_published_numbers(folder)
    for score_set in sets:
        mine = numbers_of(score_set, sets, numbers)
        dataset = dataset_of(score_set, mine)
        for judged in judge(dataset, read_score_set(score_set)):
            yield score_set, dataset, judged, check_numbers(mine, dataset, judged.clips)


def test_every_published_number_is_reproduced_or_its_fault_is_named(shared: Path) -> None:
    """To 1e-9, or to the digits printed. A table that was computed by another definition must be told as such."""
    compared = 0
    for folder in systems(shared):
        for score_set, _, judged, checked in judged_sets(folder):
            if judged.faults:
                continue
            for number in checked:
                where = (
                    f"{number.published.path}: {number.published.cell} is {number.published.text}"
                )
                assert number.verdict != "unchecked", (
                    f"{where}, {score_set.name} has no such number"
                )
                assert number.verdict != "mismatch" or number.explanation, (
                    f"{where}, the scores give {number.ours}"
                )
                compared += number.verdict in ("equal", "literal")
    assert compared, "no published number was found"


def test_every_table_beside_the_scores_belongs_to_a_system(shared: Path) -> None:
    """No published number may pass unread because nobody knew whose it was."""
    for folder in systems(shared):
        sets, numbers = find_score_sets(folder), find_published_numbers(folder)
        owned = [n for score_set in sets for n in numbers_of(score_set, sets, numbers)]
        assert sorted(map(str, owned)) == sorted(map(str, numbers))
        named_results = {path for path in folder.rglob("*.csv") if path.name.startswith("result")}
        assert named_results <= {number.path for number in numbers}, "in an unknown layout"


def test_whole_result_csv_has_the_published_lines_and_line_ends(
    shared: Path, tmp_path: Path
) -> None:
    """Byte for byte, with every number replaced by a mark."""
    compared = 0
    for folder in systems(shared):
        for score_set, dataset, judged, checked in judged_sets(folder):
            published = score_set.folder / "result.csv"
            if published not in {number.published.path for number in checked}:
                continue
            path = tmp_path / "result.csv"
            layout: Layout = "evaluator" if judged.stage == "evaluation" else "baseline"
            write_result_csv(path, dataset, result_rows(dataset, judged.clips), layout)
            number = re.compile(rb"\d+\.\d+(e-?\d+)?")
            assert number.sub(b"#", path.read_bytes()) == number.sub(b"#", published.read_bytes())
            compared += 1
    if not compared:
        pytest.skip("no result.csv beside the scores")


def test_a_published_number_that_is_a_little_off_is_a_mismatch(
    shared: Path, tmp_path: Path
) -> None:
    """The comparison above can fail: every number of a copy is raised by a millionth, and each is found."""
    for folder in systems(shared):
        copy = tmp_path / folder.name
        shutil.copytree(folder, copy)
        for table in {number.path for number in find_published_numbers(copy)}:
            table.write_text(re.sub(LONG_NUMBER, raised, table.read_text()))
        for _, _, _, checked in judged_sets(copy):
            changed = [n for n in checked if re.fullmatch(LONG_NUMBER, n.published.text)]
            wrong = [n for n in changed if n.verdict not in ("mismatch", "unchecked")]
            assert not wrong, wrong[:3]


LONG_NUMBER = r"0\.[1-9]\d{6,}"


def raised(found: re.Match[str]) -> str:
    return repr(float(found.group()) + 1e-6)
