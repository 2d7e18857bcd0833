"""A line a file for people and scripts, and an exit status that hides nothing."""

import csv
import dataclasses
import io
import re
from pathlib import Path

import pytest

from asd_jax.inference.audio_files import UNKNOWN, AudioFile, Claim
from asd_jax.inference.decisions import FileScore
from asd_jax.inference.hearing import UnheardFile
from asd_jax.inference.score_table import COLUMNS, ScoreTable


def scored(decision: int, name: str = "a.wav") -> FileScore:
    return FileScore(name, "fan", "id_00", "match", 1 / 3, 2 / 300, decision, 10.0, 2.0)


def unheard(name: str = "b.wav") -> UnheardFile:
    file = AudioFile(Path(name), "fan", Claim(UNKNOWN, "match"))
    return UnheardFile(file, "is empty", "Record it again")


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([scored(0)], 0),
        ([scored(0), scored(1)], 1),
        ([scored(0), unheard()], 3),
        ([scored(1), unheard()], 4),
        ([unheard()], 3),
        ([], 0),
    ],
)
def test_neither_an_anomaly_nor_an_unreadable_file_hides_the_other(
    results: list[FileScore | UnheardFile], status: int
) -> None:
    """2 is left to wrong usage."""
    table = ScoreTable(io.StringIO())
    table.add(results)
    assert table.status == status


def test_lines_have_all_digits_in_the_file_and_few_on_the_terminal(capsys: object) -> None:
    """Every line has every column; names with commas, quotes and line breaks come back whole."""
    printed, kept = io.StringIO(), io.StringIO()
    table = ScoreTable(printed, kept)
    names = ["a,b.wav", 'a"b.wav', "a\nb.wav", "grün.wav"]
    table.add([scored(1, name) for name in names])
    table.add([unheard()])
    for text in (printed, kept):
        text.seek(0)
    rows = list(csv.DictReader(printed))
    digits = list(csv.DictReader(kept))
    assert list(rows[0]) == list(digits[0]) == list(COLUMNS)
    assert [row["file"] for row in rows] == [row["file"] for row in digits] == [*names, "b.wav"]
    assert (rows[0]["score"], rows[0]["p_value"]) == ("0.333333", "0.00667")
    assert (float(digits[0]["score"]), float(digits[0]["p_value"])) == (1 / 3, 2 / 300)
    assert (rows[0]["seconds"], rows[0]["heard_seconds"]) == ("10.00", "2.00")
    assert rows[4]["error"] == "is empty. Record it again"
    assert not rows[4]["score"]
    assert "4 scored, 4 anomalies, 1 not readable; 4 of no known section" in table.summary()


def test_columns_for_long_recordings_come_behind_the_older_ones() -> None:
    """Programs that read by place go on; cells of short recordings are empty."""
    old = "file,machine_type,section,section_by,score,p_value,decision,seconds,heard_seconds,error"
    assert ",".join(COLUMNS) == f"{old},stretches,worst_start,worst_end,remark"
    long = dataclasses.replace(
        scored(1), stretches=119, worst_start=370.0, worst_end=380.0, remark="worst of 119"
    )
    printed = io.StringIO()
    table = ScoreTable(printed, note="no recordings by their endings: 1 .txt")
    table.add([long, scored(0)])
    lines = printed.getvalue().splitlines()
    assert lines[1].endswith("1,10.00,2.00,,119,370.00,380.00,worst of 119")
    assert lines[2].endswith("0,10.00,2.00,,,,,")
    assert "1 much longer than the training clips were judged by" in table.summary()
    assert table.summary().endswith("; no recordings by their endings: 1 .txt")


def test_control_characters_of_names_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name may hold any byte but a slash."""
    ScoreTable(io.StringIO()).add([unheard("\x1b[2Jb.wav")])
    assert capsys.readouterr().err == "error: \\x1b[2Jb.wav: is empty. Record it again\n"


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_a_person_sees_aligned_columns_and_colour_where_the_terminal_has_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen = Terminal()
    ScoreTable(seen).add([scored(0), scored(1, "c\x1b[2J.wav"), unheard()])
    text = seen.getvalue()
    assert ("\x1b[1;31mANOMALY" in text) == coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in plain, "control characters of a file's name reached the terminal"
    head, normal, anomaly, error = plain.splitlines()
    assert head.split() == ["decision", "score", "p_value", "machine_type", "section", "file"]
    assert normal.split() == ["NORMAL", "0.333333", "0.00667", "fan", "id_00", "a.wav"]
    assert (anomaly.split()[0], error.split()[0]) == ("ANOMALY", "ERROR")
    places = {line.index("fan") for line in (normal, anomaly, error)}
    assert places == {head.index("machine_type")}
