"""What an evaluation says of test clips, and whether their files' lines say the same."""

from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import override
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.training.experiment import load_experiment

Expected = dict[tuple[str, str], tuple[float, int | None]]
# What may differ where a clip stands in another row or size of batch.
RELATIVE, ABSOLUTE = 5e-6, 1e-9


def evaluated(workdir: Path, *settings: str) -> Expected:
    """Score and decision by machine type and file name."""
    results = evaluate(override(load_experiment(workdir), settings), workdir)
    assert results is not None
    clips = read_clip_scores(results.directory)
    return {(clip.machine_type, clip.file_name): (clip.score, clip.decision) for clip in clips}


def check(rows: Any, expected: Expected) -> None:
    """Every clip's line has its score and decision; lines of other files may be there as well."""
    found = {(row["machine_type"], Path(row["file"]).name): row for row in rows}
    assert len(rows) == len(found)
    for key, (score, decision) in expected.items():
        assert float(found[key]["score"]) == pytest.approx(score, RELATIVE, ABSOLUTE)
        assert int(found[key]["decision"]) == decision
    assert len({score for score, _ in expected.values()}) > len(expected) // 2
