"""A challenge submission: score and decision files of the evaluation data, checked and packed with their meta file.

The package has the layout of real submissions: `task2/<label>/` with the CSV files and `<label>.meta.yaml`.
"""

import dataclasses
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml
from tfds_dcase.layouts import layout_of

from asd_jax.evaluation.clip_scores import ClipScore, write_clip_scores
from asd_jax.evaluation.score_files import find_score_sets, read_score_set
from asd_jax.evaluation.truth import judge

_LABEL = re.compile(r"[A-Za-z0-9]+_[A-Za-z0-9]+_task2_[1-4]")
_MOST_META_BYTES = 1 << 20
# What every year's form of Task 2 asks for.
_REQUIRED = (
    "submission.label",
    "submission.name",
    "submission.abbreviation",
    "submission.authors",
    "system.description",
    "system.complexity",
    "results.development_dataset",
)
_UNFILLED = "TODO"


@dataclasses.dataclass(frozen=True)
class Submission:
    """A packed submission.

    Attributes:
        path: of the zip file.
        files: names in it.
        clips: how many clips are scored.
        remarks: what is left to do.
    """

    path: Path
    files: tuple[str, ...]
    clips: int
    remarks: tuple[str, ...]


def pack_submission(
    scores: Path, dataset: str, label: str, output: Path, meta: Path | None = None
) -> Submission:
    """Checks a system's files of the evaluation data and packs them.

    Args:
        scores: folder of the system's score and decision files.
        dataset: `dcase2020` and so on.
        label: of the system, `Surname_AFFILIATION_task2_1`.
        output: zip file to write, as a whole or not at all.
        meta: the filled form; by default one is written whose open places say `TODO`.

    Raises:
        FileNotFoundError: there are no score files.
        ValueError: all that is wrong: clips, machine types or decisions that are missing, names, the form.
    """
    if not _LABEL.fullmatch(label):
        raise ValueError(
            f"--label={label}: write Surname_AFFILIATION_task2_N with letters and digits, N from 1 to 4"
        )
    clips = _checked_clips(scores, dataset)
    text = _checked_meta(meta, label) if meta else meta_template(dataset, label, clips)
    folder = f"task2/{label}"
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.unfinished")
    with tempfile.TemporaryDirectory() as place:
        written = write_clip_scores(Path(place), dataset, clips)
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(written):
                archive.write(path, f"{folder}/{path.name}")
            archive.writestr(f"{folder}/{label}.meta.yaml", text)
            names = tuple(archive.namelist())
    unfinished.replace(output)
    todo = text.count(f": {_UNFILLED}")
    remarks = [
        f"{todo} places of {label}.meta.yaml say {_UNFILLED}: fill them, then give --meta=FILE"
    ]
    return Submission(output, names, len(clips), tuple(remarks if todo else ()))


def meta_template(dataset: str, label: str, clips: list[ClipScore]) -> str:
    """The form of a year with what is known filled in; every other place says TODO."""
    surname, affiliation, *_ = label.split("_")
    measures = ["auc", "pauc"]
    if layout_of(dataset).has_domains:
        measures = ["auc_source", "auc_target", "pauc"]
    kinds = sorted(
        {
            name
            for kind in layout_of(dataset).kinds
            if kind.stage == "dev"
            for name in kind.machine_types
        }
    )
    form = {
        "submission": {
            "label": label,
            "name": _UNFILLED,
            "abbreviation": _UNFILLED,
            "authors": [
                {
                    "lastname": surname,
                    "firstname": _UNFILLED,
                    "email": _UNFILLED,
                    "corresponding": True,
                    "affiliation": {
                        "abbreviation": affiliation,
                        "institute": _UNFILLED,
                        "department": _UNFILLED,
                        "location": _UNFILLED,
                    },
                }
            ],
        },
        "system": {
            "description": {
                "input_sampling_rate": "16kHz",
                "data_augmentation": _UNFILLED,
                "acoustic_features": _UNFILLED,
                "embeddings": _UNFILLED,
                "machine_learning_method": _UNFILLED,
                "ensemble_method_subsystem_count": 1,
                "decision_making": _UNFILLED,
            },
            "complexity": {"total_parameters": _UNFILLED, "MACS": _UNFILLED},
            "external_datasets": None,
            "source_code": None,
        },
        "results": {
            "development_dataset": {name: dict.fromkeys(measures, _UNFILLED) for name in kinds}
        },
    }
    head = (
        f"# Task 2 of {dataset.removeprefix('dcase')}, {len(clips)} clips. Compare the keys with the form\n"
        "# on the page of the year's challenge. The places that say TODO are yours to fill.\n"
    )
    return head + str(yaml.safe_dump(form, sort_keys=False, allow_unicode=True))


def _checked_clips(scores: Path, dataset: str) -> list[ClipScore]:
    sets = find_score_sets(scores)
    if len(sets) > 1:
        raise ValueError(
            f"{scores} holds the scores of several systems ({', '.join(s.name for s in sets)}): name the folder of one"
        )
    judged = {one.stage: one for one in judge(dataset, read_score_set(sets[0], dataset))}
    if "evaluation" not in judged:
        raise ValueError(
            f"{scores} holds no scores of the evaluation data of {dataset}: evaluate with --mode=evaluation"
        )
    evaluation = judged["evaluation"]
    faults = list(evaluation.faults)
    faults += [remark for remark in evaluation.remarks if remark.startswith("no scores of")]
    undecided = [clip for clip in evaluation.clips if clip.decision is None]
    if undecided:
        faults.append(
            f"{len(undecided)} clips have no decision, such as {undecided[0].machine_type} {undecided[0].file_name}"
        )
    if faults:
        raise ValueError(f"{scores} is no complete submission: {'; '.join(faults)}")
    return list(evaluation.clips)


def _checked_meta(path: Path, label: str) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: give the filled form of the submission")
    if path.stat().st_size > _MOST_META_BYTES:
        raise ValueError(f"{path} is too long for the form of a submission")
    try:
        text = path.read_text(encoding="utf-8")
        form = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is no YAML: {reason}") from error
    missing = [key for key in _REQUIRED if _value(form, key) is None]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    named = _value(form, "submission.label")
    if named != label:
        raise ValueError(f"{path}: submission.label is {named!r}, not {label}")
    return text


def _value(form: Any, key: str) -> Any:
    for part in key.split("."):
        form = form.get(part) if isinstance(form, dict) else None
    return form
