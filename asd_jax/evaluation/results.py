"""Everything that one evaluation leaves behind, written as a whole or not at all."""

import contextlib
import csv
import glob
import json
import math
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from asd_jax.evaluation.clip_scores import ClipScore, write_clip_scores
from asd_jax.evaluation.intervals import bootstrap_intervals, jackknife_half_widths
from asd_jax.evaluation.plots import save_roc_curves, save_score_histograms
from asd_jax.evaluation.result_csv import Layout, evaluator_ci95, write_result_csv
from asd_jax.evaluation.summary import Summary, summarise
from asd_jax.evaluation.tables import result_rows
from asd_jax.evaluation.text_table import format_table

_HOUR = 3600
_OWN_FILES = (
    "anomaly_score_*.csv",
    "decision_result_*.csv",
    "result.csv",
    "choices.csv",
    "table.txt",
    "summary.json",
    "score_histograms_*.png",
    "roc_curves_*.png",
)


@dataclass(frozen=True)
class Protocol:
    """How the numbers of an evaluation came about, said wherever they stand.

    Attributes:
        remark: in the head of the table and of `result.csv`.
        prefix: of every file, so that figures made with test labels cannot pass for others.
        facts: the same as values by name, for `summary.json`: score, checkpoint and so on.
    """

    remark: str = ""
    prefix: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


HONEST = Protocol()


@dataclass(frozen=True)
class TableChoice:
    """Which rows and whose layout `result.csv` has.

    Attributes:
        layout: see `write_result_csv`.
        literal_halves: see `write_result_csv`.
        undefined_sections: see `result_rows`.
    """

    layout: Layout = "baseline"
    literal_halves: bool = False
    undefined_sections: frozenset[tuple[str, str]] = frozenset()


BASELINE_TABLE = TableChoice()


@dataclass(frozen=True)
class Results:
    """What an evaluation found.

    Attributes:
        directory: where its files lie.
        text: the table to print, or why there is none.
        summary: mean AUC, mean pAUC and official score; None without labels.
    """

    directory: Path
    text: str
    summary: Summary | None


def write_results(
    directory: Path,
    dataset: str,
    clip_scores: Sequence[ClipScore],
    thresholds: Mapping[tuple[str, str], float],
    extra_columns: Mapping[str, Sequence[float]] | None = None,
    table: TableChoice = BASELINE_TABLE,
    protocol: Protocol = HONEST,
    choices: Sequence[Sequence[str]] = (),
    plots: bool = True,
) -> Results:
    """Writes scores, decisions and, where labels are known, tables and plots of an evaluation.

    The files appear in `directory` together once all are written, in place of those of an
    earlier evaluation; after an error the earlier ones are still there.

    Args:
        directory: folder of this evaluation alone.
        dataset: a name with the year, for example `dcase2023`.
        clip_scores: every scored test clip.
        thresholds: decision threshold by machine type and section, for the plots.
        extra_columns: see `result_rows`.
        table: which rows and whose layout `result.csv` has.
        protocol: how the numbers came about.
        choices: lines of `choices.csv`, what was chosen and by which figures; not written without any.
        plots: draw score histograms and ROC curves.

    Raises:
        ValueError: no clips, or see `check_clip_scores` and `result_rows`.
        FileExistsError: the folder holds something that no evaluation wrote.
    """
    if not clip_scores:
        raise ValueError(f"{directory}: no clip to evaluate; the test split is empty")
    directory = Path(directory).resolve()
    require_replaceable(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    _clear_killed(directory)
    with _scratch(directory) as scratch:
        fresh = scratch / "fresh"
        fresh.mkdir()
        write_clip_scores(fresh, dataset, clip_scores)
        if plots:
            _draw(fresh, dataset, clip_scores, thresholds)
        text, summary = _write_metrics(fresh, dataset, clip_scores, extra_columns, table, protocol)
        if choices:
            with (fresh / "choices.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(choices)
        for path in fresh.iterdir():
            path.rename(path.with_name(protocol.prefix + path.name))
        _swap_in(fresh, directory, scratch / "replaced")
    return Results(directory, text, summary)


def _draw(
    directory: Path,
    dataset: str,
    clip_scores: Sequence[ClipScore],
    thresholds: Mapping[tuple[str, str], float],
) -> None:
    if all(clip.label == "unknown" for clip in clip_scores):
        return
    for machine_type in sorted({clip.machine_type for clip in clip_scores}):
        clips = [clip for clip in clip_scores if clip.machine_type == machine_type]
        save_score_histograms(directory / f"score_histograms_{machine_type}.png", clips, thresholds)
        save_roc_curves(directory / f"roc_curves_{machine_type}.png", dataset, clips)


def _write_metrics(
    directory: Path,
    dataset: str,
    clip_scores: Sequence[ClipScore],
    extra_columns: Mapping[str, Sequence[float]] | None,
    table: TableChoice,
    protocol: Protocol,
) -> tuple[str, Summary | None]:
    unlabelled = sum(clip.label == "unknown" for clip in clip_scores)
    if unlabelled == len(clip_scores):
        if protocol.facts:
            text = _as_json(protocol.facts) + "\n"
            (directory / "summary.json").write_text(text, encoding="utf-8")
        head = f"{protocol.remark}\n\n" if protocol.remark else ""
        return (
            f"{head}{dataset}: the labels of all {unlabelled} test clips are unknown, so there are no "
            "metrics; only the anomaly scores and decisions are written"
        ), None
    rows = result_rows(dataset, clip_scores, extra_columns, table.undefined_sections)
    summary = replace(
        summarise(dataset, rows),
        intervals=bootstrap_intervals(dataset, clip_scores),
        jackknife=jackknife_half_widths(dataset, clip_scores),
    )
    text = format_table(dataset, rows, summary, protocol.remark)
    if unlabelled:
        text += f"\n{unlabelled} of {len(clip_scores)} test clips have no label and do not count"
    write_result_csv(
        directory / "result.csv",
        dataset,
        rows,
        table.layout,
        evaluator_ci95(clip_scores) if table.layout == "evaluator" else math.nan,
        table.literal_halves,
        remark=protocol.remark,
    )
    (directory / "table.txt").write_text(text + "\n", encoding="utf-8")
    content = {**protocol.facts, **asdict(summary)}
    (directory / "summary.json").write_text(_as_json(content) + "\n", encoding="utf-8")
    return text, summary


def _as_json(content: Mapping[str, object]) -> str:
    # JSON has no NaN: an undefined number is null.
    def defined(value: object) -> object:
        if isinstance(value, dict):
            return {key: defined(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return [defined(item) for item in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    return json.dumps(defined(dict(content)), indent=2)


@contextlib.contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A folder beside the results, named after this process: the next evaluation clears what a killed one left."""
    prefix = f".{directory.name}-{socket.gethostname()}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=directory.parent) as scratch:
        yield Path(scratch)


def _clear_killed(directory: Path) -> None:
    """Removes the folders of processes that are gone; results that one was about to replace are put back first."""
    for left in directory.parent.glob(f".{glob.escape(directory.name)}-*"):
        if not left.is_dir() or not _is_left(left, directory.name):
            continue
        replaced = left / "replaced"
        if replaced.is_dir() and not directory.exists():
            replaced.rename(directory)
        shutil.rmtree(left)


def _is_left(folder: Path, name: str) -> bool:
    rest = folder.name.removeprefix(f".{name}-")
    own = re.fullmatch(rf"{re.escape(socket.gethostname())}-(\d+)-[a-z0-9_]{{8}}", rest)
    if own:
        return not _is_running(int(own.group(1)))
    # Of an earlier version, or another host: no evaluation writes its results for an hour.
    is_temporary = re.fullmatch(r"(.+-\d+-)?[a-z0-9_]{8}", rest)
    return bool(is_temporary) and time.time() - folder.stat().st_mtime > _HOUR


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def require_replaceable(directory: Path) -> None:
    """Checks that a folder's content may be replaced by results.

    Raises:
        FileExistsError: it is a file, or holds something that no evaluation wrote.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise FileExistsError(f"{directory} is a file; name a folder for the results")
    for entry in sorted(directory.iterdir()):
        if not any(fnmatchcase(entry.name, f"*{pattern}") for pattern in _OWN_FILES):
            raise FileExistsError(
                f"{directory} holds {entry.name}, which no evaluation wrote and which replacing "
                "the results would delete; name a folder of its own for the results"
            )


def _swap_in(fresh: Path, directory: Path, replaced: Path) -> None:
    if directory.exists():
        directory.rename(replaced)
    try:
        fresh.rename(directory)
    except OSError:
        if replaced.exists():
            replaced.rename(directory)
        raise
