"""The Anomaly Transformer's step and scoring against PyTorch: python -m benchmarks.anomaly_transformer_step

(PyTorch: pip install torch.) Each contestant lives in a process of its own, and they take turns. Without PyTorch ours
is timed alone.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.contestants import Contestants, Tasks, device, is_installed
from benchmarks.timing import print_rates

_TIME, _CHANNELS = 100, 38
_PUBLISHED_STEP_SECONDS = 1.21
_PUBLISHED_WINDOWS_PER_SECOND = 121


def main() -> None:
    """Training steps (forward, backward, Adam) and scoring of windows, at the published sizes."""
    backend, kind = device()
    batch_size = 32 if backend == "cpu" else 256
    makers: dict[str, Callable[..., Tasks]] = {"asd_jax": _ours}
    if is_installed("torch", "torch"):
        makers["PyTorch"] = _torch
    with Contestants(makers, batch_size) as contestants:
        for task, title in (("step", "training step"), ("score", "scoring")):
            seconds = contestants.take_turns(task, rounds=7 if backend == "cpu" else 20)
            print_rates(
                f"Anomaly Transformer {title}, batch {batch_size} of {_TIME}x{_CHANNELS}, {kind}",
                "windows/s",
                batch_size,
                seconds,
            )
            if backend == "cpu":
                _print_published(task, batch_size, seconds["asd_jax"])


def _print_published(task: str, batch_size: int, ours: float) -> None:
    if task == "step":
        print(f"  ours takes {ours:.2f} s; the published PyTorch code {_PUBLISHED_STEP_SECONDS} s")
        return
    print(
        f"  ours scores {batch_size / ours:.0f} windows/s; the published PyTorch code "
        f"{_PUBLISHED_WINDOWS_PER_SECOND}, on two cores like those of our measurements"
    )


def _windows(batch_size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch_size, _TIME, _CHANNELS)).astype(np.float32)


def _ours(batch_size: int) -> Tasks:
    import jax

    from asd_jax.detectors.minimax import MinimaxConfig, MinimaxLearner

    windows = _windows(batch_size)
    learner = MinimaxLearner(MinimaxConfig(), _CHANNELS, steps_per_epoch=1000)
    state = jax.jit(learner.init)(jax.random.key(0))
    learn = jax.jit(learner.learn, donate_argnums=0)
    energies = jax.jit(lambda params, windows: learner.evidence(params, windows)[0].energy)

    def step() -> None:
        nonlocal state
        state, metrics = learn(state, windows)
        jax.block_until_ready((state, metrics))

    def score() -> None:
        np.asarray(energies(state.params, windows))

    return {"step": step, "score": score}


def _torch(batch_size: int) -> Tasks:
    import torch

    from benchmarks.torch_anomaly_transformer import AnomalyTransformer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    windows = torch.from_numpy(_windows(batch_size)).to(device)
    network = AnomalyTransformer(_CHANNELS, _TIME).to(device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)

    def step() -> None:
        loss = network.objective(windows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    def score() -> None:
        with torch.no_grad():
            network.energies(windows).cpu()

    return {"step": step, "score": score}


if __name__ == "__main__":
    main()
