"""AEGAN-AD's training step and scoring against PyTorch: python -m benchmarks.aegan_step (PyTorch: pip install torch)

One step is one of the discriminator and one of the generator on 128 x 128 excerpts of the published networks. Each
contestant lives in a process of its own, since the threads and the allocator of one slow the other down, and they take
turns. Without PyTorch ours is timed alone.
"""

import functools
import importlib.util
import multiprocessing
import os
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.timing import print_rates, take_turns

_PUBLISHED_STEP_SECONDS = 3.0
_PUBLISHED_EXCERPTS_A_SECOND = 166

_step: Callable[[], object]
_score: Callable[[], object]


def main() -> None:
    """Training steps, then the forward passes that the scores of a clip need."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    processes = multiprocessing.get_context("spawn")
    with processes.Pool(1) as asking:
        backend, kind = asking.apply(_device)
    is_cpu = backend == "cpu"
    excerpts = 64 if is_cpu else 512
    pools = {
        name: processes.Pool(1, prepare, (excerpts,)) for name, prepare in _contestants().items()
    }
    for title, act in (("training step", _take_step), ("scoring", _take_scores)):
        turns: Mapping[str, Callable[[], object]] = {
            name: functools.partial(pool.apply, act) for name, pool in pools.items()
        }
        seconds = take_turns(turns, rounds=5 if is_cpu else 20)
        print_rates(
            f"AEGAN-AD {title}, {excerpts} excerpts, {kind}", "excerpts/s", excerpts, seconds
        )
    for pool in pools.values():
        pool.terminate()
    if is_cpu:
        print(
            f"  the published PyTorch code took {_PUBLISHED_STEP_SECONDS} s a step and scored "
            f"{_PUBLISHED_EXCERPTS_A_SECOND} excerpts/s on two cores like those of our measurements"
        )


def _contestants() -> dict[str, Callable[[int], None]]:
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed: ours is timed alone")
        return {"asd_jax": _prepare_ours}
    return {
        "asd_jax": _prepare_ours,
        "PyTorch": functools.partial(_prepare_torch, False),
        "PyTorch, channels last": functools.partial(_prepare_torch, True),
    }


def _device() -> tuple[str, str]:
    import jax

    return jax.default_backend(), jax.devices()[0].device_kind


def _take_step() -> None:
    _step()


def _take_scores() -> None:
    _score()


def _levels(excerpts: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (excerpts, 128, 128)).astype(np.float32)


def _prepare_ours(excerpts: int) -> None:
    global _step, _score
    import jax

    from asd_jax.detectors.aegan_ad import AEGANADConfig

    detector = AEGANADConfig().build(0, 1, 1)
    state = jax.jit(detector.init)(jax.random.key(0))
    levels = jax.device_put(_levels(excerpts))
    alpha = jax.random.uniform(jax.random.key(1), (excerpts,))
    learn = jax.jit(detector.learn, donate_argnums=0)
    describe = jax.jit(detector.describe)

    def step() -> None:
        nonlocal state
        state, metrics = learn(state, levels, alpha)
        jax.block_until_ready((state, metrics))

    _step = step
    _score = lambda: jax.block_until_ready(describe(state, levels))  # noqa: E731


def _prepare_torch(channels_last: bool, excerpts: int) -> None:
    global _step, _score
    import torch

    from benchmarks.torch_aegan_ad import Training

    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = Training(device)
    images = torch.from_numpy(_levels(excerpts))[:, None].to(device)
    if channels_last:
        images = images.to(memory_format=torch.channels_last)
        for network in (training.generator, training.discriminator):
            network.to(memory_format=torch.channels_last)
    _step = functools.partial(training.step, images)
    _score = functools.partial(training.score, images)


if __name__ == "__main__":
    main()
