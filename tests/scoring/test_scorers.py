"""Scorers against scikit-learn and against sums done by hand."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.metrics import pairwise_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from asd_jax.scoring.neighbours import _sum_of_nearest
from asd_jax.scoring.samples import BATCH
from asd_jax.scoring.scorers import build_scorer
from asd_jax.scoring.settings import ScorerConfig

DRAWS = np.random.default_rng(7)
NORMALS = (DRAWS.normal(size=(90, 6)) + np.arange(6)).astype(np.float32)
CLIPS = (1.5 * DRAWS.normal(size=(2 * BATCH + 11, 6)) + 2).astype(np.float32)


def scores(kind, normals, clips, domains=None, **settings) -> np.ndarray:
    scorer = build_scorer(kind, ScorerConfig(**settings))
    found = scorer.fit(normals, domains).score_samples(clips)
    assert found.dtype == np.float64
    assert found.shape == (len(clips),)
    return found


def programs() -> int:
    return _sum_of_nearest._cache_size()  # type: ignore[attr-defined]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("neighbours", [1, 4])
def test_knn_is_the_sum_of_the_nearest_distances(metric: str, neighbours: int) -> None:
    search = NearestNeighbors(n_neighbors=neighbours, metric=metric, algorithm="brute")
    distances, _ = search.fit(NORMALS.astype(np.float64)).kneighbors(CLIPS.astype(np.float64))
    found = scores("knn", NORMALS, CLIPS, metric=metric, neighbours=neighbours)
    np.testing.assert_allclose(found, distances.sum(axis=1), rtol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_density_normalisation_divides_by_the_references_own_distances(metric: str) -> None:
    """Every reference's distance counts in units of its own neighbourhood, before the nearest is chosen."""
    among = np.sort(pairwise_distances(NORMALS.astype(np.float64), metric=metric), axis=1)
    own = among[:, 1:4].mean(axis=1)
    away = pairwise_distances(CLIPS.astype(np.float64), NORMALS.astype(np.float64), metric=metric)
    expected = np.sort(away / own, axis=1)[:, :2].sum(axis=1)
    found = scores("knn", NORMALS, CLIPS, metric=metric, neighbours=2, density_neighbours=3)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_density_normalisation_evens_out_a_sparse_domain() -> None:
    """A clip between sparse target normals is no more anomalous than one between dense source normals."""
    dense, sparse = np.arange(0, 1, 0.1), np.arange(100, 110, 1.0)
    normals = np.concatenate([dense, sparse])[:, None]
    clips = np.array([[0.55], [105.5]])
    plain = scores("knn", normals, clips, metric="euclidean")
    even = scores("knn", normals, clips, metric="euclidean", density_neighbours=1)
    assert plain[1] == pytest.approx(10 * plain[0])
    assert even[1] == pytest.approx(even[0])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_nearly_identical_vectors_keep_their_small_distance(metric: str) -> None:
    """Products of float32 vectors would cancel to zero or to noise; a distance of 1e-4 must be right to 1e-6."""
    reference = DRAWS.normal(size=(1, 512))
    across = DRAWS.normal(size=(1, 512))
    across -= reference * (across @ reference.T) / (reference @ reference.T)
    across *= np.linalg.norm(reference) / np.linalg.norm(across)
    expected = 1e-4 * np.linalg.norm(reference)
    if metric == "cosine":
        expected = 1 - 1 / np.sqrt(1 + 1e-8)
    found = scores("knn", reference, reference + 1e-4 * across, metric=metric)
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_lof_is_that_of_scikit_learn_with_the_sign_turned() -> None:
    factor = LocalOutlierFactor(n_neighbors=4, metric="euclidean", novelty=True).fit(NORMALS)
    found = scores("lof", NORMALS, CLIPS, metric="euclidean", neighbours=4)
    np.testing.assert_allclose(found, -factor.score_samples(CLIPS), rtol=1e-5)


def test_mahalanobis_inverts_the_sample_covariance() -> None:
    inverse = np.linalg.inv(np.cov(NORMALS.astype(np.float64), rowvar=False))
    away = CLIPS - NORMALS.mean(axis=0, dtype=np.float64)
    expected = np.sqrt(np.einsum("ci,ij,cj->c", away, inverse, away))
    np.testing.assert_allclose(scores("mahalanobis", NORMALS, CLIPS), expected, rtol=1e-7)


@pytest.mark.parametrize("is_flat", [False, True])
def test_mahalanobis_shrinks_a_covariance_that_has_no_inverse(is_flat: bool) -> None:
    """Too few clips, or a feature that never varies: directions without variance must not count for nothing."""
    normals = NORMALS.copy() if is_flat else NORMALS[:5]
    if is_flat:
        normals[:, 2] = 1
    fit = LedoitWolf().fit(normals.astype(np.float64))
    expected = np.sqrt(fit.mahalanobis(CLIPS.astype(np.float64)))
    np.testing.assert_allclose(scores("mahalanobis", normals, CLIPS), expected, rtol=1e-6)


def test_selective_mahalanobis_takes_the_nearer_domain() -> None:
    normals = np.concatenate([NORMALS, 3 * NORMALS[:40] + 20])
    domains = ["source"] * 90 + ["target"] * 40
    each = [scores("mahalanobis", normals[rows], CLIPS) for rows in (slice(90), slice(90, None))]
    found = scores("mahalanobis", normals, CLIPS, domains, selective=True)
    np.testing.assert_allclose(found, np.min(each, axis=0), rtol=1e-9)
    pooled = scores("mahalanobis", normals, CLIPS, domains)
    np.testing.assert_allclose(pooled, scores("mahalanobis", normals, CLIPS), rtol=1e-12)
    assert not np.allclose(pooled, found, rtol=0.01)


def test_a_domain_of_one_clip_takes_the_covariance_of_all() -> None:
    alone = NORMALS[:1] + 30
    normals = np.concatenate([NORMALS, alone])
    inverse = np.linalg.inv(np.cov(normals.astype(np.float64), rowvar=False))
    away = (alone + 1 - alone).astype(np.float64)
    expected = np.sqrt(np.einsum("ci,ij,cj->c", away, inverse, away))
    domains = ["source"] * 90 + ["target"]
    found = scores("mahalanobis", normals, alone + 1, domains, selective=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_cosine_compares_with_the_mean_of_the_normals() -> None:
    mean = NORMALS.mean(axis=0, dtype=np.float64)
    norms = np.linalg.norm(CLIPS.astype(np.float64), axis=1) * np.linalg.norm(mean)
    np.testing.assert_allclose(scores("cosine", NORMALS, CLIPS), 1 - CLIPS @ mean / norms, 1e-9)


def test_gmm_finds_the_clusters_that_made_the_normals() -> None:
    """The likelihood is that of scikit-learn's mixture started at the true centres."""
    normals = np.concatenate([NORMALS, NORMALS[:60] + 40])
    centers = np.stack([normals[:90].mean(axis=0), normals[90:].mean(axis=0)])
    floor = 1e-3 * normals.var(axis=0, dtype=np.float64).mean()
    mixture = GaussianMixture(2, means_init=centers, reg_covar=floor).fit(normals)
    found = scores("gmm", normals, CLIPS, components=2)
    np.testing.assert_allclose(found, -mixture.score_samples(CLIPS), rtol=1e-4)


def test_scores_do_not_depend_on_the_unit_of_the_embedding() -> None:
    """gmm regularises relative to the variance: embeddings of length 0.001 must not drown in it."""
    order = np.argsort(scores("gmm", NORMALS, CLIPS))
    small = np.argsort(scores("gmm", 1e-3 * NORMALS, 1e-3 * CLIPS))
    np.testing.assert_array_equal(order, small)


def test_any_number_of_clips_and_references_shares_one_program() -> None:
    """Sections have different numbers of clips: compiling for each would take longer than scoring."""
    scores("knn", NORMALS, CLIPS)
    compiled = programs()
    for references, clips in ((70, 1), (80, BATCH), (90, BATCH + 1)):
        alone = [
            scores("knn", NORMALS[:references], CLIPS[i : i + 1]) for i in range(min(clips, 3))
        ]
        found = scores("knn", NORMALS[:references], CLIPS[:clips])
        np.testing.assert_array_equal(found[:3], np.concatenate(alone))
    assert programs() == compiled


def test_any_shape_of_sample_is_compared_feature_by_feature() -> None:
    flat = scores("knn", NORMALS, CLIPS)
    image = scores("knn", NORMALS.reshape(-1, 2, 3), CLIPS.reshape(-1, 2, 3))
    np.testing.assert_array_equal(flat, image)
