"""The head of a report and its result table."""

import math
from collections.abc import Sequence
from itertools import groupby

from asd_jax.config import Experiment
from asd_jax.data.windows import WindowPolicy
from asd_jax.evaluation.clip_scores import dataset_year
from asd_jax.evaluation.intervals import bootstrap_intervals
from asd_jax.evaluation.result_csv import Mean, column_means, mean_rows
from asd_jax.evaluation.summary import Summary, summarise
from asd_jax.evaluation.tables import ResultRow, result_rows
from asd_jax.report.findings import Findings
from asd_jax.report.page import Html, details, element, joined, paragraph, remark, table

UNLABELLED = (
    "The labels of all test clips are unknown: there are no metrics, ROC curves or false alarms, only anomaly scores "
    "and decisions."
)
_DEFINITIONS = (
    "AUC: area under the ROC curve. pAUC: the same for false-positive rates up to 10 %, standardised as by McClish "
    "(50 % is chance, 100 % perfect). Precision, recall and F1 score are those of the decisions."
)
_CHECKPOINT = {
    "last": "The checkpoint is the last one",
    "validated": "The checkpoint is the one that held-out training normals favour",
}
_SUMMARY = {
    "mean_auc": "mean AUC",
    "mean_pauc": "mean pAUC",
    "minimum_auc": "smallest AUC of a machine type, mean over the types",
    "source_auc": "AUC of the source domain, harmonic mean",
    "target_auc": "AUC of the target domain, harmonic mean",
    "official_score": "official score (harmonic mean of all AUC and pAUC that count)",
}


def head(findings: Findings) -> Html:
    """What was run, by which protocol, and the few numbers that it comes down to."""
    experiment = findings.experiment
    facts = _facts(findings)
    parts = [
        paragraph(
            f"Protocol: honest. {_CHECKPOINT[experiment.evaluation.checkpoint]}, the score was fixed before the test "
            "clips were heard, and decision thresholds come from training normals; test labels only make the metrics."
        ),
        _summary_table(findings) if findings.has_labels else remark(UNLABELLED),
        table("The run", ["setting", "value"], facts, labels=2),
        details("The whole configuration", element("pre", experiment.to_json())),
    ]
    return joined(parts)


def results(findings: Findings) -> Html:
    """The year's metrics of every section, with their means, in percent."""
    if not findings.has_labels:
        return remark(UNLABELLED)
    rows = _rows(findings)
    year = dataset_year(findings.experiment.data.dataset)
    has_domain = bool(rows[0].domain)
    metrics, extra = list(rows[0].metrics), list(rows[0].extra)
    header = ["machine type", "section", *(["domain"] if has_domain else []), *metrics, *extra]
    labels = len(header) - len(metrics) - len(extra)
    lines: list[list[str]] = []
    for machine_type, block in groupby(rows, key=lambda row: row.machine_type):
        own = list(block)
        for row in own:
            keys = [machine_type, row.section, *([row.domain] if has_domain else [])]
            values = [*row.metrics.values(), *row.extra.values()]
            lines.append([*keys, *map(percent, values)])
        if len(own) > 1:
            lines += _mean_lines(machine_type, own, mean_rows(year), labels)
    if year != 2020:
        lines += _mean_lines("all", rows, mean_rows(year), labels)
    is_mean = [line[1] in mean_rows(year) for line in lines]
    unlabelled = sum(score.label == "unknown" for score in findings.scores)
    parts = [table(f"{_dataset(findings)}, in percent", header, lines, labels, is_mean)]
    if unlabelled:
        parts.append(remark(f"{unlabelled} test clips have no label and do not count."))
    missing = summarise(findings.experiment.data.dataset, rows).missing
    if missing:
        parts.append(
            remark(f"nan: undefined, since one class has no labelled clip ({', '.join(missing)}).")
        )
    return joined([*parts, remark(_DEFINITIONS)])


def percent(share: float) -> str:
    """A share of 1 in percent."""
    return "nan" if math.isnan(share) else f"{100 * share:.2f}"


def _rows(findings: Findings) -> list[ResultRow]:
    extra = {"RMS AUC": findings.loudness} if findings.experiment.evaluation.loudness else None
    return result_rows(findings.experiment.data.dataset, findings.scores, extra)


def _mean_lines(
    name: str, rows: Sequence[ResultRow], means: dict[str, Mean], labels: int
) -> list[list[str]]:
    lines = []
    for label, mean in means.items():
        cells = [percent(value) for value in column_means(rows, mean).values()]
        extra = [percent(mean([row.extra[key] for row in rows])) for key in rows[0].extra]
        lines.append([name, label, *[""] * (labels - 2), *cells, *extra])
    return lines


def _summary_table(findings: Findings) -> Html:
    dataset = findings.experiment.data.dataset
    summary = summarise(dataset, _rows(findings))
    intervals = bootstrap_intervals(dataset, findings.scores)
    lines = []
    for name, title in _SUMMARY.items():
        value = getattr(summary, name)
        if value is not None:
            low, high = intervals.get(name, (math.nan, math.nan))
            lines.append([title, percent(value), f"{percent(low)} to {percent(high)}"])
    lines += [[f"mean {name}", percent(value), ""] for name, value in _extra_means(summary)]
    return table("Summary, in percent", ["", "value", "95 % bootstrap interval over clips"], lines)


def _extra_means(summary: Summary) -> list[tuple[str, float]]:
    names = {"RMS AUC": "RMS AUC (what the loudness of a clip alone would reach)"}
    return [(names.get(name, name), value) for name, value in summary.extra_means.items()]


def _dataset(findings: Findings) -> str:
    return f"{findings.experiment.data.dataset}, {findings.experiment.data.mode} data"


def _facts(findings: Findings) -> list[list[str]]:
    experiment = findings.experiment
    data, evaluation = experiment.data, experiment.evaluation
    steps = ", ".join(f"{m.model.name}: {int(m.model.state.step)}" for m in findings.models)
    kind = (
        "a scorer fitted on training normals" if findings.is_fitted else "a report of the detector"
    )
    heard = sum(len(m.normals.clips) for m in findings.models)
    quantile = f"{evaluation.threshold_quantile:g}-quantile of the training normals' scores"
    return [
        ["experiment", experiment.name],
        ["data set", _dataset(findings)],
        ["machine types", ", ".join(findings.machine_types)],
        ["detector", type(findings.models[0].model.detector).__name__],
        ["models", f"one for {'all' if data.one_model_per == 'all' else 'each machine type'}"],
        ["steps of the checkpoints", steps],
        ["training clips", str(sum(len(m.model.training) for m in findings.models))],
        ["test clips", str(len(findings.scores))],
        ["windows", _windows(experiment, findings.models[0].model.policy)],
        ["anomaly score", f"{findings.score}, {kind}; {evaluation.pooling} over windows"],
        [
            "decision threshold",
            f"{quantile}, by a gamma distribution; per {evaluation.threshold_per}",
        ],
        ["training normals heard for it", str(heard)],
    ]


def _windows(experiment: Experiment, policy: WindowPolicy) -> str:
    features = getattr(experiment.detector, "features", None)
    rate = getattr(features, "sample_rate", 0)
    length = f"{policy.samples / rate:.3g} s" if rate else f"{policy.samples} samples"
    if policy.evaluation == "head":
        return f"{length}; the first one of a clip is heard"
    return f"{length}; all of a clip are heard"


def title(findings: Findings) -> str:
    """Of the page."""
    return f"{findings.experiment.name} on {_dataset(findings)}"
