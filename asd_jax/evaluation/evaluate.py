"""From a trained work directory to the year's official result table."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import jax
import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.config import Experiment
from asd_jax.data.clips import STAGE_OF_MODE, all_clips, select_clips
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.places import place_name
from asd_jax.evaluation.protocols import HONEST_REMARK, ORACLE, Judgement, honest, oracle
from asd_jax.evaluation.results import (
    Protocol,
    Results,
    TableChoice,
    require_replaceable,
    write_results,
)
from asd_jax.scoring.clip_reports import LOUDNESS
from asd_jax.training.experiment import model_groups

ProtocolName = Literal["honest", "oracle"]


def evaluate(
    experiment: Experiment,
    workdir: Path,
    protocol: ProtocolName = "honest",
    output: Path | None = None,
) -> Results | None:
    """Scores the mode's test clips with every trained model and writes all results.

    The honest protocol fixes the checkpoint and the score beforehand, and fits the decision threshold on training
    normals. The oracle chooses all three by the labels of the test clips, as several published systems do: its files
    say so in their names and heads.

    Args:
        experiment: the work directory's configuration; data.mode and data.machine_types may differ from training.
        workdir: of a finished training; gets `results/<mode>` (see `place_name`) or `results/<mode>_oracle`, and the
            models' `learning_curve.png`.
        protocol: "honest" or "oracle".
        output: folder for the results, in place of that in the work directory, which then may be read-only.

    Returns:
        What was found; None on every process but the first, which alone writes.

    Raises:
        FileNotFoundError: a model is not trained.
        FileExistsError: `output` is a file, or holds something that no evaluation wrote.
        ValueError: the work directory cannot be written to, there are no test clips, a model was not trained on their
            machine type, or the oracle has no labels.
    """
    results = workdir / "results"
    if output is None and not os.access(results if results.is_dir() else workdir, os.W_OK):
        raise ValueError(
            f"{workdir} cannot be written to: give a folder for the results, --output=DIR"
        )
    if output is not None:
        require_replaceable(output)
    data = experiment.data
    clips = all_clips(data.dataset, data.data_dir)
    test = select_clips(clips, [STAGE_OF_MODE[data.mode]], "test", data.machine_types)
    judge = honest if protocol == "honest" else oracle
    scores: list[ClipScore] = []
    loudness: list[float] = []
    judgements: list[Judgement] = []
    for name, group in model_groups(experiment, test).items():
        judgement = judge(experiment, workdir / "models" / name, group)
        scores += _clip_scores(group, judgement)
        loudness += judgement.reports[LOUDNESS].tolist()
        judgements.append(judgement)
    if jax.process_index() > 0:
        return None
    said = _protocol(experiment, protocol, judgements)
    name = place_name(experiment, workdir, judgements[0].default_score)
    is_evaluation = data.mode == "evaluation" and data.dataset != "folder"
    return write_results(
        output or results / (name + ("" if protocol == "honest" else "_oracle")),
        data.dataset,
        scores,
        {key: value for judgement in judgements for key, value in judgement.thresholds.items()},
        {"RMS AUC": loudness} if experiment.evaluation.loudness else None,
        table=TableChoice("evaluator" if is_evaluation else "baseline"),
        protocol=said,
        choices=_choices(judgements),
    )


def _protocol(
    experiment: Experiment, name: ProtocolName, judgements: Sequence[Judgement]
) -> Protocol:
    """How the numbers came about, in words and as values."""
    scores = sorted({judgement.score for judgement in judgements})
    steps = sorted({judgement.step for judgement in judgements})
    checkpoint = experiment.evaluation.checkpoint if name == "honest" else "chosen by test labels"
    facts = {
        "protocol": name,
        "score": ", ".join(scores),
        "checkpoint": checkpoint,
        "checkpoint_steps": ", ".join(map(str, steps)),
        "dataset": experiment.data.dataset,
        "mode": experiment.data.mode,
    }
    if name == "oracle":
        chosen = f"chosen: score {facts['score']}, checkpoint step {facts['checkpoint_steps']}"
        return replace(ORACLE, remark=f"{ORACLE.remark}; {chosen}", facts=facts)
    return Protocol(
        HONEST_REMARK.format(checkpoint=checkpoint, score=", ".join(scores)), facts=facts
    )


def _choices(judgements: Sequence[Judgement]) -> list[list[str]]:
    """Lines of all models, with one header; none where nothing was chosen."""
    headers = [judgement.choices[:1] for judgement in judgements if judgement.choices]
    lines = [line for judgement in judgements for line in judgement.choices[1:]]
    return [*headers[0], *lines] if headers else []


def _clip_scores(clips: Sequence[ClipInfo], judgement: Judgement) -> list[ClipScore]:
    return [
        ClipScore.of(clip, score, judgement.thresholds[clip.machine_type, clip.section])
        for clip, score in zip(clips, np.asarray(judgement.scores), strict=True)
    ]
