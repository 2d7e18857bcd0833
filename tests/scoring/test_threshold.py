"""The gamma threshold against the recorded fits, and where no gamma distribution fits."""

from pathlib import Path

import numpy as np
import pytest
from absl import logging

from asd_jax.scoring.threshold import GammaThreshold


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    logged: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *args: logged.append(text % args))
    return logged


@pytest.mark.golden
def test_thresholds_equal_the_recorded_fits(shared: Path) -> None:
    path = shared / "golden" / "scores_detectors.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with np.load(path, allow_pickle=False) as arrays:
        keys = [key for key in arrays.files if "/threshold_" in key and key.startswith("gamma")]
        assert keys
        for key in keys:
            quantile = float(key.rpartition("_")[2])
            scores = arrays[key.partition("/")[0] + "/sample"]
            ours = GammaThreshold(quantile, dcase_baseline=True).fit(scores).threshold_
            np.testing.assert_allclose(ours, arrays[key], rtol=1e-2, err_msg=key)


def test_about_a_tenth_of_gamma_scores_exceeds_the_threshold(warnings_logged: list[str]) -> None:
    scores = np.random.default_rng(0).gamma(2.0, 3.0, size=2000) - 5.0
    threshold = GammaThreshold(0.9).fit(scores)
    assert threshold.predict(scores).mean() == pytest.approx(0.1, abs=0.02)
    assert not warnings_logged


def test_a_score_equal_to_the_threshold_is_normal() -> None:
    threshold = GammaThreshold().fit([2.0, 2.0, 2.0])
    assert threshold.predict([1.0, 2.0, 2.1]).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([1.0], "needs 5 scores"),
        ([1.0, 2.0, 3.0, 4.0], "needs 5 scores"),
        ([3.0] * 50, "all scores are equal"),
    ],
)
def test_too_few_or_equal_scores_take_the_empirical_quantile(
    scores: list[float], reason: str, warnings_logged: list[str]
) -> None:
    threshold = GammaThreshold(0.9).fit(scores).threshold_
    assert threshold == pytest.approx(np.quantile(scores, 0.9))
    assert len(warnings_logged) == 1
    assert reason in warnings_logged[0]


@pytest.mark.golden
def test_the_check_keeps_good_fits_and_mends_the_others(shared: Path) -> None:
    path = shared / "golden" / "scores_detectors.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with np.load(path, allow_pickle=False) as arrays:
        for key in [
            key for key in arrays.files if key.startswith("gamma") and key.endswith("/sample")
        ]:
            scores = arrays[key]
            exceeding = GammaThreshold(0.9).fit(scores).predict(scores).mean()
            tolerance = max(0.05, 3 * np.sqrt(0.09 / len(scores))) + 1 / len(scores)
            assert exceeding == pytest.approx(0.1, abs=tolerance), key


def test_a_degenerate_fit_is_replaced_unless_the_baseline_is_asked_for(
    warnings_logged: list[str],
) -> None:
    scores = np.exp(3.0 * np.random.default_rng(0).normal(size=1000))
    unchecked = GammaThreshold(0.9, dcase_baseline=True).fit(scores)
    assert unchecked.predict(scores).mean() > 0.9
    checked = GammaThreshold(0.9).fit(scores)
    assert checked.predict(scores).mean() == pytest.approx(0.1, abs=0.05)
    assert len(warnings_logged) == 1
    assert "empirical 0.9 quantile" in warnings_logged[0]


def test_a_distribution_that_is_no_gamma_still_gets_its_quantile() -> None:
    rng = np.random.default_rng(2)
    for scores in (rng.standard_cauchy(500), np.r_[np.zeros(400), rng.random(100)]):
        exceeding = GammaThreshold(0.9).fit(scores).predict(scores).mean()
        assert exceeding == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("offset", [0.0, -1e3, 1e6])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_and_place_of_scores_do_not_matter(offset: float, scale: float) -> None:
    scores = scale * (np.random.default_rng(1).gamma(3.0, 1.0, size=400) + offset)
    assert 0.05 < GammaThreshold(0.9).fit(scores).predict(scores).mean() < 0.2


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "got shape"),
        ([[1.0, 2.0]], "got shape"),
        ([1.0, float("nan"), 2.0], "number 1, nan"),
        ([1.0, 2.0, float("inf")], "number 2, inf"),
    ],
)
def test_bad_scores_are_an_error(scores: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GammaThreshold().fit(scores)


@pytest.mark.parametrize("quantile", [0.0, 1.0, 90.0])
def test_the_quantile_must_be_a_share(quantile: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        GammaThreshold(quantile)
