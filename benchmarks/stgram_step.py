"""STgram-MFN's training step against PyTorch: python -m benchmarks.stgram_step (PyTorch: pip install torch)

Without PyTorch ours is timed alone. On an accelerator, PyTorch runs there too if it can.
"""

import jax
import numpy as np

from asd_jax.detectors.stgram_mfn import STgramMFN, STgramMFNConfig
from asd_jax.training.mesh import data_mesh, replicated, split_batch
from benchmarks.timing import print_rates, take_turns

_CLASSES = 41
_PUBLISHED_CODE_SECONDS = 7.6


def main() -> None:
    """Steps of 10-s clips, forward, backward and Adam, features included."""
    batch_size = 32 if jax.default_backend() == "cpu" else 128
    rng = np.random.default_rng(0)
    waveform = rng.integers(-3000, 3000, (batch_size, 160000)).astype(np.int16)
    labels = rng.integers(0, _CLASSES, batch_size).astype(np.int32)
    contestants = {"asd_jax": _ours(waveform, labels)} | _torch(waveform, labels)
    seconds = take_turns(contestants, rounds=3 if jax.default_backend() == "cpu" else 20)
    title = f"STgram-MFN training step, batch {batch_size}, {jax.devices()[0].device_kind}"
    print_rates(title, "clips/s", batch_size, seconds)
    if jax.default_backend() == "cpu":
        print(
            f"  ours takes {seconds['asd_jax']:.2f} s; the published PyTorch code took "
            f"{_PUBLISHED_CODE_SECONDS} s on two cores like those of our measurements"
        )


def _ours(waveform: np.ndarray, labels: np.ndarray):
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

    return run


def _torch(waveform: np.ndarray, labels: np.ndarray) -> dict:
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: ours is timed alone")
        return {}
    from asd_jax.features.mel import mel_filterbank
    from benchmarks.torch_stgram_mfn import STgramMFN as TorchSTgramMFN

    device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
    filters = torch.from_numpy(mel_filterbank(16000, 1024, 128, 0.0, 8000.0, "htk", False)).to(
        device
    )
    window = torch.hann_window(1024, device=device)
    labels_there = torch.from_numpy(labels).long().to(device)

    def log_mel(clips: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(clips, 1024, 512, window=window, center=True, return_complex=True)
        power = torch.einsum("bft,fm->bmt", spectrum.abs() ** 2, filters)
        return 10 * torch.log10(power.clamp(min=1e-10))

    def stepper(memory_format: torch.memory_format):
        network = TorchSTgramMFN(_CLASSES).to(device).to(memory_format=memory_format)
        optimizer = torch.optim.Adam(network.parameters(), 1e-4)

        def run() -> None:
            clips = torch.from_numpy(waveform).to(device).float() / 32768
            loss = torch.nn.functional.cross_entropy(
                network(clips, log_mel(clips), labels_there), labels_there
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

        return run

    return {
        "PyTorch": stepper(torch.contiguous_format),
        "PyTorch, channels last": stepper(torch.channels_last),
    }


if __name__ == "__main__":
    main()
