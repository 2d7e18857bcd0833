"""AEGAN-AD's training step and scoring against PyTorch: python -m benchmarks.aegan_step (PyTorch: pip install torch)

One step is one of the discriminator and one of the generator on 128 x 128 excerpts of the published networks. Each
contestant lives in a process of its own, since the threads and the allocator of one slow the other down, and they take
turns. Without PyTorch ours is timed alone.
"""

import functools
from collections.abc import Callable

import numpy as np

from benchmarks.contestants import Contestants, Tasks, device, is_installed
from benchmarks.timing import print_rates

_PUBLISHED_STEP_SECONDS = 3.0
_PUBLISHED_EXCERPTS_A_SECOND = 166


def main() -> None:
    """Training steps, then the forward passes that the scores of a clip need."""
    backend, kind = device()
    is_cpu = backend == "cpu"
    excerpts = 64 if is_cpu else 512
    makers: dict[str, Callable[..., Tasks]] = {"asd_jax": _ours}
    if is_installed("torch", "torch"):
        makers["PyTorch"] = functools.partial(_torch, False)
        makers["PyTorch, channels last"] = functools.partial(_torch, True)
    with Contestants(makers, excerpts) as contestants:
        for task, title in (("step", "training step"), ("score", "scoring")):
            seconds = contestants.take_turns(task, rounds=5 if is_cpu else 20)
            print_rates(
                f"AEGAN-AD {title}, {excerpts} excerpts, {kind}", "excerpts/s", excerpts, seconds
            )
    if is_cpu:
        print(
            f"  the published PyTorch code took {_PUBLISHED_STEP_SECONDS} s a step and scored "
            f"{_PUBLISHED_EXCERPTS_A_SECOND} excerpts/s on two cores like those of our measurements"
        )


def _levels(excerpts: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (excerpts, 128, 128)).astype(np.float32)


def _ours(excerpts: int) -> Tasks:
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

    def score() -> None:
        jax.block_until_ready(describe(state, levels))

    return {"step": step, "score": score}


def _torch(channels_last: bool, excerpts: int) -> Tasks:
    import torch

    from benchmarks.torch_aegan_ad import Training

    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = Training(device)
    images = torch.from_numpy(_levels(excerpts))[:, None].to(device)
    if channels_last:
        images = images.to(memory_format=torch.channels_last)
        for network in (training.generator, training.discriminator):
            network.to(memory_format=torch.channels_last)
    return {
        "step": functools.partial(training.step, images),
        "score": functools.partial(training.score, images),
    }


if __name__ == "__main__":
    main()
