"""What the names of folders and files tell of an own recording."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from tfds_dcase.layouts import LAYOUTS

PARTS = ("train", "test")
SECTION = re.compile(r"(?:section|id)_\d+")

_FOLDERS = (
    re.compile(r"(?:(?P<domain>source|target)_)?(?P<part>train|test)"),
    re.compile(r"(?P<domain>source|target)"),
    re.compile(f"(?P<section>{SECTION.pattern})"),
)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words of the field's and of industry's data sets. A wrong guess at an anomaly costs a test clip, a missed one spoils
# the training.
_ANOMALY_WORDS = _set(
    "anomaly anomalies anomalous abnormal ng nok notok ko bad broken break faulty fault faults defect defects "
    "defective damage damaged failure failures failed failing fail leak leaks leaking leakage worn wear crack cracked "
    "imbalance imbalanced unbalance unbalanced misalignment misaligned outlier outliers malfunction malfunctioning "
    "erroneous error unhealthy leaky anormal nio cavitation overload overloaded spalling pitting looseness loosened "
    "chipped rubbing deteriorated degraded clogged clogging blocked blockage contaminated contamination dirty jammed "
    "stuck loose bent scratched corroded corrosion rusty reject rejects rejected scrap scrapped defekt defekte fehler "
    "fehlerhaft schlecht schaden kaputt ausfall gestoert"
)
# Words that go on with one of these mean the same: `brokenbelt`, `damagedgear`.
_ANOMALY_STEMS = (
    "anomal", "abnormal", "broken", "faulty", "damage", "defect", "defekt", "malfunction", "misalign", "imbalance",
    "unbalance", "clogged", "contaminat",
)  # fmt: skip
_NORMAL_WORDS = _set(
    "normal normals ok okay good healthy baseline fine intact faultless undamaged unbroken unworn flawless reference "
    "ref gut normale defectless"
)
_NOT = _set("not non no un without")
_NEGATIONS = tuple([word] for word in sorted(_NOT))
_BESIDE = _set("free of in")
_TRAIN_WORDS = _set("train training trainings learn learning fit")
_TEST_WORDS = _set(
    "test testing tests val valid validation validate eval evaluation holdout unseen verification verify"
)
_PART_WORDS = dict.fromkeys(_TRAIN_WORDS, "train") | dict.fromkeys(_TEST_WORDS, "test")
_FILLERS = _set(
    "cut data dataset set sets file files sound sounds clip clips audio wav wavs recording recordings sample samples "
    "signal signals machine state condition new old all part daten split splits dev development"
)
_GLUED = re.compile(
    r"(trainings?|train|testing|test|evaluation|eval|validation|val|holdout)"
    r"(sets?|data|daten|split|files?|sounds?|clips?|wavs?|samples?|recordings?)"
)
_GLUED_NOT = re.compile(r"(not|non)(?=[a-z]{2})([a-z]+)")
_RACE = re.compile(r"(?i)(inner|outer)[ _-]?(race|ring)")
_HELD_OUT = re.compile(r"(?i)(?<![a-z])h[eo]ld[ _-]?out(?![a-z])")
# A number between two words parts them: `no_1_ok` is number 1.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Spellings of more or less than a word. German for not in order, and in order.
_SPELLINGS = (
    (re.compile(r"(?<![A-Za-z])[nN]\.?[iI]\.?O\.?(?![A-Za-z])"), " nio "),
    (re.compile(r"(?<![A-Za-z])[iI]\.?O\.?(?![A-Za-z])"), " ok "),
    # A bearing's parts are named where they are damaged.
    (_RACE, " fault "),
    (_HELD_OUT, " holdout "),
)
_CLIPS = tuple(
    re.compile(pattern)
    for pattern in dict.fromkeys(
        pattern for layout in LAYOUTS.values() for pattern in (layout.labelled, layout.hidden)
    )
)
_MACHINE_TYPE = re.compile(r"[\w-]+")
# The name of a split becomes that of its files, which may have 255 bytes.
_LONGEST_MACHINE_TYPE = 150


class Contradiction(ValueError):
    """Two names of one path tell different things."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a recording belongs and what it is.

    Attributes:
        part: `train` or `test`.
        section: `section_00` or `id_00`.
        domain: `source`, `target` or `unknown`.
        label: `normal`, `anomaly` or `unknown`.
        attributes: Operating conditions; empty for none.
        moved: Whether it is an anomaly that lay outside the test part.
    """

    part: str
    section: str
    domain: str
    label: str
    attributes: str
    moved: bool


def place(told: Mapping[str, str]) -> Placement:
    """Fills up what is told of a recording (`part`, `section`, `domain`, `label`, `attributes`).

    Untold parts are train, sections section_00 and domains source. What is trained on is normal: an
    anomaly goes to the test part, where a label that is not told is unknown.
    """
    is_anomaly = told.get("label") == "anomaly"
    moved = is_anomaly and told.get("part") != "test"
    part = "test" if is_anomaly else told.get("part", "train")
    return Placement(
        part,
        told.get("section", "section_00"),
        told.get("domain", "source"),
        "normal" if part == "train" else told.get("label", "unknown"),
        told.get("attributes", ""),
        moved,
    )


def told_by_names(path: PurePosixPath) -> dict[str, str]:
    """What the folders and the name of a recording tell.

    Args:
        path: Its path below the folder of its machine type.

    Raises:
        Contradiction: Two of them tell different things.
    """
    told: dict[str, str] = {}
    for said in (*map(_told_by_folder, path.parts[:-1]), _told_by_clip(path.stem)):
        for key, value in said.items():
            if told.setdefault(key, value) != value:
                raise Contradiction(f"the path says {key} {told[key]} and {value}")
    return told


def machine_type_fault(name: str) -> tuple[str, str] | None:
    """Why a name cannot be a machine type's, and the cure; None where it can."""
    if _MACHINE_TYPE.fullmatch(name) and len(name.encode()) <= _LONGEST_MACHINE_TYPE:
        return None
    what = "cannot name a machine type, which becomes part of the name of a split"
    return what, f"Use letters, digits, _ and - only, at most {_LONGEST_MACHINE_TYPE} bytes"


def is_told_word(name: str) -> bool:
    """Whether a folder's name tells a part, a domain or a label and nothing else."""
    if any(found.fullmatch(name.lower()) for found in _FOLDERS[:2]):
        return True
    words = _words(name)
    return any(_is_known(word) for word in words) and all(map(_is_understood, words))


def is_understood(name: str) -> bool:
    """Whether each word of a folder's name tells something, or nothing that could be a label."""
    return any(found.fullmatch(name.lower()) for found in _FOLDERS) or all(
        map(_is_understood, _words(name))
    )


def _is_known(word: str) -> bool:
    return bool(_means(word)) or word in _PART_WORDS


def _is_understood(word: str) -> bool:
    return _is_known(word) or word in {*_FILLERS, *_NOT, *_BESIDE} or word.isdigit()


def _words(name: str) -> list[str]:
    for pattern, word in _SPELLINGS:
        name = pattern.sub(word, name)
    words: list[str] = []
    for word in (found.lower() for found in _WORD.findall(name)):
        negated, glued = _GLUED_NOT.fullmatch(word), _GLUED.fullmatch(word)
        if negated and _means(negated[2]):
            words += negated.groups()
        else:
            words += glued.groups() if glued else [word]
    return words


def _means(word: str) -> str:
    """The label that a word tells; empty for none."""
    if word in _NORMAL_WORDS:
        return "normal"
    return "anomaly" if word in _ANOMALY_WORDS or word.startswith(_ANOMALY_STEMS) else ""


def _told_by_folder(name: str) -> dict[str, str]:
    for pattern in _FOLDERS:
        if found := pattern.fullmatch(name.lower()):
            return {key: value for key, value in found.groupdict().items() if value}
    words = _words(name)
    # A test bench is no test: words of a part count where nothing else stands beside them.
    parts = (
        {_PART_WORDS[word] for word in words if word in _PART_WORDS}
        if is_told_word(name)
        else set()
    )
    if len(parts) > 1:
        raise Contradiction(f"the folder {name} says train and test")
    return ({"part": parts.pop()} if parts else {}) | _label_of(name, words)


def _told_by_clip(name: str) -> dict[str, str]:
    for pattern in _CLIPS:
        if found := pattern.fullmatch(name):
            told = {key: value for key, value in found.groupdict().items() if value}
            if told.get("attributes") == "noAttribute":
                del told["attributes"]
            return told
    return _label_of(name, _words(name))


def _label_of(name: str, words: Sequence[str]) -> dict[str, str]:
    """The label that the words of a name tell; `not_ok` is one word of an anomaly."""
    labels = set()
    for i, word in enumerate(words):
        before, behind = words[max(i - 2, 0) : i], words[i + 1 : i + 2]
        negated = before[-1:] in _NEGATIONS or before == ["free", "of"] or behind == ["free"]
        if word == "break" and behind in (["in"], ["even"]):
            continue
        if means := _means(word):
            labels.add({"normal": "anomaly", "anomaly": "normal"}[means] if negated else means)
    if len(labels) > 1:
        raise Contradiction(f"{name} says label normal and anomaly")
    return {"label": labels.pop()} if labels else {}
