"""Lists the runs below a folder: data, recipe, score, mean AUC and how far each is."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

EXAMPLES = ("runs", "runs ~/experiments")
ARGUMENTS = "[FOLDER]"
_HEADER = ("run", "dataset", "recipe", "detector", "score", "mean AUC", "state")


def define(options: Options) -> None:
    """No flags."""


def run(given: Given) -> None:
    """Prints a table for a person, CSV into a pipe."""
    folder = user_path(given.arguments[0]) if given.arguments else Path("runs")
    found = sorted(path.parent for path in folder.rglob("config.json"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no run: asd train makes one")
    rows = [row for path in found for row in _rows(path, folder)]
    if not sys.stdout.isatty():
        csv.writer(sys.stdout, lineterminator="\n").writerows([_HEADER, *rows])
        return
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
    for line in (_HEADER, *rows):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _rows(workdir: Path, folder: Path) -> list[tuple[str, ...]]:
    name = str(workdir.relative_to(folder)) if workdir != folder else str(workdir)
    config = _json(workdir / "config.json")
    data, detector = _group(config, "data"), _group(config, "detector")
    epochs = _group(config, "training").get("epochs")
    kind = str(detector.get("class", "")).rpartition(":")[2].removesuffix("Config")
    about = (name, str(data.get("dataset", "")), str(config.get("name", "")), kind)
    state = _state(workdir, epochs)
    results = sorted(workdir.glob("results/*/summary.json"))
    if not results:
        return [(*about, "", "", state)]
    rows: list[tuple[str, ...]] = []
    for path in results:
        summary = _json(path)
        auc = summary.get("mean_auc")
        shown = f"{100 * auc:.2f}" if isinstance(auc, float) else ""
        oracle = " (oracle)" if summary.get("protocol") == "oracle" else ""
        told = f"{state}, evaluated: {path.parent.name}"
        rows.append((*about, f"{summary.get('score', '')}{oracle}", shown, told))
    return rows


def _state(workdir: Path, epochs: Any) -> str:
    """How far the slowest model is, by its kept checkpoints."""
    reached = []
    for model in sorted(workdir.glob("models/*")):
        log = model / "metrics.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
        last = _object(lines[-1]) if lines else {}
        has_checkpoint = any((model / "checkpoints").glob("[0-9]*"))
        reached.append(float(last.get("epoch", epochs or 0)) if has_checkpoint else 0.0)
    if not reached:
        return "nothing trained"
    if isinstance(epochs, int) and min(reached) < epochs:
        return f"epoch {min(reached):.4g} of {epochs}"
    return f"{len(reached)} model{'s' if len(reached) > 1 else ''} trained"


def _json(path: Path) -> dict[str, Any]:
    return _object(path.read_text(encoding="utf-8", errors="replace"))


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _group(content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}
