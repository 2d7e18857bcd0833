"""Scorers on what trainings and sections really bring: single clips, duplicates, zeros, and values gone wrong."""

import numpy as np
import pytest

from asd_jax.scoring.scorers import build_scorer
from asd_jax.scoring.settings import ScorerConfig, ScorerKind

KINDS: list[ScorerKind] = ["knn", "lof", "mahalanobis", "cosine", "gmm"]
SOME = np.random.default_rng(3).normal(size=(12, 4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_references_rank_the_far_clip_higher(kind, metric, count) -> None:
    """Target domains have three clips: fewer than neighbours, components or features."""
    config = ScorerConfig(metric=metric, neighbours=5, density_neighbours=4, components=4)
    close, far = 1 + 0.1 * SOME, np.array([[2.0, -1.0, 2.0, -1.0]])
    found = build_scorer(kind, config).fit(close[:count]).score_samples(np.r_[close[:1], far])
    assert np.isfinite(found).all()
    assert found[1] > found[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_duplicates_are_finite_and_score_lowest(kind: ScorerKind, metric) -> None:
    config = ScorerConfig(metric=metric, neighbours=2, density_neighbours=3)
    scorer = build_scorer(kind, config).fit(np.repeat(SOME[:1], 6, axis=0))
    found = scorer.score_samples(np.r_[SOME[:1], SOME[1:4]])
    assert np.isfinite(found).all()
    assert (found[1:] > found[0]).all()


def test_neighbours_beyond_the_references_all_count() -> None:
    normals = np.array([[0.0], [1.0]])
    scorer = build_scorer("knn", ScorerConfig(metric="euclidean", neighbours=7)).fit(normals)
    assert scorer.score_samples([[3.0]]).tolist() == [5.0]


def test_a_reference_among_duplicates_takes_the_smallest_positive_density() -> None:
    """Three clips coincide: their mean distance is zero, so that of the densest other clip divides theirs."""
    normals = np.array([[0.0], [0.0], [0.0], [10.0], [12.0]])
    config = ScorerConfig(metric="euclidean", density_neighbours=2)
    scorer = build_scorer("knn", config).fit(normals)
    # Clip 10 lies 2 and 10 from its two nearest others, clip 12 lies 2 and 12.
    assert scorer.score_samples([[1.0], [0.0], [9.0]]).tolist() == pytest.approx([1 / 6, 0, 1 / 6])


def test_density_of_nothing_but_duplicates_leaves_distances_as_they_are() -> None:
    config = ScorerConfig(metric="euclidean", density_neighbours=2)
    scorer = build_scorer("knn", config).fit(np.ones((4, 1)))
    assert scorer.score_samples([[1.0], [3.0]]).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("kind", ["knn", "cosine"])
def test_a_zero_vector_lies_at_a_right_angle_to_all_but_itself(kind: ScorerKind) -> None:
    zero = np.zeros((1, 4))
    config = ScorerConfig()
    away = build_scorer(kind, config).fit(SOME).score_samples(zero)
    assert away.tolist() == pytest.approx([1.0])
    to_zero = build_scorer(kind, config).fit(zero).score_samples(np.r_[SOME[:1], zero])
    assert to_zero.tolist() == pytest.approx([1.0, 0.0])


def test_the_cosine_of_tiny_vectors_is_that_of_their_direction() -> None:
    """Squares of 1e-200 vanish in double precision."""
    scorer = build_scorer("knn", ScorerConfig()).fit(SOME * 1e-200)
    clips = SOME[:3] + 1
    expected = build_scorer("knn", ScorerConfig()).fit(SOME).score_samples(clips)
    np.testing.assert_allclose(scorer.score_samples(clips * 1e-200), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(kind: ScorerKind, broken: float) -> None:
    """Distances to NaN are NaN and would rank anywhere."""
    samples = SOME.copy()
    samples[7, 2] = broken
    with pytest.raises(ValueError, match=r"1 of 12 clips .* not finite .*number 7"):
        build_scorer(kind, ScorerConfig()).fit(samples)
    with pytest.raises(ValueError, match=r"1 of 12 clips .* not finite"):
        build_scorer(kind, ScorerConfig()).fit(SOME).score_samples(samples)


def test_what_does_not_fit_together_is_named() -> None:
    scorer = build_scorer("knn", ScorerConfig())
    with pytest.raises(ValueError, match="KNN must be fitted"):
        scorer.score_samples(SOME)
    with pytest.raises(ValueError, match=r"shape \(4,\), cannot score \(3,\)"):
        scorer.fit(SOME).score_samples(SOME[:, :3])
    with pytest.raises(ValueError, match="3 domains for 12"):
        scorer.fit(SOME, ["source"] * 3)
    with pytest.raises(ValueError, match="of some clips"):
        scorer.fit(SOME[:0])
    with pytest.raises(ValueError, match="of some clips"):
        scorer.fit(SOME[0])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("knn", {"neighbours": 0}),
        ("knn", {"density_neighbours": -1}),
        ("lof", {"neighbours": 0}),
        ("gmm", {"components": 0}),
        ("gmm", {"variance_floor": 0.0}),
    ],
)
def test_impossible_settings_are_refused(kind: ScorerKind, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))}.*got"):
        build_scorer(kind, ScorerConfig(**settings))  # type: ignore[arg-type]


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no scorer forest: there are knn, lof"):
        build_scorer("forest", ScorerConfig())  # type: ignore[arg-type]
