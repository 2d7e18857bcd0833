"""Selective Mahalanobis scores of the published 2023 baseline, from vectors to scores."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.dense_autoencoder import DenseAutoencoder, DenseAutoencoderConfig
from asd_jax.interop.dense_autoencoder import load_weights, sizes
from asd_jax.scoring.scorers import build_scorer
from asd_jax.scoring.settings import ScorerConfig
from tests.golden import Arrays, distance, load, recorded, scaled, under

pytestmark = pytest.mark.golden

DOMAINS = ("source", "target")
PUBLISHED = DenseAutoencoder.fitted_scores["mahalanobis_nttcslab"].config


def reports(arrays: Arrays, vectors: list[np.ndarray]) -> np.ndarray:
    """Error moments of clips of any length, `[clips, mels, mels + 3]`."""
    tensors = under(arrays, "param/")
    config, _ = sizes(tensors, DenseAutoencoderConfig())
    detector = config.build(classes=0, steps_per_epoch=1, epochs=1)
    state = load_weights(detector, detector.init(jax.random.key(0)), tensors)
    moments = [
        detector.report_vectors(state, jnp.asarray(clip)[None])["error_moments"] for clip in vectors
    ]
    return np.concatenate(moments).astype(np.float64)


def training_moments(arrays: Arrays) -> tuple[np.ndarray, list[str]]:
    """Moments of each domain's vectors in each batch, centred as the published pass centres them, and the domains.

    The pass takes the mean of a domain's errors in a batch away from them, where ours takes that of all: with batches
    of a few hundred shuffled vectors it is the same, with the recording's few it is not.
    """
    batches = zip(arrays["in/x_batches"], arrays["in/is_target"].astype(bool), strict=True)
    parts = [
        (vectors[is_target == i], DOMAINS[i]) for vectors, is_target in batches for i in (0, 1)
    ]
    heard = [(vectors, domain) for vectors, domain in parts if len(vectors)]
    moments = reports(arrays, [vectors for vectors, _ in heard])
    mean = moments[:, :, -3].copy()
    moments[:, :, :-3] -= mean[:, :, None] * mean[:, None, :]
    moments[:, :, -3] = 0
    return moments, [domain for _, domain in heard]


def clip_moments(arrays: Arrays) -> np.ndarray:
    clips = sorted(key for key in arrays if key.startswith("clip") and key.endswith("/x"))
    return reports(arrays, [arrays[clip] for clip in clips])


@pytest.fixture(scope="module")
def recordings(shared: Path) -> list[Arrays]:
    return [load(path) for path in recorded(shared, "ntt_ae_mahala*.npz")]


def scores_by_domain(arrays: Arrays, config: ScorerConfig) -> np.ndarray:
    """`[clips, 2]`: by the source's and by the target's covariance."""
    moments, domains = training_moments(arrays)
    clips, columns = clip_moments(arrays), []
    for domain in DOMAINS:
        own = moments[np.array(domains) == domain]
        columns.append(build_scorer("error_mahalanobis", config).fit(own).score_samples(clips))
    return np.stack(columns, axis=1)


def test_sums_of_the_covariance_pass(recordings: list[Arrays]) -> None:
    for arrays in recordings:
        moments, domains = training_moments(arrays)
        frames = moments[:, 0, -2] * moments[:, 0, -1]
        for domain, count in zip(DOMAINS, arrays["mahala/n_source_n_target"], strict=True):
            own = np.array(domains) == domain
            total = np.einsum("c,cij->ij", frames[own], moments[own][:, :, :-3])
            assert moments[own][:, 0, -2].sum() == count
            assert distance(total, arrays[f"mahala/cov_sum_{domain}"]) < 1e-5
            covariance = total / (count - 1)
            assert distance(covariance, arrays[f"mahala/cov_{domain}"]) < 1e-5
            assert distance(np.linalg.inv(covariance), arrays[f"mahala/inv_{domain}"]) < 1e-4


def test_literal_scores(recordings: list[Arrays]) -> None:
    """The published score: the distance of the mean error."""
    for arrays in recordings:
        found = scores_by_domain(arrays, PUBLISHED)
        np.testing.assert_allclose(found, arrays["mahala/score_source_target"], rtol=1e-4)


def test_scores_by_published_covariances(recordings: list[Arrays]) -> None:
    """They come with the weights: whatever normals are at hand, the score is the published one."""
    for arrays in recordings:
        clips = clip_moments(arrays)
        expected = arrays["mahala/score_source_target"].min(axis=1)
        covariances = [arrays[f"mahala/cov_{domain}"] for domain in DOMAINS]
        for normals in (clips[:1], clips[1:]):
            scorer = build_scorer("error_mahalanobis", PUBLISHED, covariances=covariances)
            found = scorer.fit(normals).score_samples(clips)
            np.testing.assert_allclose(found, expected, rtol=1e-4)
        wrong = [covariance * 1.01 for covariance in covariances]
        scorer = build_scorer("error_mahalanobis", PUBLISHED, covariances=wrong)
        assert distance(scorer.fit(clips).score_samples(clips), expected) > 5e-3
        with pytest.raises(ValueError, match="the published covariance is"):
            build_scorer("error_mahalanobis", PUBLISHED, covariances=[np.eye(3)]).fit(clips)


def test_literal_selective_scores(recordings: list[Arrays]) -> None:
    """The smaller of both domains."""
    for arrays in recordings:
        scorer = build_scorer("error_mahalanobis", PUBLISHED).fit(*training_moments(arrays))
        found = scorer.score_samples(clip_moments(arrays))
        np.testing.assert_allclose(found, arrays["mahala/score_selective"], rtol=1e-4)


def test_mean_of_the_frames_distances(recordings: list[Arrays]) -> None:
    """What the score was meant to be; without the literal covariance it is larger by frames over vectors less one."""
    for arrays in recordings:
        golden = arrays["mahala/diagonal_mean_source_target"]
        literal = dataclasses.replace(PUBLISHED, nttcslab_mean_error=False)
        np.testing.assert_allclose(scores_by_domain(arrays, literal), golden, rtol=1e-4)
        count = arrays["mahala/n_source_n_target"]
        factor = int(arrays["cfg/n_mels_frames"][1]) * count / (count - 1)
        right = dataclasses.replace(literal, nttcslab_covariance=False)
        np.testing.assert_allclose(scores_by_domain(arrays, right), golden * factor, rtol=1e-4)


@pytest.mark.parametrize("name", ["encoder.0.weight", "encoder.13.bias", "decoder.12.weight"])
def test_a_changed_tensor_is_noticed(recordings: list[Arrays], name: str) -> None:
    for arrays in recordings:
        changed = arrays | {f"param/{name}": scaled(arrays[f"param/{name}"])}
        away = scores_by_domain(changed, PUBLISHED) / arrays["mahala/score_source_target"] - 1
        assert np.abs(away).max() > 1e-4
