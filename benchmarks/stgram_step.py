"""STgram-MFN's training step against PyTorch: python -m benchmarks.stgram_step (PyTorch: pip install torch)

Each contestant lives in a process of its own, and they take turns. Without PyTorch ours is timed alone. On an
accelerator PyTorch runs there too if it can.
"""

import functools
from collections.abc import Callable

import numpy as np

from benchmarks.contestants import Contestants, Tasks, device, is_installed
from benchmarks.timing import print_rates

_CLASSES = 41
_PUBLISHED_CODE_SECONDS = 7.6


def main() -> None:
    """Steps of 10-s clips, forward, backward and Adam, features included."""
    backend, kind = device()
    batch_size = 32 if backend == "cpu" else 128
    makers: dict[str, Callable[..., Tasks]] = {"asd_jax": _ours}
    if is_installed("torch", "torch"):
        makers["PyTorch"] = functools.partial(_torch, False)
        makers["PyTorch, channels last"] = functools.partial(_torch, True)
    with Contestants(makers, batch_size) as contestants:
        seconds = contestants.take_turns("step", rounds=5 if backend == "cpu" else 20)
    print_rates(
        f"STgram-MFN training step, batch {batch_size}, {kind}", "clips/s", batch_size, seconds
    )
    if backend == "cpu":
        print(
            f"  ours takes {seconds['asd_jax']:.2f} s; the published PyTorch code took "
            f"{_PUBLISHED_CODE_SECONDS} s on two cores like those of our measurements"
        )


def _clips(batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    waveform = rng.integers(-3000, 3000, (batch_size, 160000)).astype(np.int16)
    return waveform, rng.integers(0, _CLASSES, batch_size).astype(np.int32)


def _ours(batch_size: int) -> Tasks:
    import jax

    from asd_jax.detectors.stgram_mfn import STgramMFN, STgramMFNConfig
    from asd_jax.training.mesh import data_mesh, replicated, split_batch

    waveform, labels = _clips(batch_size)
    detector = STgramMFN(STgramMFNConfig(), _CLASSES, steps_per_epoch=1000, epochs=300)
    mesh = data_mesh()
    everywhere = replicated(mesh)
    state = jax.jit(detector.init, out_shardings=everywhere)(jax.random.key(0))
    step = jax.jit(detector.train_step, donate_argnums=0, out_shardings=everywhere)

    def run() -> None:
        nonlocal state
        batch = split_batch(mesh, {"waveform": waveform, "class_id": labels})
        state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))

    return {"step": run}


def _torch(channels_last: bool, batch_size: int) -> Tasks:
    import torch

    from asd_jax.features.mel import mel_filterbank
    from benchmarks.torch_stgram_mfn import STgramMFN

    waveform, labels = _clips(batch_size)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    filters = torch.from_numpy(mel_filterbank(16000, 1024, 128, 0.0, 8000.0, "htk", False)).to(
        device
    )
    window = torch.hann_window(1024, device=device)
    labels_there = torch.from_numpy(labels).long().to(device)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    network = STgramMFN(_CLASSES).to(device).to(memory_format=memory_format)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)

    def run() -> None:
        clips = torch.from_numpy(waveform).to(device).float() / 32768
        spectrum = torch.stft(clips, 1024, 512, window=window, center=True, return_complex=True)
        power = torch.einsum("bft,fm->bmt", spectrum.abs() ** 2, filters)
        log_mel = 10 * torch.log10(power.clamp(min=1e-10))
        logits = network(clips, log_mel, labels_there)
        loss = torch.nn.functional.cross_entropy(logits, labels_there)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return {"step": run}


if __name__ == "__main__":
    main()
