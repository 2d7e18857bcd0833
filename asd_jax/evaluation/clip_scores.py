"""One scored clip, and the `anomaly_score_*.csv` and `decision_result_*.csv` files of a year."""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LABELS = ("normal", "anomaly", "unknown")
DOMAINS = ("source", "target")
_FILE_NAME = re.compile(
    r"(?P<kind>anomaly_score|decision_result)_(?:DCASE\d{4}T2)?(?P<machine_type>[\w-]+?)_"
    r"(?P<section>(?:id|section)_\d+)(?:_(?P<domain>source|target))?(?:_test.*)?\.csv"
)
_CLIP_LABEL = re.compile(r"(?:^|[_/])(normal|anomaly)_")
_CLIP_DOMAIN = re.compile(r"(?:^|/)section_\d+_(source|target)_")


@dataclass(frozen=True)
class ClipScore:
    """What a detector says of one test clip.

    Attributes:
        machine_type: as the data set writes it, for example `fan` or `ToyCar`.
        section: `id_00` (2020) or `section_00` (later).
        domain: `source`, `target` or `unknown` (2020 has none).
        file_name: name of the clip without a folder.
        score: anomaly score, higher is more anomalous.
        decision: 1 anomaly, 0 normal, None where no threshold was applied.
        label: `normal`, `anomaly` or `unknown`.
    """

    machine_type: str
    section: str
    domain: str
    file_name: str
    score: float
    decision: int | None
    label: str


def dataset_year(dataset: str) -> int:
    """Year of a data set name such as `dcase2023` or `2023`.

    Own recordings (`folder`) are judged as 2020 was: AUC and pAUC of every section, whatever the domains.

    Raises:
        ValueError: the name holds no year from 2020 on.
    """
    if dataset == "folder":
        return 2020
    match = re.search(r"20[2-9]\d", dataset)
    if match is None:
        raise ValueError(f"Data set '{dataset}' names no year; write for example 'dcase2020'")
    return int(match.group())


def check_clip_scores(clip_scores: Iterable[ClipScore]) -> None:
    """Accepts complete, finite and unique clip scores.

    Raises:
        ValueError: names the first clip that is not, what is wrong with it and the cure.
    """
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for clip in clip_scores:
        where = f"Clip {clip.machine_type}/{clip.file_name}"
        if not math.isfinite(clip.score):
            raise ValueError(
                f"{where}: anomaly score is {clip.score}; check the clip and the checkpoint"
            )
        if clip.label not in LABELS:
            raise ValueError(f"{where}: label '{clip.label}' is none of {', '.join(LABELS)}")
        if clip.domain not in (*DOMAINS, "unknown"):
            raise ValueError(f"{where}: domain '{clip.domain}' is not source, target or unknown")
        if clip.decision not in (0, 1, None):
            raise ValueError(f"{where}: decision {clip.decision} is not 0, 1 or None")
        if re.fullmatch(r"(id|section)_\d+", clip.section) is None:
            raise ValueError(f"{where}: section '{clip.section}' is not like id_00 or section_00")
        key = (clip.machine_type, clip.section, clip.domain, clip.file_name)
        seen[key] += 1
        if seen[key] > 1:
            raise ValueError(f"{where}: scored more than once; pass every test clip once")


def csv_file_name(year: int, kind: str, clip: ClipScore) -> str:
    """Name of the file of a clip; `kind` is `anomaly_score` or `decision_result`.

    Raises:
        ValueError: 2021 keeps one file a domain and the clip's domain is unknown.
    """
    stem = f"{kind}_{clip.machine_type}_{clip.section}"
    if year == 2020:
        return f"{stem}.csv"
    if year == 2021:
        if clip.domain not in DOMAINS:
            raise ValueError(
                f"Clip {clip.machine_type}/{clip.file_name}: its domain is {clip.domain}, "
                "2021 results need source or target; read it from the clip's folder"
            )
        return f"{stem}_{clip.domain}_test.csv"
    return f"{stem}_test.csv"


def write_clip_scores(
    directory: Path, dataset: str, clip_scores: Sequence[ClipScore]
) -> list[Path]:
    """Writes the score and decision files of all clips, sorted by clip name.

    Clips without a decision have a score file only. Scores keep every digit of their float.

    Returns:
        The files written.

    Raises:
        ValueError: see `check_clip_scores` and `csv_file_name`.
    """
    check_clip_scores(clip_scores)
    year = dataset_year(dataset)
    tables: dict[str, list[tuple[str, str]]] = {}
    for clip in sorted(clip_scores, key=lambda clip: clip.file_name):
        name = csv_file_name(year, "anomaly_score", clip)
        tables.setdefault(name, []).append((clip.file_name, repr(float(clip.score))))
        if clip.decision is not None:
            name = csv_file_name(year, "decision_result", clip)
            tables.setdefault(name, []).append((clip.file_name, str(int(clip.decision))))
    for name, table in tables.items():
        with (directory / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
    return [directory / name for name in sorted(tables)]


def read_clip_scores(directory: Path) -> list[ClipScore]:
    """Reads the score and decision files of a directory, whatever system wrote them.

    Label and domain come from the clip names of development data, the domain else from the name
    of the file; what neither tells is `unknown`.

    Raises:
        FileNotFoundError: the directory holds no score file.
        ValueError: a line is not `clip name,number`, or a decision has no score.
    """
    paths = [(path, _FILE_NAME.fullmatch(path.name)) for path in sorted(directory.glob("*.csv"))]
    scored = [(path, match) for path, match in paths if match and match["kind"] == "anomaly_score"]
    if not scored:
        raise FileNotFoundError(f"{directory} holds no anomaly_score_*.csv")
    clips = []
    for path, match in scored:
        decision_path = path.with_name(path.name.replace("anomaly_score", "decision_result", 1))
        scores = _read_two_columns(path)
        decisions = _read_two_columns(decision_path) if decision_path.is_file() else {}
        if decisions and decisions.keys() != scores.keys():
            clip = sorted(decisions.keys() ^ scores.keys())[0]
            raise ValueError(f"{decision_path}: its clips are not those of {path.name} ({clip})")
        for name, score in scores.items():
            label, domain = _CLIP_LABEL.search(name), _CLIP_DOMAIN.search(name)
            clips.append(
                ClipScore(
                    machine_type=match["machine_type"],
                    section=match["section"],
                    domain=domain.group(1) if domain else match["domain"] or "unknown",
                    file_name=name,
                    score=score,
                    decision=int(decisions[name]) if decisions else None,
                    label=label.group(1) if label else "unknown",
                )
            )
    return clips


def _read_two_columns(path: Path) -> dict[str, float]:
    values: dict[str, float] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row:
                continue
            try:
                name, value = row
                score = float(value)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not 'clip name,number': {row}") from error
            if name in values:
                raise ValueError(f"{path}, line {number}: {name} stands there twice")
            values[name] = score
    return values
