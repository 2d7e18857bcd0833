"""STgram-MFN in PyTorch, for timing only: the same layers and sizes as `asd_jax.detectors.stgram_mfn`.

Written from the paper and the recorded tensors' shapes; not the published code, whose speed on two cores the README
of this folder quotes.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Tgram(nn.Module):
    """Strided convolution on the waveform, then three blocks normalised over time."""

    def __init__(self, frames: int = 313, bands: int = 128):
        super().__init__()
        self.filters = nn.Conv1d(1, bands, 1024, stride=512, padding=512, bias=False)
        self.blocks = nn.Sequential(
            *[
                nn.Sequential(
                    nn.LayerNorm(frames),
                    nn.LeakyReLU(0.2),
                    nn.Conv1d(bands, bands, 3, padding=1, bias=False),
                )
                for _ in range(3)
            ]
        )

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """`[batch, samples]` to `[batch, bands, frames]`."""
        return self.blocks(self.filters(waveform[:, None]))


def _stage(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.PReLU(outputs)] if active else []))


class Block(nn.Module):
    """Expand, filter, project; residual where the shape allows."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int):
        super().__init__()
        hidden = inputs * expansion
        self.layers = nn.Sequential(
            _stage(inputs, hidden, 1),
            _stage(hidden, hidden, 3, stride, groups=hidden),
            _stage(hidden, outputs, 1, active=False),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[batch, channels, height, width]`."""
        return x + self.layers(x) if self.residual else self.layers(x)


class STgramMFN(nn.Module):
    """Both views, MobileFaceNet and ArcFace's logits."""

    def __init__(self, classes: int = 41, margin: float = 0.7, scale: float = 30.0):
        super().__init__()
        self.tgram = Tgram()
        self.image_network = nn.Sequential(
            _stage(2, 64, 3, 2),
            _stage(64, 64, 3, groups=64),
            Block(64, 128, 2, 2),
            Block(128, 128, 2, 1),
            Block(128, 128, 4, 2),
            Block(128, 128, 4, 1),
            Block(128, 128, 4, 2),
            Block(128, 128, 4, 1),
            _stage(128, 512, 1),
            nn.Conv2d(512, 512, (8, 20), groups=512, bias=False),
            nn.BatchNorm2d(512),
            nn.Conv2d(512, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.Flatten(),
        )
        self.centres = nn.Parameter(torch.randn(classes, 128) * 0.1)
        self.margin = margin
        self.scale = scale

    def forward(
        self, waveform: torch.Tensor, log_mel: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Logits with the margin at the true class, `[batch, classes]`."""
        image = torch.stack([log_mel, self.tgram(waveform)], dim=1)
        feature = functional.normalize(self.image_network(image))
        cosine = functional.linear(feature, functional.normalize(self.centres)).clamp(-0.999, 0.999)
        sine = torch.sqrt(1 - cosine**2)
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        is_true = functional.one_hot(labels, cosine.shape[1]).bool()
        return self.scale * torch.where(is_true, shifted, cosine)
