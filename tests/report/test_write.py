"""The whole report of trained models: complete, valid, self-contained, and honest about what it lacks."""

import dataclasses
import html.parser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import Experiment, override
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.report import examples
from asd_jax.report.findings import Findings, find
from asd_jax.report.write import page_of, report_path, write_report
from asd_jax.training.experiment import load_experiment, train

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Checked(html.parser.HTMLParser):
    """Refuses a page whose elements do not nest, whose pictures say nothing, or that asks the network."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.count: dict[str, int] = {}
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.text = ""
        self.feed(page)
        assert not self.open
        assert self.links <= self.anchors
        assert self.headings[0] == 1
        steps = zip(self.headings, self.headings[1:], strict=False)
        assert all(after <= before + 1 for before, after in steps)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        given = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            assert len(given["alt"] or "") > 10
        for name in ("src", "href"):
            address = given.get(name) or ""
            assert not address or address.startswith(("data:", "#")), address
            if address.startswith("#"):
                self.links.add(address[1:])
        if given.get("id"):
            assert given["id"] not in self.anchors
            self.anchors.add(given["id"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def run_2020(tiny: Experiment, prepared: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("run_2020")
    data_dir = prepared("dcase2020", ["fan", "valve"], ("dev", "eval"))
    train(override(tiny, [f"data.data_dir={data_dir}", "evaluation.loudness=true"]), workdir)
    return workdir


@pytest.fixture(scope="module")
def findings(run_2020: Path) -> Findings:
    return find(load_experiment(run_2020), run_2020)


@pytest.fixture(scope="module")
def page(findings: Findings) -> str:
    return page_of(findings, 1)


def test_a_report_is_valid_and_needs_nothing_beside_itself(page: str) -> None:
    assert page.startswith("<!DOCTYPE html>")
    checked = Checked(page)
    assert '<html lang="en">' in page
    assert checked.count["title"] == 1
    # Histograms and ROC curves of two machine types, two maps, confusion, learning curves, and the examples.
    shown = checked.count["audio"]
    assert shown >= 4
    assert checked.count["img"] == 2 * 2 + 2 + 1 + 1 + shown
    for text in ("nll_margin", "fan", "valve", "RMS AUC", "p-value", "integrated gradients"):
        assert text in checked.text
    assert "NaN" not in checked.text


def test_it_tells_what_evaluate_writes(page: str, findings: Findings, run_2020: Path) -> None:
    """The same scores, decisions and metrics; hearing the clips once."""
    results = evaluate(load_experiment(run_2020), run_2020)
    assert results is not None
    assert results.summary is not None
    assert f"{100 * results.summary.mean_auc:.2f}" in page

    def by_name(scores: list[ClipScore]) -> dict[tuple[str, str], tuple[float, int | None]]:
        return {(s.machine_type, s.file_name): (s.score, s.decision) for s in scores}

    assert by_name(findings.scores) == by_name(read_clip_scores(results.directory))
    for model in findings.models:
        assert len(model.model.heard) == 2
    with (results.directory / "result.csv").open() as file:
        numbers = re.findall(r"0\.\d+|1\.0", file.read())
    assert {f"{100 * float(number):.2f}" for number in numbers} <= set(
        re.findall(r"\d+\.\d\d", page)
    )


def test_the_same_run_has_the_same_report(page: str, run_2020: Path) -> None:
    assert page_of(find(load_experiment(run_2020), run_2020), 1) == page


def test_a_report_is_written_beside_the_results_as_a_whole(run_2020: Path, tmp_path: Path) -> None:
    """A later evaluation, which replaces its folder, leaves it alone."""
    experiment = override(load_experiment(run_2020), ["data.machine_types=fan"])
    path = write_report(experiment, run_2020, example_count=0)
    assert path == report_path(experiment, run_2020, "") == run_2020 / "report_development_fan.html"
    evaluate(experiment, run_2020)
    assert path.is_file()
    checked = Checked(path.read_text())
    assert "valve" not in checked.text.replace(experiment.to_json(), "")
    assert "audio" not in checked.count
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder: make it"):
        write_report(experiment, run_2020, tmp_path / "nowhere" / "report.html")
    assert not list(run_2020.glob("*.unfinished"))


def test_labels_that_are_unknown_leave_scores_and_decisions(findings: Findings) -> None:
    hidden = tuple(
        dataclasses.replace(
            model,
            scores=tuple(dataclasses.replace(score, label="unknown") for score in model.scores),
        )
        for model in findings.models
    )
    checked = Checked(page_of(dataclasses.replace(findings, models=hidden), 1))
    assert "The labels of all test clips are unknown" in checked.text
    assert "ROC curves of" not in checked.text
    assert "called anomalies" in checked.text
    assert examples.HIGHEST in checked.text


def test_one_class_alone_has_no_metrics_but_a_report(findings: Findings) -> None:
    normal = tuple(
        dataclasses.replace(
            model, scores=tuple(dataclasses.replace(s, label="normal") for s in model.scores)
        )
        for model in findings.models
    )
    checked = Checked(page_of(dataclasses.replace(findings, models=normal), 1))
    assert "undefined, since one class has no labelled clip" in checked.text
    assert "no missed anomaly" in checked.text


def test_sounds_beyond_the_limit_are_left_out(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "MOST_AUDIO_BYTES", 100_000)
    checked = Checked(examples_page(findings))
    assert checked.count["audio"] == 2
    assert re.search(r"2 of \d+ clips have a player", checked.text)


def examples_page(findings: Findings) -> str:
    return page_of(findings, 1)


def test_a_fitted_score_is_not_passed_off_as_what_the_pictures_explain(run_2020: Path) -> None:
    experiment = override(load_experiment(run_2020), ["evaluation.score=knn"])
    checked = Checked(page_of(find(experiment, run_2020), 1))
    assert "this run is judged by knn" in checked.text
    assert "knn, a scorer fitted on training normals" in checked.text


def test_a_browser_opens_it_without_complaint(page: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on PATH")
    path = tmp_path / "report.html"
    path.write_text(page)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0"]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Examples to look at" in done.stdout
    assert "CONSOLE" not in done.stderr


def test_imported_weights_have_no_training_log_but_a_report(run_2020: Path, tmp_path: Path) -> None:
    shutil.copytree(run_2020, tmp_path / "run")
    (tmp_path / "run" / "models" / "all" / "metrics.jsonl").unlink()
    checked = Checked(page_of(find(load_experiment(run_2020), tmp_path / "run"), 0))
    assert "There is no training log: the weights were imported." in checked.text


def test_a_validated_checkpoint_is_the_one_that_the_report_shows(
    tiny: Experiment, prepared: Any, tmp_path: Path
) -> None:
    """As in an evaluation with the same setting; the page says how the checkpoint was chosen."""
    settings = [
        f"data.data_dir={prepared('dcase2020', ['fan', 'valve'], ('dev', 'eval'))}",
        "data.held_out=0.3",
        "training.keep_checkpoints=5",
    ]
    train(override(tiny, settings), tmp_path)
    experiment = override(load_experiment(tmp_path), ["evaluation.checkpoint=validated"])
    found = find(experiment, tmp_path)
    results = evaluate(experiment, tmp_path)
    assert results is not None
    written = {clip.file_name: clip.score for clip in read_clip_scores(results.directory)}
    assert {clip.file_name: clip.score for clip in found.scores} == pytest.approx(written)
    assert "held-out training normals favour" in page_of(found, 0)
