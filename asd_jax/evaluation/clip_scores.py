"""One scored clip, and how a year names and writes its score and decision files."""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfds_dcase import ClipInfo

LABELS = ("normal", "anomaly", "unknown")
DOMAINS = ("source", "target")


@dataclass(frozen=True)
class ClipScore:
    """What a detector says of one test clip.

    Attributes:
        machine_type: as the data set writes it, for example `fan` or `ToyCar`.
        section: `id_00` (2020) or `section_00` (later).
        domain: `source`, `target` or `unknown` (2020 has none).
        file_name: name of the clip without a folder; of own recordings its path below their folder.
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

    @classmethod
    def of(cls, clip: ClipInfo, score: float, threshold: float | None = None) -> "ClipScore":
        """What a detector says of a dataset's clip: an anomaly above the threshold, if there is one."""
        decision = None if threshold is None else int(score > threshold)
        return cls(
            clip.machine_type,
            clip.section,
            clip.domain,
            clip.file_name,
            float(score),
            decision,
            clip.label,
        )


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
