"""Result tables that the authors of real systems published are recomputed from their scores."""

import csv
import math
import re
from pathlib import Path

import pytest

from asd_jax.evaluation.clip_scores import read_clip_scores
from asd_jax.evaluation.summary import summarise
from asd_jax.evaluation.tables import result_rows, write_result_csv

pytestmark = pytest.mark.scores


def scored_directories(root: Path) -> list[Path]:
    found = sorted({path.parent for path in root.rglob("anomaly_score_*.csv")})
    labelled = [
        folder
        for folder in found
        if any(clip.label != "unknown" for clip in read_clip_scores(folder))
    ]
    if not labelled:
        pytest.skip(f"no scores with development file names under {root}")
    return labelled


def year_of(folder: Path) -> str:
    names = " ".join(sorted(path.name for path in folder.glob("anomaly_score_*.csv")))
    named = re.search(r"DCASE(\d{4})T2", names)
    if named:
        return named.group(1)
    if re.search(r"_id_\d+\.csv", names):
        return "2020"
    return "2021" if "_source_test" in names else "2022"


def blocks(path: Path) -> dict[str, list[list[str]]]:
    """Lines of every machine type; a table of one type carries it in the file name instead."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    in_name = re.match(r"result_(?:DCASE\d{4}T2)?([A-Za-z0-9]+)_test", path.name)
    if in_name:
        lines.insert(0, [in_name.group(1)])
    tables: dict[str, list[list[str]]] = {}
    current = tables.setdefault("", [])
    for line in lines:
        if not any(line):
            current = tables.setdefault("", [])
        elif len(line) == 1:
            current = tables.setdefault(line[0], [])
        else:
            current.append(line)
    return {name: block for name, block in tables.items() if block}


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", cell) is not None


def assert_same_lines(ours: list[list[str]], published: list[list[str]], where: str) -> int:
    """Cells agree as text, numbers to 1e-9; returns how many numbers were compared."""
    assert len(ours) == len(published), where
    compared = 0
    for our_line, line in zip(ours, published, strict=True):
        assert len(our_line) == len(line), f"{where}: {line}"
        for our_cell, cell in zip(our_line, line, strict=True):
            if is_number(cell):
                assert math.isclose(float(our_cell), float(cell), rel_tol=1e-9, abs_tol=1e-9), where
                compared += 1
            else:
                assert our_cell == cell, f"{where}: {line}"
    return compared


def test_published_result_tables_are_recomputed_cell_by_cell(shared: Path, tmp_path: Path) -> None:
    compared = 0
    for folder in scored_directories(shared / "scores"):
        path = tmp_path / "result.csv"
        year = year_of(folder)
        write_result_csv(path, year, result_rows(year, read_clip_scores(folder)))
        ours = blocks(path)
        for table in sorted(folder.glob("result*.csv")):
            published = blocks(table)
            assert set(published) <= set(ours), table
            for machine_type, block in published.items():
                where = f"{table}, {machine_type}"
                compared += assert_same_lines(ours[machine_type], block, where)
    assert compared, "no published number was found"


def test_whole_result_csv_has_the_published_lines_and_line_ends(
    shared: Path, tmp_path: Path
) -> None:
    """Byte for byte, with every number replaced by a mark."""
    compared = 0
    for folder in scored_directories(shared / "scores"):
        published = folder / "result.csv"
        if published.is_file():
            path = tmp_path / "result.csv"
            write_result_csv(
                path, year_of(folder), result_rows(year_of(folder), read_clip_scores(folder))
            )
            number = re.compile(rb"\d+\.\d+(e-?\d+)?")
            assert number.sub(b"#", path.read_bytes()) == number.sub(b"#", published.read_bytes())
            compared += 1
    if not compared:
        pytest.skip("no result.csv beside the scores")


def test_published_summaries_over_machine_types_and_official_scores(shared: Path) -> None:
    """The yearly extract lists one line a metric with both means, and the official score."""
    folders = {
        (folder.parent, folder.name): folder for folder in scored_directories(shared / "scores")
    }
    compared = 0
    for path in sorted((shared / "scores").rglob("*_extract.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        for line in lines:
            keys = [(parent, line["System"]) for parent in path.parents]
            folder = next((folders[key] for key in keys if key in folders), None)
            if folder is None:
                continue
            rows = result_rows(year_of(folder), read_clip_scores(folder))
            summary = summarise(year_of(folder), rows)
            name = line["metric"].replace(" (source, target)", "")
            if name == "TOTAL score":
                assert summary.official_score == pytest.approx(float(line["h-mean"]), abs=1e-9)
                compared += 1
                continue
            for row in rows:
                expected = float(line[row.machine_type])
                assert row.metrics[name] == pytest.approx(expected, abs=1e-9)
                compared += 1
    if not compared:
        pytest.skip("no summary over machine types beside the scores")
