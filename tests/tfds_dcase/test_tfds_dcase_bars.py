"""Progress: a bar on a terminal, seldom whole lines elsewhere."""

import io
import re

import pytest
from tfds_dcase import bars
from tfds_dcase.bars import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a bar believes to have passed."""
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr("tqdm.tqdm._time", lambda _: now[0], raising=False)
    return now


@pytest.mark.parametrize("total", [100, None])
def test_lines_come_every_half_minute_with_rate_and_what_is_left(
    clock: list[float], total: int | None
) -> None:
    """A log of an hour has a hundred lines, not one endless line of control characters."""
    file = io.StringIO()
    with progress_bar(total=total, unit="step", desc="training fan", file=file) as bar:
        for step in range(90):
            clock[0] += 2.0
            bar.set_postfix_str(f"loss {step}", refresh=False)
            bar.update()
    text = file.getvalue()
    assert "\r" not in text
    assert "\x1b" not in text
    lines = text.splitlines()
    assert 4 <= len(lines) <= 8
    form = r"training fan: \d+(/100)? step, +2\.00s/step, loss \d+, \d\d:\d\d passed"
    for line in lines:
        assert re.match(form, line), line
        assert ("left" in line) == (total is not None)


def test_a_terminal_gets_a_bar(clock: list[float]) -> None:
    file = Terminal()
    with progress_bar(total=10, unit="step", desc="training", file=file) as bar:
        for _ in range(10):
            clock[0] += 1.0
            bar.update()
    assert file.getvalue().count("\r") >= 10


def test_work_that_is_soon_done_is_not_talked_about(clock: list[float]) -> None:
    file = io.StringIO()
    for _ in progress_bar(range(50), total=50, desc="reading", file=file):
        clock[0] += 0.01
    assert file.getvalue() == ""
    assert pytest.approx(30) == bars.SECONDS_BETWEEN_LINES
