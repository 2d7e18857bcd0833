"""Scorers fitted on training normals by section, by machine type, or on all."""

from collections.abc import Sequence

import numpy as np
import pytest
from tfds_dcase import ClipInfo

from asd_jax.scoring.fitted import GroupedScorer
from asd_jax.scoring.settings import FittedScore, ReferenceGroup, ScorerConfig


def clip(machine_type: str, section: str, number: int, domain: str = "source") -> ClipInfo:
    return ClipInfo(
        clip_id=f"{machine_type}/{section}/{number}",
        split=f"dev_train_{machine_type}",
        position=number,
        machine_type=machine_type,
        section=section,
        domain=domain,
        label="normal",
        attributes="",
        file_name=f"{number}.wav",
        sample_rate=16000,
        samples=16000,
        content_hash="",
    )


def nearest(group: ReferenceGroup = "section", **config: object) -> FittedScore:
    settings = ScorerConfig(group=group, metric="euclidean", **config)  # type: ignore[arg-type]
    return FittedScore("knn", settings)


CLIPS: Sequence[ClipInfo] = [
    clip("fan", "00", 0),
    clip("fan", "00", 1),
    clip("fan", "02", 2),
    clip("fan", "02", 3),
    clip("pump", "00", 4),
    clip("pump", "00", 5),
]
POINTS = np.array([[0.0], [1.0], [10.0], [12.0], [100.0], [103.0]], np.float32)


@pytest.mark.parametrize(
    ("group", "section", "expected"),
    [
        ("section", "00", 8.0),
        ("section", "02", 1.0),
        ("machine_type", "00", 1.0),
        ("all", "00", 1.0),
        # A section without normals is compared with each section of its machine type.
        ("section", "04", 1.0),
    ],
)
def test_a_clip_is_compared_with_the_normals_of_its_group(
    group: ReferenceGroup, section: str, expected: float
) -> None:
    scorer = GroupedScorer(nearest(group)).fit({"embedding": POINTS}, CLIPS)
    score = scorer.score_samples({"embedding": np.array([[9.0]])}, [clip("fan", section, 9)])
    assert score.tolist() == pytest.approx([expected])


def test_scores_come_in_the_order_of_the_clips() -> None:
    scorer = GroupedScorer(nearest()).fit({"embedding": POINTS}, CLIPS)
    asked = [clip("pump", "00", 0), clip("fan", "02", 1), clip("pump", "00", 2)]
    scores = scorer.score_samples({"embedding": np.array([[104.0], [13.5], [98.0]])}, asked)
    assert scores.tolist() == pytest.approx([1.0, 1.5, 2.0])


def test_normals_are_scored_without_themselves() -> None:
    """A nearest neighbour that found the clip itself would put every normal at zero."""
    scores = GroupedScorer(nearest()).cross_fitted({"embedding": POINTS}, CLIPS)
    assert scores.tolist() == pytest.approx([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])


def test_larger_groups_are_scored_in_folds() -> None:
    """Beyond five clips a fold holds several: none of them is a reference of the others."""
    clips = [clip("fan", "00", i) for i in range(10)]
    points = np.array([[float(i % 5) * 10 + i // 5] for i in range(10)])
    scores = GroupedScorer(nearest()).cross_fitted({"embedding": points}, clips)
    assert scores.min() >= 9.0


def test_a_group_of_one_clip_is_scored_by_itself() -> None:
    clips = [*CLIPS, clip("valve", "00", 6)]
    points = np.append(POINTS, [[7.0]], axis=0)
    scores = GroupedScorer(nearest()).cross_fitted({"embedding": points}, clips)
    assert scores.tolist() == pytest.approx([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.0])


def test_a_machine_type_without_normals_is_an_error() -> None:
    scorer = GroupedScorer(nearest()).fit({"embedding": POINTS}, CLIPS)
    with pytest.raises(ValueError, match="no training normals of valve 00"):
        scorer.score_samples({"embedding": POINTS[:1]}, [clip("valve", "00", 0)])


def test_a_report_that_the_detector_does_not_make_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"reports embedding, not latent.*evaluation\.scorer\.report"
    ):
        GroupedScorer(nearest(report="latent")).fit({"embedding": POINTS}, CLIPS)


def test_a_mixture_starts_at_the_sub_centres_of_the_class_head() -> None:
    """Two centres make two Gaussians, whatever `components` says; without a class head k-means finds them."""
    rng = np.random.default_rng(0)
    near, far = rng.normal([10, 0], 0.3, (20, 2)), rng.normal([0, 10], 0.3, (20, 2))
    points = np.concatenate([near, far])
    clips = [clip("fan", "00", i) for i in range(40)]
    score = FittedScore("gmm", ScorerConfig(components=1))
    between = {"embedding": np.array([[5.0, 5.0], [10.0, 0.0]])}
    asked = [clip("fan", "00", 50), clip("fan", "00", 51)]
    centers = np.array([[3.0, 0.1], [0.1, 0.5]])
    started = GroupedScorer(score, lambda _: centers).fit({"embedding": points}, clips)
    single = GroupedScorer(score, lambda _: None).fit({"embedding": points}, clips)
    apart = np.diff(started.score_samples(between, asked))[0]
    together = np.diff(single.score_samples(between, asked))[0]
    assert apart < -50, "halfway between two centres is far from both"
    assert together > 0, "one Gaussian has its mean there"
