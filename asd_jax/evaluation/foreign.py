"""Official numbers for the score files of any system."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfds_dcase import official_sections

from asd_jax.evaluation.published_tables import find_published_numbers
from asd_jax.evaluation.result_csv import Layout
from asd_jax.evaluation.results import Results, TableChoice, write_results
from asd_jax.evaluation.score_files import ScoreSet, find_score_sets, read_score_set
from asd_jax.evaluation.table_check import Checked, check_numbers, numbers_of
from asd_jax.evaluation.truth import JudgedClips, Truths, judge

LayoutChoice = Literal["auto", "baseline", "evaluator"]
YEARS = range(2020, 2027)
_SHOWN = 10


@dataclass(frozen=True)
class ForeignResult:
    """What was found of one system on one stage of the data.

    Attributes:
        score_set: its files.
        dataset: the year's name.
        judged: its clips, and what is missing, double or unknown.
        results: metrics, tables and files.
        checked: the numbers of the published tables that belong to it.
    """

    score_set: ScoreSet
    dataset: str
    judged: JudgedClips
    results: Results
    checked: tuple[Checked, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the scores are complete and no published number contradicts them."""
        return not self.judged.faults and all(c.verdict != "mismatch" for c in self.checked)

    def text(self) -> str:
        """The table, with faults, remarks and the comparison with published tables."""
        lines = [f"== {self.score_set.name}, {self.judged.stage} data", "", self.results.text]
        if self.judged.faults:
            lines += ["", "NOT OFFICIAL:", *_first(self.judged.faults)]
        lines += [f"note: {remark}" for remark in self.judged.remarks]
        return "\n".join([*lines, *_comparison(self.checked)])


def evaluate_foreign_scores(
    root: Path,
    output: Path,
    dataset: str | None = None,
    truths: Truths | None = None,
    layout: LayoutChoice = "auto",
    literal_halves: bool = False,
    plots: bool = True,
) -> list[ForeignResult]:
    """Metrics of every system whose score files lie in a folder or below it.

    Published result tables that lie there as well are compared number by number.

    Args:
        root: folder of score files, in any of the ways of naming them.
        output: gets a folder a system and stage: tables, plots, and the scores under the year's official names.
        dataset: `dcase2022` and so on; None to read it off the files' names.
        truths: labels and domains, by default the packaged ones of the evaluation data.
        layout: of `result.csv`; "auto" takes the baseline's for development and the evaluator's for evaluation data.
        literal_halves: see `write_result_csv`.
        plots: draw score histograms and ROC curves as well, which takes seconds a system.

    Raises:
        FileNotFoundError: there are no score files.
        ValueError: the year is not given and the names leave it open, or a system has no score that can be used.
    """
    sets, numbers = find_score_sets(root), find_published_numbers(root)
    found = []
    for score_set in sets:
        year = dataset or dataset_of(score_set)
        mine = numbers_of(score_set, sets, numbers)
        scored = read_score_set(score_set, year)
        if not scored.clips:
            raise ValueError(
                f"{score_set.folder} has no score that can be used: {scored.faults[0]}"
            )
        for judged in judge(year, scored, truths):
            own: Layout = "evaluator" if judged.stage == "evaluation" else "baseline"
            table = TableChoice(
                own if layout == "auto" else layout, literal_halves, judged.undefined
            )
            folder = output / _folder_name(score_set) / judged.stage
            results = write_results(folder, year, judged.clips, {}, table=table, plots=plots)
            checked = check_numbers(mine, year, judged.clips)
            _write_checked(folder.with_name(f"{folder.name}_published.csv"), root, checked)
            found.append(ForeignResult(score_set, year, judged, results, tuple(checked)))
    return found


def dataset_of(score_set: ScoreSet) -> str:
    """The year of a set, as far as its files tell it.

    Raises:
        ValueError: several years fit, or none.
    """
    fitting = fitting_datasets(score_set)
    if len(fitting) != 1:
        raise ValueError(
            f"{score_set.folder}: which year? {', '.join(fitting) or 'None'} would fit; say --dataset (own "
            "recordings: --dataset=folder --data_dir=DIR)"
        )
    return fitting[0]


def fitting_datasets(score_set: ScoreSet) -> list[str]:
    """The years that a set may be of, by its files' names, machine types and sections."""
    named = {file.year for file in score_set.files if file.year}
    if len(named) == 1:
        return [f"dcase{named.pop()}"]
    places = {(file.machine_type, file.section) for file in score_set.files}
    with_domains = any(file.domain != "unknown" for file in score_set.files)
    return [
        f"dcase{year}"
        for year in YEARS
        if places <= _places(year) and with_domains == (year == 2021)
    ]


def _places(year: int) -> set[tuple[str, str]]:
    return {
        (name, section)
        for stage in ("dev", "eval")
        for name, sections in official_sections(year, stage).items()
        for section in sections
    }


def _folder_name(score_set: ScoreSet) -> Path:
    # A tag of the files' names may hold anything that a file name may.
    return Path(score_set.name.replace("[", "").replace("]", "").replace(" ", "_"))


def _write_checked(path: Path, root: Path, checked: Sequence[Checked]) -> None:
    if not checked:
        return
    header = ["table", "number", "published", "computed", "verdict", "explanation"]
    rows = [
        [
            str(number.published.path.relative_to(root)),
            str(number.published.cell),
            number.published.text,
            repr(number.ours),
            number.verdict,
            number.explanation,
        ]
        for number in checked
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _comparison(checked: Sequence[Checked]) -> list[str]:
    if not checked:
        return []
    count = Counter(number.verdict for number in checked)
    tables = len({number.published.path for number in checked})
    counts = ", ".join(f"{number} {verdict}" for verdict, number in count.items())
    where = f"{tables} table{'s' if tables > 1 else ''}"
    lines = ["", f"{len(checked)} published numbers in {where} beside the scores: {counts}"]
    slips = Counter(n.explanation for n in checked if n.verdict == "literal")
    lines += [f"  {number} {explanation}" for explanation, number in slips.items()]
    wrong = [
        f"MISMATCH {n.published.path.name}, {n.published.cell}: published {n.published.text}, "
        f"the scores give {n.ours!r}" + (f": {n.explanation}" if n.explanation else "")
        for n in checked
        if n.verdict == "mismatch"
    ]
    return lines + _first(wrong)


def _first(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return [f"  {line}" for line in lines[:_SHOWN]] + ([f"  and {rest} more"] if rest > 0 else [])
