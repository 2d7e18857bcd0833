"""Text tables in every dialect that spreadsheets and loggers write; what may be read in two ways is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from tfds_dcase import ArchiveError
from tfds_dcase.text_tables import number, read_table

PLAIN = [["1.5", "2"], ["3", "4.25"]]


@pytest.mark.parametrize(
    ("content", "rows", "dialect"),
    [
        ("1.5,2\n3,4.25\n", PLAIN, "separator ',', decimal '.'"),
        ("1.5,2\r\n3,4.25\r\n", PLAIN, "separator ',', decimal '.'"),
        ("1.5;2\n3;4.25\n", PLAIN, "separator ';', decimal '.'"),
        ("1.5\t2\n3\t4.25\n", PLAIN, "separator tab, decimal '.'"),
        ("1.5|2\n3|4.25\n", PLAIN, "separator '|', decimal '.'"),
        ("  1.5   2\n  3     4.25\n", PLAIN, "separator spaces, decimal '.'"),
        ("1.5, 2\n3, 4.25\n", PLAIN, "separator ',', decimal '.'"),
        ('"1.5","2"\n"3","4.25"\n', PLAIN, "separator ',', decimal '.'"),
        ("1.5,2,\n3,4.25,\n", PLAIN, "separator ',', decimal '.'"),
        ("# made by a logger\n# 2 channels\n1.5,2\n\n3,4.25", PLAIN, "separator ','"),
        ("sep=;\n1.5;2\n3;4.25\n", PLAIN, "separator ';', decimal '.'"),
        ("1,5;2\n3;4,25\n", [["1,5", "2"], ["3", "4,25"]], "separator ';', decimal ','"),
        ("1,5\t2\n3\t4,25\n", [["1,5", "2"], ["3", "4,25"]], "separator tab, decimal ','"),
        ("a b;c#d\n1,5;2\n", [["a b", "c#d"], ["1,5", "2"]], "separator ';', decimal ','"),
        ("7\n8\n", [["7"], ["8"]], "separator none (one column), decimal '.'"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_dialect_is_found_and_told(
    tmp_path: Path, content: str, rows: list[list[str]], dialect: str, encoding: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode(encoding))
    table = read_table(path, "a table")
    assert table.rows == rows
    assert dialect in table.dialect()
    numbers = [[table.number(cell) for cell in row] for row in table.rows[-2:]]
    if rows[0] != ["a b", "c#d"] and len(rows[0]) == 2:
        np.testing.assert_array_equal(np.array(numbers, float), [[1.5, 2], [3, 4.25]])


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("1D+02", ".", 100.0),
        ("1.5d-1", ".", 0.15),
        ("\u22121.5", ".", -1.5),
        ("\u20131,5", ",", -1.5),
        ("1\u202f234,5", ",", 1234.5),
        ("1\u00a0000", ".", 1000.0),
        (" 7 ", ".", 7.0),
        ("+.5", ".", 0.5),
        ("-inf", ".", -np.inf),
        ("", ".", np.nan),
        ("NA", ".", np.nan),
        ("b", ".", None),
        ("1_000", ".", None),
        ("0x1A", ".", None),
        ("1,5", ".", None),
        ("1.5", ",", None),
        ("1+2j", ".", None),
        ("12:30", ".", None),
    ],
)
def test_a_cell_is_a_number_or_text(cell: str, decimal: str, value: float | None) -> None:
    found = number(cell, decimal)
    assert found == value or (found != found and value != value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a;b\n1.234,5;2\n", "line 2: '1.234,5' has signs for thousands"),
        (b"a;b\n1,234.5;2\n", "line 2: '1,234.5' has signs for thousands"),
        (b"a;b\n1,234;2\n5,678;3\n", "line 2: '1,234' may be a decimal comma or a sign for thous"),
        (b"a;b\n1,5;2.5\n", "line 2: '1,5', but other numbers have a point"),
        (b"1,5\n2,25\n3,125\n", "line 1: '1,5' may be two whole numbers or one with a decimal"),
        (b"1,5\n2,2\n3,1\n4,7\n", "line 1: '1,5' may be two whole"),
        (b"0,5,1,5\n2,5,1,5\n", "line 1: '0,5' may be two whole"),
        (b"1,5, 2,5\n0,5, 2,5\n", "line 1: '1,5' may be two whole"),
        (b"0\n\n1\n0\n", "line 2: nothing stands there"),
        (b"0\n1\n\n\n0\n", "line 3: nothing stands there"),
        (b"0,25,1,5\n0,05,1,5\n", "line 1: '0,25' may be two whole numbers or one with a decimal"),
        (b"12,007\n", "line 1: '12,007' may be two whole numbers or one with a decimal comma"),
        (b"a,b\n\xe4,1\n", "line 2: no text in UTF-8"),
        (b"a,b\n1,\0\n", "line 2: no text, it holds zero bytes"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"a\.csv") as error:
        read_table(path, "a table")
    assert told in str(error.value)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ArchiveError, match="is a pipe, not a file"):
        read_table(tmp_path / "a.csv", "a table")
