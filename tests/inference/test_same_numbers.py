"""A test clip's wav file gets the number and the decision that an evaluation gives the clip."""

from pathlib import Path
from typing import Any

import pytest

from tests.inference.evaluated import ABSOLUTE, RELATIVE, check, evaluated


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("evaluation.pooling=max", "evaluation.score=nll", "evaluation.threshold_quantile=0.5"),
        ("evaluation.threshold_per=section", "evaluation.threshold_clips=5"),
        (
            "evaluation.score=gmm",
            "evaluation.reference_clips=5",
            "evaluation.threshold_per=section",
        ),
        ("evaluation.score=knn", "evaluation.scorer.group=machine_type"),
    ],
    ids=lambda settings: " ".join(settings) or "default",
)
def test_scores_and_decisions_are_those_of_an_evaluation(
    run_2020: Path, wavs_2020: Path, score: Any, settings: tuple[str, ...]
) -> None:
    """For plain and for fitted scores, one threshold a machine type or a section."""
    expected = evaluated(run_2020, *settings)
    rows = score(run_2020, [wavs_2020 / "fan" / "test", wavs_2020 / "valve" / "test"], *settings)
    own = [row for row in rows if Path(row["file"]).name.startswith(("normal", "anomaly"))]
    check(own, expected)
    assert {row["section_by"] for row in own} == {"path"}
    assert {row["heard_seconds"] for row in own} == {"1.0"}


@pytest.mark.parametrize("settings", [(), ("evaluation.score=knn",)], ids=["plain", "fitted"])
def test_a_section_that_training_did_not_see_is_scored_as_an_evaluation_does(
    run_2020: Path, wavs_2020: Path, score: Any, settings: tuple[str, ...]
) -> None:
    """As any of its machine type's; the line names the known section that it resembles most."""
    expected = evaluated(run_2020, "data.mode=evaluation", *settings)
    rows = score(run_2020, [wavs_2020 / name / "test" for name in ("fan", "valve")], *settings)
    unseen = [row for row in rows if "id_01" in row["file"] or "id_03" in row["file"]]
    assert len(unseen) == len(expected) == 16
    check(unseen, expected)
    for row in unseen:
        assert row["section_by"] == "match"
        assert row["section"] in ("id_00", "id_02")


def test_a_file_alone_gets_the_number_that_it_gets_among_others(
    run_2020: Path, wavs_2020: Path, score: Any
) -> None:
    """Two windows are no full batch: a smaller one is compiled for them."""
    files = sorted((wavs_2020 / "fan" / "test").glob("*.wav"))
    together = {row["file"]: row for row in score(run_2020, files)}
    for file in (files[0], files[-1]):
        [alone] = score(run_2020, [file])
        assert float(alone.pop("score")) == pytest.approx(
            float(together[str(file)].pop("score")), RELATIVE, ABSOLUTE
        )
        assert alone == together[str(file)]
