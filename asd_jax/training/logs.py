"""What a training writes down: JSON lines, TensorBoard events, and the progress bar."""

import json
from pathlib import Path
from types import TracebackType

import numpy as np
from tensorboardX import SummaryWriter
from tfds_dcase.bars import progress_bar

Row = dict[str, float]
"""One line of the log: `step`, `epoch`, `loss`, `clips_per_second` and the detector's other scalars."""

LOG_FILE = "metrics.jsonl"


class TrainingLog:
    """Scalars of one training, to `metrics.jsonl` and TensorBoard event files in its folder.

    A resumed training goes on behind the step that it resumed from: later lines, of steps that were lost and are taken
    again, are dropped from both.

    Args:
        directory: the model's folder.
        first_step: step that the training starts or resumes from.
        total_steps: step at which it ends, for the progress bar.
        title: shown beside the progress bar.
    """

    def __init__(self, directory: Path, first_step: int, total_steps: int, title: str):
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / LOG_FILE
        self._is_first = True
        kept = [row for row in read_log(directory) if row["step"] <= first_step]
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text("".join(json.dumps(row) + "\n" for row in kept))
        unfinished.replace(self._path)
        self._file = self._path.open("a", buffering=1)
        # The writer names a file by the second: a training resumed within one would empty the earlier file.
        self._events = SummaryWriter(
            str(directory / "tensorboard"),
            purge_step=first_step + 1,
            filename_suffix=f".step_{first_step}",
        )
        self._bar = progress_bar(total=total_steps, initial=first_step, unit="step", desc=title)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._events.close()
        self._bar.close()

    def say(self, what: str) -> None:
        """Shows beside the bar what is done while it stands."""
        self._bar.set_postfix_str(what)

    def advance(self) -> None:
        """Moves the progress bar by a step."""
        if self._is_first:
            self._bar.set_postfix_str("", refresh=False)
            self._is_first = False
        self._bar.update()

    def write(self, row: Row) -> None:
        """Writes one line and shows its loss and speed beside the bar."""
        self._file.write(json.dumps(row) + "\n")
        for key, value in row.items():
            if key != "step":
                self._events.add_scalar(key, value, int(row["step"]))
        # A killed training must not lose what stands before its checkpoint.
        self._events.flush()
        self._bar.set_postfix_str(
            f"loss {row['loss']:.4f}, {row['clips_per_second']:.1f} clips/s", refresh=False
        )


def read_log(directory: Path) -> list[Row]:
    """The lines of a model's log; a last line that a kill cut off is passed over."""
    path = directory / LOG_FILE
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def logged_steps_per_epoch(directory: Path) -> int | None:
    """Steps an epoch of the training that wrote a model's log; None without a log."""
    rows = read_log(directory)
    return round(rows[-1]["step"] / rows[-1]["epoch"]) if rows else None


def mean_rows(rows: list[dict[str, np.ndarray]]) -> Row:
    """Mean of every scalar over some steps."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
