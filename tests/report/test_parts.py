"""The parts of a report on their own: which clips are shown, how decisions are counted, where numbers stand."""

import dataclasses

import numpy as np
import pytest
from tfds_dcase import ClipInfo

from asd_jax.data.classes import ClassMap
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.report.class_confusion import guessed_shares
from asd_jax.report.decisions import confusion_table, unexpected_alarms
from asd_jax.report.embedding_map import label_places, pca_map, tsne_map
from asd_jax.report.examples import (
    CLEAREST,
    FALSE_ALARM,
    HIGHEST,
    MISS,
    TYPICAL,
    choose_examples,
)

THRESHOLD = 10.0


def clip_score(
    label: str, score: float, section: str = "id_00", domain: str = "source"
) -> ClipScore:
    name = f"{label}_{score:g}.wav"
    return ClipScore("fan", section, domain, name, score, int(score > THRESHOLD), label)


def chosen(scores: list[ClipScore], count: int) -> list[tuple[str, float]]:
    margins = np.array([score.score - THRESHOLD for score in scores])
    found = choose_examples(scores, "fan", margins, count)
    return [(example.kind, scores[example.position].score) for example in found]


def test_the_worst_clips_are_those_farthest_on_the_wrong_side_of_the_threshold() -> None:
    normals = [clip_score("normal", score) for score in (1, 2, 3, 12, 15)]
    anomalies = [clip_score("anomaly", score) for score in (30, 20, 9, 4, 5)]
    other = dataclasses.replace(clip_score("normal", 99), machine_type="pump")
    assert chosen([*normals, other, *anomalies], 2) == [
        (TYPICAL, 3),
        (CLEAREST, 30),
        (FALSE_ALARM, 15),
        (FALSE_ALARM, 12),
        (MISS, 4),
        (MISS, 5),
    ]


def test_what_does_not_occur_is_left_out() -> None:
    """No anomaly in a section, none missed, or no labels at all."""
    assert chosen([clip_score("normal", 1)], 3) == [(TYPICAL, 1)]
    assert chosen([clip_score("anomaly", 11)], 3) == [(CLEAREST, 11)]
    unlabelled = [clip_score("unknown", score) for score in (1, 30, 2, 20)]
    kinds = chosen(unlabelled, 2)
    assert kinds[1:] == [(HIGHEST, 30), (HIGHEST, 20)]
    assert kinds[0][1] == 2


def test_alarms_are_counted_by_section_and_domain() -> None:
    scores = [clip_score("normal", s) for s in (1, 2, 11)]
    scores += [clip_score("anomaly", s) for s in (12, 13, 3, 14)]
    scores += [clip_score("normal", 20, domain="target"), clip_score("unknown", 50)]
    found = confusion_table("fan", scores, {("fan", "id_00"): THRESHOLD})
    text = found.replace("\n", "")
    cells = [row.split("</td>")[:-1] for row in text.split("<tbody>")[1].split("</tr>")[:-1]]
    rows = [[cell.rpartition(">")[2] for cell in row] for row in cells]
    assert rows[0] == [
        "id_00",
        "source",
        "10",
        "3",
        "1",
        "1",
        "2",
        "33.33",
        "75.00",
        "75.00",
        "75.00",
    ]
    assert rows[1][:8] == ["id_00", "target", "10", "0", "0", "1", "0", "100.00"]
    assert rows[2][3:8] == ["3", "1", "2", "2", "50.00"]


def info(machine_type: str, section: str, label: str) -> ClipInfo:
    return ClipInfo("s", 0, "i", "f.wav", machine_type, section, "source", label, "", 16000, 1, "")


def test_the_confusion_of_classes_counts_normal_clips_alone() -> None:
    """Rows are shares; a section of several classes owns all of them."""
    classes = ClassMap(
        ("machine_type", "section", "domain"),
        (("fan", "id_00", "source"), ("fan", "id_00", "target"), ("fan", "id_02", "source")),
    )
    clips = [info("fan", "id_00", label) for label in ("normal", "normal", "normal", "anomaly")]
    clips += [info("fan", "id_02", "unknown"), info("fan", "id_02", "unknown")]
    guess = [0, 1, 2, 2, 2, 0]
    sections, shares, own = guessed_shares(clips, np.log(np.eye(3)[guess] + 0.1), classes)
    assert sections == [("fan", "id_00"), ("fan", "id_02")]
    np.testing.assert_allclose(shares, [[1 / 3, 1 / 3, 1 / 3], [1 / 2, 0, 1 / 2]])
    np.testing.assert_array_equal(own, [[True, True, False], [False, False, True]])


def test_numbers_of_41_groups_stand_apart_on_points_of_their_own() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(41), 40)
    points = rng.normal(0, 1, (41 * 40, 2)) + 2 * rng.normal(0, 1, (41, 2))[groups]
    places = label_places(points, groups)
    for group, place in enumerate(places):
        assert (points[groups == group] == place).all(axis=1).any()
    gaps = np.linalg.norm((places[:, None] - places) / np.ptp(points, axis=0), axis=2)
    assert gaps[~np.eye(41, dtype=bool)].min() > 0.03


@pytest.mark.parametrize("clips", [4, 60])
def test_maps_keep_groups_apart_and_are_the_same_again(clips: int) -> None:
    """As few as four clips have a map."""
    rng = np.random.default_rng(0)
    group = np.arange(clips) % 2
    points = rng.normal(0, 0.1, (clips, 12)) + 3 * group[:, None]
    for project in (pca_map, tsne_map):
        found = project(points)
        assert found.shape == (clips, 2)
        np.testing.assert_array_equal(found, project(points))
        if clips > 4:
            centres = np.stack([found[group == g].mean(0) for g in (0, 1)])
            nearest = np.linalg.norm(found[:, None] - centres, axis=2).argmin(1)
            assert (nearest == group).all()


@pytest.mark.parametrize(
    ("alarms", "normals", "told"),
    [
        (
            27,
            60,
            "27 of 60 normal test clips are false alarms (45.00 %), far more than the 10.00 %",
        ),
        (10, 60, ""),
        (6, 60, ""),
        (3, 3, ""),
        (8, 10, "8 of 10"),
        (0, 0, ""),
    ],
)
def test_more_false_alarms_than_chance_allows_are_remarked(
    alarms: int, normals: int, told: str
) -> None:
    """Three of three may be chance at a rate of 10 %: one in a thousand."""
    scores = [clip_score("normal", 20 if i < alarms else 1) for i in range(normals)]
    scores += [clip_score("anomaly", 20), clip_score("unknown", 20)]
    remark = unexpected_alarms(scores, 0.1)
    assert told in remark
    assert bool(told) == bool(remark)
