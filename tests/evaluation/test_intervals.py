"""Intervals of the summary numbers over the clips."""

import dataclasses
import math

import numpy as np
import pytest

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.intervals import bootstrap_intervals, jackknife_half_widths
from asd_jax.evaluation.result_csv import evaluator_ci95
from asd_jax.evaluation.summary import summarise
from asd_jax.evaluation.tables import result_rows

YEARS = [2020, 2021, 2022, 2023]


def clips_of(year: int, per_class: int = 25, seed: int = 0) -> list[ClipScore]:
    rng = np.random.default_rng(seed)
    kind = "id" if year == 2020 else "section"
    return [
        ClipScore(
            machine_type,
            f"{kind}_{section:02d}",
            domain,
            f"{domain}_{label}_{i}.wav",
            float(rng.normal() + (label == "anomaly")),
            0,
            label,
        )
        for machine_type in ("fan", "pump")
        for section in range(2)
        for domain in (("unknown",) if year == 2020 else ("source", "target"))
        for label in ("normal", "anomaly")
        for i in range(per_class)
    ]


@pytest.mark.parametrize("year", YEARS)
def test_jackknife_leaves_each_clip_out_of_the_whole_table(year: int) -> None:
    """Against the same tables computed one by one."""
    dataset, clips = f"dcase{year}", clips_of(year, per_class=3)
    left_out = []
    for i in range(len(clips)):
        rows = result_rows(dataset, clips[:i] + clips[i + 1 :])
        left_out.append(dataclasses.asdict(summarise(dataset, rows)))
    count = len(clips)
    for name, half_width in jackknife_half_widths(dataset, clips).items():
        values = np.array([table[name] for table in left_out])
        error = np.sqrt((count - 1) / count * np.sum((values - values.mean()) ** 2))
        # Student's t of 0.975, by its own table of a few degrees of freedom.
        assert half_width / error == pytest.approx(2.0, abs=0.1), name


@pytest.mark.parametrize("year", YEARS)
def test_bootstrap_intervals_hold_the_number_and_shrink_with_more_clips(year: int) -> None:
    dataset = f"dcase{year}"
    few, many = clips_of(year), clips_of(year, per_class=100)
    summary = summarise(dataset, result_rows(dataset, few))
    narrow = bootstrap_intervals(dataset, many)
    for name, (low, high) in bootstrap_intervals(dataset, few).items():
        assert low < getattr(summary, name) < high, name
        assert narrow[name][1] - narrow[name][0] < 0.75 * (high - low), name


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """AUC of normal scores one standard deviation apart is 0.76; 200 draws of 2020's mean AUC."""
    covered = 0
    for seed in range(200):
        clips = clips_of(2020, seed=seed)
        low, high = bootstrap_intervals("dcase2020", clips, resamples=200, seed=seed)["mean_auc"]
        covered += low < 0.7602 < high
    assert 175 <= covered <= 199


def test_unlabelled_clips_and_undefined_sections_do_not_spoil_an_interval() -> None:
    clips = clips_of(2020)
    unlabelled = [dataclasses.replace(clip, label="unknown") for clip in clips[:10]]
    one_class = [dataclasses.replace(clip, section="id_04", label="normal") for clip in clips[:10]]
    expected = bootstrap_intervals("dcase2020", clips)
    assert bootstrap_intervals("dcase2020", [*clips, *unlabelled]) == expected
    low, high = bootstrap_intervals("dcase2020", [*clips, *one_class])["mean_auc"]
    assert low < expected["mean_auc"][1]
    assert not math.isnan(high)


def test_nothing_labelled_has_no_interval() -> None:
    clips = [dataclasses.replace(clip, label="normal") for clip in clips_of(2021)]
    intervals = bootstrap_intervals("dcase2021", clips, resamples=10)
    assert all(math.isnan(bound) for bounds in intervals.values() for bound in bounds)


def test_the_evaluators_interval_is_too_narrow_by_the_number_of_clips() -> None:
    """It divides where a jackknife multiplies; of one machine's clips the ratio is N - 1, half of it pAUC's."""
    clips = [clip for clip in clips_of(2022) if clip.machine_type == "fan"]
    one_section = [clip for clip in clips if clip.section == "section_00"]
    as_2020 = [dataclasses.replace(clip, section="id_00") for clip in one_section]
    right = jackknife_half_widths("dcase2020", as_2020)
    mean = (right["mean_auc"] + right["mean_pauc"]) / 2
    assert evaluator_ci95(one_section) == pytest.approx(mean / (len(one_section) - 1))
