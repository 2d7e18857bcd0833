"""Labels and domains for score files that keep them back, and what such files lack."""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tfds_dcase
from tfds_dcase import Truth

from asd_jax.data.clips import all_clips
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.score_files import ScoredClips

Truths = Mapping[tuple[str, str], Truth]
"""What is known of test clips, by machine type and file name."""

StageName = Literal["development", "evaluation"]

_LABELS = {"0": "normal", "1": "anomaly"}
_DOMAINS = {"0": "source", "1": "target"}
_NAMED = 3
_TRUTH_FILE = re.compile(
    r"ground_truth_(?P<machine_type>[\w-]+?)_section_\d+(?:_(?P<domain>source|target))?_test\.csv"
)
_SECTION = re.compile(r"(?:id|section)_\d+")
_NUMBERED = re.compile(r"((?:section|normal|anomaly|id)_.*?_)(\d{4,8})(?:[_.]|$)")


@dataclass(frozen=True)
class JudgedClips:
    """A system's clips of one stage, with all that is known of them.

    Attributes:
        stage: which data they are of.
        clips: the scored clips with labels and domains.
        faults: what makes the numbers unofficial: unreadable lines, clips missing, double or unknown.
        remarks: what a reader should know besides, such as machine types without scores.
        undefined: machine types and sections without metrics, because of a fault.
    """

    stage: StageName
    clips: tuple[ClipScore, ...]
    faults: tuple[str, ...]
    remarks: tuple[str, ...]
    undefined: frozenset[tuple[str, str]]


def truths_of_dataset(dataset: str, data_dir: str) -> dict[tuple[str, str], Truth]:
    """Truths of the test clips of a prepared dataset, development and evaluation.

    Raises:
        tfds_dcase.ArchiveError: it is not prepared.
    """
    return {
        (clip.machine_type, clip.file_name): Truth(
            clip.domain, clip.label, clip.attributes, clip.section
        )
        for clip in all_clips(dataset, data_dir)
        if "_test_" in clip.split
    }


def read_truths(path: Path) -> dict[tuple[str, str], Truth]:
    """Truths from a file or folder of a year's evaluator.

    Args:
        path: `eval_data_list.csv` of 2020, or the folder that holds `ground_truth_data` (and from 2022 on
            `ground_truth_domain`) of a later year.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: a line is not as it must be.
    """
    listed = path / "eval_data_list.csv" if path.is_dir() else path
    if listed.is_file():
        return _truths_2020(listed)
    files = sorted((path / "ground_truth_data").glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"{path} holds neither eval_data_list.csv nor ground_truth_data/")
    truths = {}
    for file in files:
        match = _TRUTH_FILE.fullmatch(file.name)
        if match is None:
            raise ValueError(f"{file}: not named ground_truth_TYPE_section_NN_test.csv")
        domains_file = path / "ground_truth_domain" / file.name
        domains = _codes(domains_file, _DOMAINS) if domains_file.is_file() else {}
        for name, label in _codes(file, _LABELS).items():
            domain = domains.get(name, match["domain"] or "unknown")
            truths[match["machine_type"], name] = Truth(domain, label)
    return truths


def judge(dataset: str, scored: ScoredClips, truths: Truths | None = None) -> list[JudgedClips]:
    """Joins a system's clips with the truth and says what is missing, double or unknown.

    Labels and domains in the clips' names count; those that the names keep back come from the truths.

    Args:
        dataset: `dcase2020` and so on.
        scored: from `read_score_set`.
        truths: of the clips, by default the packaged ones of the year's evaluation data.

    Returns:
        One for the development and one for the evaluation data, as far as there are clips of them.
    """
    is_official = dataset != "folder"
    if truths is None:
        truths = tfds_dcase.evaluation_truth(dataset) if is_official else {}
    evaluation = tfds_dcase.official_sections(dataset, "eval") if is_official else {}
    development = tfds_dcase.official_sections(dataset, "dev") if is_official else {}
    by_stage: dict[StageName, list[ClipScore]] = {"development": [], "evaluation": []}
    for clip in scored.clips:
        is_evaluation = clip.section in evaluation.get(clip.machine_type, ())
        if is_evaluation and clip.section in development.get(clip.machine_type, ()):
            # First-shot years that use a machine type again: evaluation clips have no label in their name.
            is_evaluation = clip.label == "unknown"
        by_stage["evaluation" if is_evaluation else "development"].append(clip)
    stages: dict[StageName, dict[str, tuple[str, ...]]] = {
        "development": development,
        "evaluation": evaluation,
    }
    judged = [
        _judge(clips, scored, truths, stage, stages[stage])
        for stage, clips in by_stage.items()
        if clips
    ]
    if judged:
        first = judged[0]
        judged[0] = replace(first, faults=(*scored.faults, *first.faults))
    return judged


def _judge(
    clips: Sequence[ClipScore],
    scored: ScoredClips,
    truths: Truths,
    stage: StageName,
    official: Mapping[str, tuple[str, ...]],
) -> JudgedClips:
    faults: list[str] = []
    joined = [_joined(clip, truths, faults) for clip in clips]
    # A section that could not be read shows in the table of its own stage only.
    undefined = {
        place
        for place in scored.undefined
        if not official or place[1] in official.get(place[0], ())
    }
    present = {_place(clip) for clip in clips} | undefined
    remarks = _absent(present, official)
    known = _names_by_section(truths)
    for place in sorted(present):
        own = {clip.file_name for clip in clips if _place(clip) == place}
        names, where = known.get(place, set()), " ".join(place)
        if names and own:
            faults += _differences(where, own, names)
            continue
        if official and own:
            gaps, remark = _numbering(where, own)
            faults += gaps
            remarks += remark
        if any(clip.label == "unknown" for clip in joined if _place(clip) == place):
            remarks.append(f"{where}: its truth is not known, so there are no metrics")
    return JudgedClips(stage, tuple(joined), tuple(faults), tuple(remarks), frozenset(undefined))


def _joined(clip: ClipScore, truths: Truths, faults: list[str]) -> ClipScore:
    where = f"{clip.machine_type} {clip.section} {clip.file_name}"
    truth = truths.get((clip.machine_type, clip.file_name))
    if truth is None:
        return clip
    if "unknown" not in (clip.label, truth.label) and clip.label != truth.label:
        faults.append(f"{where}: named {clip.label}, but the ground truth says {truth.label}")
    domain = clip.domain if clip.domain != "unknown" else truth.domain
    label = truth.label if truth.label != "unknown" else clip.label
    return replace(clip, label=label, domain=domain)


def _place(clip: ClipScore) -> tuple[str, str]:
    return clip.machine_type, clip.section


def _differences(where: str, own: set[str], names: set[str]) -> list[str]:
    lacking, foreign = sorted(names - own), sorted(own - names)
    faults = []
    if lacking:
        faults.append(
            f"{where}: {len(lacking)} of {len(names)} clips are missing: {_listed(lacking)}"
        )
    if foreign:
        faults.append(
            f"{where}: {len(foreign)} clips are not in the ground truth: {_listed(foreign)}"
        )
    return faults


def _numbering(where: str, own: set[str]) -> tuple[list[str], list[str]]:
    """Gaps in the numbers of a section's clips, and how far the numbers tell that it is complete.

    The clips of a domain and label are numbered from 0 without a gap; how many there are no name tells.
    """
    groups: dict[str, set[int]] = defaultdict(set)
    for name in own:
        if found := _NUMBERED.match(name):
            groups[found.group(1)].add(int(found.group(2)))
    lacking = [
        f"{before}{number:04d}"
        for before, numbers in sorted(groups.items())
        for number in range(max(numbers))
        if number not in numbers
    ]
    if lacking:
        return [
            f"{where}: {len(lacking)} clips are missing by the numbers of the others: {_listed(lacking)}"
        ], []
    sizes = {len(numbers) for numbers in groups.values()}
    uneven = (
        f"; the counts differ ({', '.join(f'{before}* {len(numbers)}' for before, numbers in sorted(groups.items()))})"
        if len(sizes) > 1
        else ""
    )
    return [], [f"{where}: complete as far as known, {len(own)} clips without a gap{uneven}"]


def _names_by_section(truths: Truths) -> dict[tuple[str, str], set[str]]:
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (machine_type, name), truth in truths.items():
        found = _SECTION.search(name)
        section = truth.section or (found.group() if found else "")
        if section:
            names[machine_type, section].add(name)
    return names


def _absent(present: Set[tuple[str, str]], official: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Official machine types without any score, and sections without one whose machine type has some."""
    types = {machine_type for machine_type, _ in present}
    names = [name for name in official if name not in types]
    names += [
        f"{name} {section}"
        for name, sections in official.items()
        for section in sections
        if name in types and (name, section) not in present
    ]
    return [f"no scores of {', '.join(names)}"] if names else []


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _truths_2020(path: Path) -> dict[tuple[str, str], Truth]:
    truths, machine_type = {}, ""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.reader(file):
            if len(row) == 1:
                machine_type = row[0]
            elif len(row) == 3 and row[2] in _LABELS:
                truths[machine_type, row[0]] = Truth("source", _LABELS[row[2]])
            elif row:
                raise ValueError(f"{path}: not 'clip,name with label,0 or 1': {','.join(row)}")
    return truths


def _codes(path: Path, meaning: Mapping[str, str]) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    for row in rows:
        if len(row) != 2 or row[1] not in meaning:
            raise ValueError(f"{path}: not 'clip,0 or 1': {','.join(row)}")
    return {name: meaning[code] for name, code in rows}
