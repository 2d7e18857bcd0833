"""Wav files through PyTorch's DataLoader, as PyTorch users read them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile
import torch
from torch.utils.data import DataLoader, Dataset


class Wavs(Dataset):
    """Unpacked wav files; `kind` is the type that soundfile gives, float32 or int16."""

    def __init__(self, wavs: Sequence[Path], kind: str):
        self.wavs = wavs
        self.kind = kind

    def __len__(self) -> int:
        return len(self.wavs)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(soundfile.read(self.wavs[index], dtype=self.kind)[0])


def batches(wavs: Sequence[Path], kind: str, workers: int, size: int) -> Iterator[torch.Tensor]:
    """Endless shuffled batches `[size, samples]`."""
    loader = DataLoader(
        Wavs(wavs, kind),
        size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        # A process of the benchmark may not start processes of its own by forking a JAX program.
        multiprocessing_context="spawn" if workers else None,
    )
    while True:
        yield from loader
