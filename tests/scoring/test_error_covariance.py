"""The Mahalanobis distance of reconstruction errors, by the errors themselves."""

from collections.abc import Sequence

import numpy as np
import pytest

from asd_jax.scoring.scorers import build_scorer
from asd_jax.scoring.settings import ScorerConfig

MELS, VECTORS, FRAMES = 6, 40, 3
DRAWS = np.random.default_rng(11)
SHAPE = (VECTORS * FRAMES, MELS)


def errors_of(clips: int, scale: float = 1.0) -> list[np.ndarray]:
    """Correlated errors with a mean, `[frames, mels]` a clip."""
    mixing = np.random.default_rng(1).normal(size=(MELS, MELS))
    return [scale * (DRAWS.normal(size=SHAPE) @ mixing + 0.3) for _ in range(clips)]


def moments(clips: Sequence[np.ndarray]) -> np.ndarray:
    """`[clips, mels, mels + 3]` as a detector reports them."""
    rows = []
    for errors in clips:
        counts = np.broadcast_to([VECTORS, FRAMES], (MELS, 2))
        mean = errors.mean(axis=0)[:, None]
        rows.append(np.concatenate([errors.T @ errors / len(errors), mean, counts], axis=1))
    return np.stack(rows)


def mean_distance(errors: np.ndarray, covariance: np.ndarray) -> float:
    inverse = np.linalg.inv(covariance)
    return float(np.mean([error @ inverse @ error for error in errors]))


NORMALS, TARGETS, CLIPS = errors_of(7), errors_of(3, 2.0), errors_of(4, 1.5)
DOMAINS = ["source"] * 7 + ["target"] * 3


def scores(normals, domains=None, **settings) -> np.ndarray:
    scorer = build_scorer("error_mahalanobis", ScorerConfig(**settings))
    return scorer.fit(moments(normals), domains).score_samples(moments(CLIPS))


def test_the_score_is_the_mean_distance_of_all_frames() -> None:
    covariance = np.cov(np.concatenate(NORMALS), rowvar=False, bias=True)
    expected = [mean_distance(errors, covariance) for errors in CLIPS]
    np.testing.assert_allclose(scores(NORMALS), expected, rtol=1e-9)


def test_the_nearer_domain_counts() -> None:
    both = scores([*NORMALS, *TARGETS], DOMAINS)
    each = [scores(NORMALS), scores(TARGETS)]
    np.testing.assert_allclose(both, np.min(each, axis=0), rtol=1e-12)
    # Errors of twice the size have a quarter of the distance.
    np.testing.assert_allclose(both, each[1], rtol=1e-12)


def test_without_domains_there_is_one_covariance() -> None:
    covariance = np.cov(np.concatenate([*NORMALS, *TARGETS]), rowvar=False, bias=True)
    expected = [mean_distance(errors, covariance) for errors in CLIPS]
    np.testing.assert_allclose(scores([*NORMALS, *TARGETS]), expected, rtol=1e-9)


def test_the_published_mean_error_is_an_option() -> None:
    """The published code's mean over all pairs of frames is the distance of the mean error: smaller."""
    inverse = np.linalg.inv(np.cov(np.concatenate(NORMALS), rowvar=False, bias=True))
    expected = [errors.mean(0) @ inverse @ errors.mean(0) for errors in CLIPS]
    found = scores(NORMALS, nttcslab_mean_error=True)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert (found < scores(NORMALS)).all()


def test_the_published_covariance_is_an_option() -> None:
    """Its sum runs over all frames, its divisor is the number of vectors less one."""
    factor = 7 * VECTORS * FRAMES / (7 * VECTORS - 1)
    found = scores(NORMALS, nttcslab_covariance=True)
    np.testing.assert_allclose(found, scores(NORMALS) / factor, rtol=1e-9)


def test_clips_of_several_lengths_count_by_their_frames() -> None:
    """The mean over clips would give the frames of a short clip more weight."""
    short = moments([NORMALS[0][: 3 * FRAMES]])
    short[:, :, -2] = 3
    covariance = np.cov(
        np.concatenate([NORMALS[0][: 3 * FRAMES], NORMALS[1]]), rowvar=False, bias=True
    )
    scorer = build_scorer("error_mahalanobis", ScorerConfig())
    found = scorer.fit(np.concatenate([short, moments(NORMALS[1:2])])).score_samples(moments(CLIPS))
    expected = [mean_distance(errors, covariance) for errors in CLIPS]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("silent_bands", [2, MELS])
def test_bands_that_are_always_right_do_not_break_the_inverse(silent_bands: int) -> None:
    """Errors of exactly zero, as of digital silence, have no covariance."""
    normals = [errors.copy() for errors in NORMALS]
    for errors in normals:
        errors[:, :silent_bands] = 0
    found = scores(normals)
    assert np.isfinite(found).all()
    assert (found > 0).all()


def test_other_reports_are_refused() -> None:
    """An embedding holds no moments of errors."""
    scorer = build_scorer("error_mahalanobis", ScorerConfig())
    with pytest.raises(ValueError, match=r"mels \+ 3.*evaluation\.scorer\.report"):
        scorer.fit(np.ones((4, 5)))
