"""Scores of the published embedding detector: Mahalanobis, kNN, LOF and cosine, pooled over machine IDs."""

from pathlib import Path

import numpy as np
import pytest

from asd_jax.scoring.scorers import build_scorer
from asd_jax.scoring.settings import ScorerConfig, ScorerKind
from tests.golden import Arrays, load, recorded

pytestmark = pytest.mark.golden

PUBLISHED: dict[str, tuple[ScorerKind, ScorerConfig]] = {
    "maha": ("mahalanobis", ScorerConfig()),
    "knn": ("knn", ScorerConfig(neighbours=2)),
    "lof": ("lof", ScorerConfig(neighbours=4)),
    "cos": ("cosine", ScorerConfig()),
}
BAR = 1e-5


@pytest.fixture(scope="module")
def recordings(shared: Path) -> list[Arrays]:
    return [load(path) for path in recorded(shared, "scores_detectors*.npz")]


def error(arrays: Arrays, name: str) -> float:
    """Largest difference from the recorded scores, relative to their mean size."""
    training = [value for key, value in arrays.items() if key.startswith("emb/train_")]
    kind, config = PUBLISHED[name]
    scorer = build_scorer(kind, config).fit(np.concatenate(training))
    golden = arrays[f"emb/score_{name}"]
    away = np.abs(scorer.score_samples(arrays["emb/test"]) - golden)
    return float(away.max() / np.abs(golden).mean())


@pytest.mark.parametrize("name", PUBLISHED)
def test_scores(recordings: list[Arrays], name: str) -> None:
    for arrays in recordings:
        assert error(arrays, name) < BAR


def test_every_clip_of_a_batch_has_its_local_outlier_factor(recordings: list[Arrays]) -> None:
    """The published code returns that of a batch's first clip alone."""
    for arrays in recordings:
        clips = arrays["emb/test"]
        trained = [key for key in arrays if key.startswith("emb/train_")]
        assert trained
        for key in trained:
            scorer = build_scorer(*PUBLISHED["lof"]).fit(arrays[key])
            each = [scorer.score_samples(clips[i : i + 1])[0] for i in range(len(clips))]
            np.testing.assert_allclose(scorer.score_samples(clips), each, rtol=1e-9)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_change_of_one_percent_is_noticed(recordings: list[Arrays], name: str) -> None:
    """Every second feature, since a cosine cannot know the length of a vector."""
    for arrays in recordings:
        for key in [key for key in arrays if key.startswith(("emb/train_", "emb/test"))]:
            changed = arrays[key].copy()
            changed[:, ::2] *= 1.01
            assert error(arrays | {key: changed}, name) > BAR, key
