"""A comparison as text, CSV and LaTeX, with published numbers beside it."""

import csv
import importlib.resources
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd_jax.evaluation.comparison import ALL_TYPES, Compared, Comparison, Place, System
from asd_jax.evaluation.text_table import aligned

TITLES = {
    "mean_auc": "AUC",
    "mean_pauc": "pAUC",
    "mean_of_both": "mean of AUC and pAUC",
    "minimum_auc": "minimum AUC",
    "harmonic_auc": "harmonic mean AUC",
    "harmonic_pauc": "harmonic mean pAUC",
    "source_auc": "source AUC",
    "target_auc": "target AUC",
    "official_score": "official score",
}
_SHOWN = ("mean_auc", "mean_pauc", "minimum_auc", "official_score")
_CSV_HEADER = (
    *("system", "runs", "protocol", "machine type", "number", "mean", "standard deviation"),
    *("low", "high", "difference", "difference low", "difference high"),
)


@dataclass(frozen=True)
class PublishedSystem:
    """What a paper or a challenge page states of a system.

    Attributes:
        name: of the system.
        remark: how its numbers came about.
        numbers: as shares of 1.
    """

    name: str
    remark: str
    numbers: Mapping[Place, float]


def published_systems(dataset: str, stage: str) -> list[PublishedSystem]:
    """The published systems of a year's stage that this package knows."""
    path = importlib.resources.files("asd_jax.evaluation") / "published_results.csv"
    found: dict[tuple[str, str], dict[Place, float]] = {}
    for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
        if (row["dataset"], row["stage"]) == (dataset, stage):
            numbers = found.setdefault((row["system"], row["remark"]), {})
            numbers[row["machine_type"], row["number"]] = float(row["percent"]) / 100
    return [PublishedSystem(name, remark, numbers) for (name, remark), numbers in found.items()]


def comparison_text(comparison: Comparison, published: Sequence[PublishedSystem] = ()) -> str:
    """The comparison for a terminal, in percent: one table a number, then the differences to the first system."""
    runs = max(len(system.runs) for system in comparison.systems)
    head = (
        f"{comparison.dataset} {comparison.stage} data, {comparison.clips} test clips, in percent"
        + ("; mean ± standard deviation over runs" if runs > 1 else "")
    )
    oracles = [system.name for system in comparison.systems if system.is_oracle]
    if oracles:
        head += f"; ORACLE (chosen by the labels of these clips): {', '.join(oracles)}"
    lines = [head, *(f"note: {remark}" for remark in comparison.remarks)]
    lines += [f"{s.name}: {s.remark}" for s in comparison.systems if s.remark]
    for name in _numbers_to_show(comparison, published):
        lines += ["", *_table(comparison, published, name)]
    if len(comparison.systems) > 1:
        lines += ["", *_differences(comparison)]
    notes = [f"({i}) {other.remark}" for i, other in enumerate(published, start=1)]
    lines += [f"[] {_LEGEND}", *notes]
    return "\n".join(lines)


def comparison_csv(comparison: Comparison, published: Sequence[PublishedSystem] = ()) -> str:
    """Every number of every system, one a line, as shares of 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_HEADER)
    for system in comparison.systems:
        for (machine_type, name), found in comparison.numbers[system.name].items():
            writer.writerow(
                [
                    *(system.name, len(system.runs), system.protocol),
                    *(machine_type or "all", TITLES[name]),
                    *map(_plain, (found.mean, found.spread, *found.interval)),
                    *map(_plain, (found.difference, *found.difference_interval)),
                ]
            )
    for other in published:
        for (machine_type, name), value in other.numbers.items():
            cells = [other.name, "", other.remark, machine_type or "all", TITLES[name]]
            writer.writerow([*cells, _plain(value), *[""] * 6])
    return text.getvalue()


def comparison_latex(comparison: Comparison, published: Sequence[PublishedSystem] = ()) -> str:
    """AUC and pAUC of every system by machine type, as a LaTeX table (package booktabs)."""
    types = [*comparison.machine_types, ALL_TYPES]
    lines = [
        r"\begin{tabular}{l" + "c" * len(types) + "}",
        r"\toprule",
        " & ".join(["AUC / pAUC (\\%)", *(_escaped(name or "mean") for name in types)]) + r" \\",
        r"\midrule",
    ]
    for system in comparison.systems:
        numbers = comparison.numbers[system.name]
        cells = [
            f"{_tex(numbers[name, 'mean_auc'])} / {_tex(numbers[name, 'mean_pauc'])}"
            for name in types
        ]
        mark = " (oracle)" if system.is_oracle else ""
        lines.append(" & ".join([_escaped(system.name + mark), *cells]) + r" \\")
    both = [other for other in published if (ALL_TYPES, "mean_auc") in other.numbers]
    lines += [r"\midrule"] * bool(both)
    for other in both:
        cells = [
            " / ".join(_percent(other.numbers.get((name, n), math.nan)) for n in _SHOWN[:2])
            for name in types
        ]
        lines.append(" & ".join([_escaped(f"{other.name} ({other.remark})"), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def write_comparison(
    directory: Path, comparison: Comparison, published: Sequence[PublishedSystem] = ()
) -> str:
    """Writes the comparison as text, CSV and LaTeX, named after the protocol where a system is an oracle's.

    Returns:
        The text.
    """
    directory.mkdir(parents=True, exist_ok=True)
    prefix = "oracle_" if any(system.is_oracle for system in comparison.systems) else ""
    text = comparison_text(comparison, published)
    contents = {
        "comparison.txt": text + "\n",
        "comparison.csv": comparison_csv(comparison, published),
        "comparison.tex": comparison_latex(comparison, published),
    }
    for name, content in contents.items():
        (directory / (prefix + name)).write_text(content, encoding="utf-8")
    return text


_LEGEND = "95 % bootstrap interval over test clips, the same for all systems, and over runs; * without zero"


def _numbers_to_show(comparison: Comparison, published: Sequence[PublishedSystem]) -> list[str]:
    known = {name for _, name in comparison.numbers[comparison.systems[0].name]}
    stated = {name for other in published for _, name in other.numbers}
    return [name for name in TITLES if name in known and (name in _SHOWN or name in stated)]


def _table(comparison: Comparison, published: Sequence[PublishedSystem], name: str) -> list[str]:
    types = [*comparison.machine_types, ALL_TYPES]
    if name in ("official_score",):
        types = [ALL_TYPES]
    lines = [[TITLES[name], "runs", *(machine_type or "all" for machine_type in types)]]
    for system in comparison.systems:
        numbers = comparison.numbers[system.name]
        cells = [_with_spread(numbers[machine_type, name]) for machine_type in types]
        low, high = numbers[ALL_TYPES, name].interval
        cells[-1] += f" [{_percent(low)}, {_percent(high)}]"
        lines.append([_marked(system), str(len(system.runs)), *cells])
    for i, other in enumerate(published, start=1):
        cells = [_percent(other.numbers.get((t, name), math.nan)) for t in types]
        if any(cell != "-" for cell in cells):
            lines.append([f"{other.name} ({i})", "", *cells])
    return aligned(lines, keys=1)


def _differences(comparison: Comparison) -> list[str]:
    first, *others = comparison.systems
    names = [name for name in _SHOWN if (ALL_TYPES, name) in comparison.numbers[first.name]]
    lines = [[f"difference to {_marked(first)}", *(TITLES[name] for name in names)]]
    for system in others:
        numbers = comparison.numbers[system.name]
        lines.append([_marked(system), *(_difference(numbers[ALL_TYPES, n]) for n in names)])
    return aligned(lines, keys=1)


def _difference(found: Compared) -> str:
    low, high = found.difference_interval
    if math.isnan(low):
        return "-"
    mark = " *" if low > 0 or high < 0 else ""
    return f"{100 * found.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]{mark}"


def _marked(system: System) -> str:
    return f"{system.name} (ORACLE)" if system.is_oracle else system.name


def _with_spread(found: Compared) -> str:
    spread = "" if math.isnan(found.spread) else f" ± {100 * found.spread:.2f}"
    return _percent(found.mean) + spread


def _tex(found: Compared) -> str:
    spread = "" if math.isnan(found.spread) else rf" $\pm$ {100 * found.spread:.2f}"
    return _percent(found.mean) + spread


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _plain(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _escaped(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, "\\" + sign)
    return text
