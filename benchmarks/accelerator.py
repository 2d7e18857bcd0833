"""Every detector's training step and scoring on the device at hand: python -m benchmarks.accelerator [--seconds=2]

For each paper's recipe: seconds to compile, clips/s of training with batches that lie on the device and with batches
that come from host memory, clips/s of scoring, and peak memory. Each detector is measured in a process of its own.
Prints a Markdown table and writes the figures as JSON (`--json=FILE`).

`--small` takes batches of 8: a trial of this program on a CPU.
"""

import json
import multiprocessing
import platform
import statistics
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks.contestants import device

_SECONDS = flags.DEFINE_float("seconds", 2.0, "How long each rate is measured.")
_JSON = flags.DEFINE_string("json", "accelerator.json", "Where the figures go.")
_SMALL = flags.DEFINE_bool("small", False, "Batches of 8: a trial of this program.")
_ONLY = flags.DEFINE_list("only", [], "Recipes to measure; all by default.")

_CONFIGS = Path(__file__).parents[1] / "configs"
_RECIPES = {
    "stgram_mfn_2020": 41,
    "tdnn_stgram_2020": 41,
    "mobilenetv2_2021": 6,
    "aegan_ad_2020": 4,
    "reconstruction_augmentation_2020": 4,
    "anomaly_transformer_2020": 4,
    "autoencoder_2020": 4,
    "autoencoder_2023_mahalanobis": 1,
    "linear_autoencoder_2020": 4,
    "conv_autoencoder_2020": 4,
}
"""Recipes, and the classes that their data set gives one model."""
_ROUNDS = 5


def main(_: list[str]) -> None:
    """Measures the recipes one after the other."""
    backend, kind = device()
    print(
        f"{kind} ({backend}), {platform.processor() or platform.machine()}, batch as in each recipe"
    )
    print(
        "| recipe | batch | compile s | training clips/s | from host memory | scoring clips/s | peak GB |"
    )
    print("|" + " --- |" * 7)
    rows = []
    for name in _ONLY.value or _RECIPES:
        row = _alone(name, _RECIPES[name])
        rows.append(row)
        print(_line(row), flush=True)
        # Written after every recipe: what was measured stays if the machine is taken away.
        figures = {"device": kind, "backend": backend, "recipes": rows}
        Path(_JSON.value).write_text(json.dumps(figures, indent=1) + "\n")


def _alone(name: str, classes: int) -> dict[str, Any]:
    """A recipe's figures, measured in a new process; its error where it fails, so that the others are measured."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as process:
        asked = process.submit(_measure, name, classes, _SECONDS.value, _SMALL.value)
        try:
            return asked.result()
        except Exception as error:  # noqa: BLE001 - the others are still to be measured
            traceback.print_exc()
            return {"recipe": name, "error": f"{type(error).__name__}: {error}"}


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| `{row['recipe']}` | failed: {row['error'].splitlines()[0][:200]} |"
    cells = (
        f"`{row['recipe']}`",
        f"{row['batch']}",
        f"{row['compile_seconds']:.1f}",
        f"{row['training_clips_per_second']:,.0f}",
        f"{row['training_clips_per_second_from_host']:,.0f}",
        f"{row['scoring_clips_per_second']:,.0f}",
        f"{row['peak_gigabytes']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _measure(name: str, classes: int, seconds: float, small: bool) -> dict[str, Any]:
    import jax
    import numpy as np

    from asd_jax.config import load_config
    from asd_jax.detectors.base import detector_of
    from asd_jax.training.mesh import data_mesh, replicated, split_batch

    experiment = load_config(_CONFIGS / f"{name}.py")
    batch_size = 8 if small else experiment.training.batch_size
    detector = detector_of(experiment.detector, classes, 1000, experiment.training.epochs)
    samples = experiment.detector.windows().samples
    rng = np.random.default_rng(0)
    waveform = rng.integers(-3000, 3000, (batch_size, samples)).astype(np.int16)
    host: dict[str, np.ndarray] = {
        "waveform": waveform,
        "class_id": rng.integers(0, classes, batch_size).astype(np.int32),
    }
    mesh = data_mesh()
    everywhere = replicated(mesh)
    state = jax.jit(detector.init, out_shardings=everywhere)(jax.random.key(0))
    if detector.observes_training_data:
        observe = jax.jit(detector.observe, donate_argnums=0, out_shardings=everywhere)
        state = observe(state, split_batch(mesh, host))
    resident = split_batch(mesh, host)
    asked = split_batch(
        mesh, {"waveform": waveform, "candidates": np.ones((batch_size, classes), bool)}
    )
    start = time.perf_counter()
    step = (
        jax.jit(detector.train_step, donate_argnums=0, out_shardings=everywhere)
        .lower(state, resident)
        .compile()
    )
    compile_seconds = time.perf_counter() - start
    report = jax.jit(detector.report).lower(state, asked).compile()

    def train(batches: Callable[[], dict[str, Any]], steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            state, metrics = step(state, batches())
        jax.block_until_ready((state, metrics))

    def score(steps: int) -> None:
        for _ in range(steps):
            scores = report(state, asked)
        jax.block_until_ready(scores)

    training = _seconds_a_step(lambda steps: train(lambda: resident, steps), seconds)
    streaming = _seconds_a_step(
        lambda steps: train(lambda: split_batch(mesh, host), steps), seconds
    )
    scoring = _seconds_a_step(score, seconds)
    memory = jax.devices()[0].memory_stats() or {}
    return {
        "recipe": name,
        "jax": jax.__version__,
        "batch": batch_size,
        "seconds_of_a_clip": samples / 16000,
        "compile_seconds": compile_seconds,
        "training_seconds_a_step": training,
        "training_clips_per_second": batch_size / training,
        "training_clips_per_second_from_host": batch_size / streaming,
        "scoring_clips_per_second": batch_size / scoring,
        "peak_gigabytes": memory.get("peak_bytes_in_use", 0) / 1e9,
    }


def _seconds_a_step(run: Callable[[int], None], seconds: float) -> float:
    """Median over rounds of as many steps as fill `seconds` together; the host waits once a round."""
    run(1)
    start = time.perf_counter()
    run(1)
    once = time.perf_counter() - start
    steps = max(1, int(seconds / _ROUNDS / once))
    rounds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        run(steps)
        rounds.append((time.perf_counter() - start) / steps)
    return statistics.median(rounds)


if __name__ == "__main__":
    app.run(main)
