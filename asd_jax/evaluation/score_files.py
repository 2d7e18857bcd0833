"""Score and decision files of any system, in any of the ways that the years and their tools name them."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from tfds_dcase import ArchiveError
from tfds_dcase.text_tables import read_table

from asd_jax.evaluation.clip_scores import ClipScore

_FILE_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<kind>anomaly_score|decision_result)_(?:DCASE(?P<year>\d{4})T2)?(?P<machine_type>[\w-]+?)_"
    r"(?P<section>(?:id|section)_\d+)(?:_(?P<domain>source|target))?(?:_test(?P<suffix>.*))?\.csv"
)
_CLIP = re.compile(r".*\.(wav|flac|ogg|mp3|aiff?|w64|caf|au|opus)", re.IGNORECASE)
_THRESHOLD = re.compile(r"(decision[ _])?threshold.*", re.IGNORECASE)
_CLIP_LABEL = re.compile(r"(?:^|[_/])(normal|anomaly)_")
_CLIP_SECTION = re.compile(r"(?:^|_)(id|section)_(\d{1,2})_")
_CLIP_DOMAIN = re.compile(r"(?:^|/)section_\d+_(source|target)_")


@dataclass(frozen=True)
class ScoreFile:
    """A score file by what its name tells.

    Attributes:
        path: of the file.
        variant: what the name has before `anomaly_score` and behind `_test`: a tag of the system, a seed.
        year: where the name tells it, else "".
        machine_type: for example `fan`.
        section: `id_00` or `section_00`, with two digits whatever the name has.
        written: the section as the name has it, which is that of own recordings.
        domain: `source` or `target` where each has a file of its own, else "unknown".
    """

    path: Path
    variant: tuple[str, str]
    year: str
    machine_type: str
    section: str
    domain: str
    written: str

    @property
    def decisions(self) -> Path:
        """Where the decisions of the same clips would be."""
        before, name, behind = self.path.name.partition("anomaly_score")
        return self.path.with_name(
            before + name.replace("anomaly_score", "decision_result") + behind
        )


@dataclass(frozen=True)
class ScoreSet:
    """The score files of one system: one folder, and one way of naming them.

    Attributes:
        name: the folder below the searched one; with the variant where a folder holds several.
        folder: where the files lie.
        files: one a section, in 2021 one a section and domain.
    """

    name: str
    folder: Path
    files: tuple[ScoreFile, ...]


@dataclass
class ScoredClips:
    """What a set's files hold.

    Attributes:
        clips: the scored clips; label and domain as far as the clips' and files' names tell them.
        faults: what is wrong with the files, one sentence each.
        undefined: machine types and sections that have no metrics because of that.
    """

    clips: list[ClipScore] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    undefined: set[tuple[str, str]] = field(default_factory=set)


def find_score_sets(root: Path) -> list[ScoreSet]:
    """Every system whose score files lie in a folder or below it, in the order of their names.

    Raises:
        FileNotFoundError: there is no score file.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; name the one that holds anomaly_score_*.csv")
    found = [file for path in sorted(root.rglob("*.csv")) if (file := _score_file(path))]
    if not found:
        raise FileNotFoundError(f"{root} holds no anomaly_score_*.csv, nor does a folder below it")
    found.sort(key=lambda file: (file.path.parent, file.variant, file.path.name))
    sets = []
    for folder, files in groupby(found, key=lambda file: file.path.parent):
        variants = [[*group] for _, group in groupby(files, key=lambda file: file.variant)]
        name = str(folder.relative_to(root)) if folder != root else root.resolve().name
        for variant in variants:
            tag = f" [{'*'.join(variant[0].variant)}]" if len(variants) > 1 else ""
            sets.append(ScoreSet(name + tag, folder, tuple(variant)))
    return sets


def read_score_set(score_set: ScoreSet, dataset: str = "") -> ScoredClips:
    """Reads a set; what cannot be used is a fault and leaves its section without metrics.

    Args:
        score_set: its files.
        dataset: `folder` for own recordings, whose clips are known by their paths and whose sections are as the files'
            names have them; clips of a year are known by their base names.
    """
    read = ScoredClips()
    own = dataset == "folder"
    for file in score_set.files:
        _read_file(replace(file, section=file.written) if own else file, read, own)
    for path in sorted(score_set.folder.glob("*decision_result_*.csv")):
        if path.name.startswith("._"):
            continue
        if not path.with_name(path.name.replace("decision_result", "anomaly_score", 1)).is_file():
            read.faults.append(f"{path.name}: decisions without a file of scores")
    return read


def read_clip_scores(directory: Path) -> list[ClipScore]:
    """Reads the one set of score and decision files in a folder.

    Raises:
        FileNotFoundError: the folder holds no score file.
        ValueError: it holds several sets, or a file has a fault.
    """
    sets = [found for found in find_score_sets(directory) if found.folder == directory]
    if len(sets) != 1:
        names = ", ".join(found.name for found in sets) or "none"
        raise ValueError(f"{directory} must hold the scores of one system, not of {names}")
    read = read_score_set(sets[0])
    if read.faults:
        raise ValueError(f"{directory}: {read.faults[0]}")
    return read.clips


def _score_file(path: Path) -> ScoreFile | None:
    match = _FILE_NAME.fullmatch(path.name)
    # "._name" is what macOS writes beside a file: no scores.
    if match is None or match["kind"] != "anomaly_score" or path.name.startswith("._"):
        return None
    kind, _, number = match["section"].partition("_")
    return ScoreFile(
        path=path,
        variant=(match["prefix"], match["suffix"] or ""),
        year=match["year"] or "",
        machine_type=match["machine_type"],
        section=f"{kind}_{int(number):02d}",
        domain=match["domain"] or "unknown",
        written=match["section"],
    )


def _read_file(file: ScoreFile, read: ScoredClips, own: bool) -> None:
    faults: list[str] = []
    scores = _numbers(file.path, faults, read.faults, own)
    for name, score in scores.items():
        if not math.isfinite(score):
            faults.append(f"{file.path.name}: the score of {name} is {score}")
    if not scores and not faults:
        faults.append(f"{file.path.name}: no clip")
    if not own:
        faults += _of_other_sections(file, scores)
    decisions = _decisions(file, scores, read.faults, own)
    read.faults += faults
    if faults:
        read.undefined.add((file.machine_type, file.section))
    for name, score in scores.items():
        label, domain = _CLIP_LABEL.search(name), _CLIP_DOMAIN.search(name)
        if not math.isfinite(score):
            continue
        read.clips.append(
            ClipScore(
                machine_type=file.machine_type,
                section=file.section,
                domain=domain.group(1) if domain else file.domain,
                file_name=name,
                score=score,
                decision=decisions.get(name),
                label=label.group(1) if label else "unknown",
            )
        )


def _of_other_sections(file: ScoreFile, scores: dict[str, float]) -> list[str]:
    """Clips whose own names tell another section than the file's name does."""
    wrong = [
        name
        for name in scores
        if (told := _CLIP_SECTION.search(name))
        and f"{told.group(1)}_{int(told.group(2)):02d}" != file.section
    ]
    if not wrong:
        return []
    return [
        f"{file.path.name}: {len(wrong)} clips of another section by their names, such as {wrong[0]}"
    ]


def _decisions(
    file: ScoreFile, scores: dict[str, float], faults: list[str], has_paths: bool
) -> dict[str, int]:
    """Decisions of a file's clips; none where they are not of the same clips."""
    path = file.decisions
    if not path.is_file():
        return {}
    own: list[str] = []
    values = _numbers(path, own, faults, has_paths)
    own += [
        f"{path.name}: {name} is decided {v:g}" for name, v in values.items() if v not in (0, 1)
    ]
    if not own and values.keys() != scores.keys():
        clip = sorted(values.keys() ^ scores.keys())[0]
        own.append(f"{path.name}: its clips are not those of {file.path.name} ({clip})")
    faults += own
    return {} if own else {name: int(value) for name, value in values.items()}


def _numbers(
    path: Path, faults: list[str], repetitions: list[str], has_paths: bool
) -> dict[str, float]:
    """Numbers by the clips' base names, or paths; a line that only repeats another is counted once."""
    values: dict[str, float] = {}
    for line, row, number in _rows(path, faults):
        written = row[0].replace("\\", "/")
        name = written if has_paths else written.rpartition("/")[2]
        if number is None or not _CLIP.fullmatch(name):
            faults.append(f"{path.name}, line {line}: not 'clip name,number': {','.join(row)}")
            continue
        if name in values:
            where = f"{path.name}, line {line}: {name} stands there twice"
            is_same = values[name] == number
            kind = repetitions if is_same else faults
            kind.append(where + ("" if is_same else f", as {values[name]} and {number}"))
        values.setdefault(name, number)
    return values


def _rows(path: Path, faults: list[str]) -> Iterator[tuple[int, list[str], float | None]]:
    """Lines of a clip's name and a number, None where it is none; a header and a line of the threshold are left out."""
    try:
        table = read_table(path, "a file of scores")
    except (OSError, ArchiveError) as error:
        faults.append(f"{path.name}: cannot be read ({error})")
        return
    for i, (line, row) in enumerate(zip(table.lines, table.rows, strict=True)):
        cells = row if any(row) else []
        number = table.number(cells[1]) if len(cells) == 2 and cells[1] else None
        is_clip = bool(cells) and _CLIP.fullmatch(cells[0].replace("\\", "/").rpartition("/")[2])
        if (
            i == 0
            and not is_clip
            and len(cells) == 2
            and (number is None or _THRESHOLD.fullmatch(cells[0]))
        ):
            continue
        if cells:
            yield line, row, number
