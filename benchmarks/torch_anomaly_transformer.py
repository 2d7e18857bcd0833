"""Anomaly Transformer in PyTorch, for timing only: the same layers and sizes as `asd_jax.detectors.anomaly_attention`.

Written from the paper and the recorded tensors' shapes; not the published code, which builds its distances element by
element and runs backward twice.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Layer(nn.Module):
    """Anomaly attention and feed-forward network, normalised after each addition."""

    def __init__(self, width: int, heads: int, feed_forward: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.sigma = nn.Linear(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """`[batch, time, width]` to the same shape, the series association and sigma."""
        query, key, value = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        series = torch.softmax(query @ key.mT / math.sqrt(query.shape[-1]), dim=-1)
        mixed = (series @ value).transpose(1, 2).flatten(2)
        sigma = 3 ** (torch.sigmoid(5 * self.sigma(x)) + 1e-5) - 1
        x = self.norms[0](x + self.out(mixed))
        return self.norms[1](x + self.feed_forward(x)), series, sigma.transpose(1, 2)


class AnomalyTransformer(nn.Module):
    """Embedding, encoder, projection, and the minimax objective."""

    def __init__(
        self,
        channels: int,
        time: int,
        width: int = 512,
        heads: int = 8,
        feed_forward: int = 512,
        layers: int = 3,
    ):
        super().__init__()
        self.embedding = nn.Conv1d(
            channels, width, 3, padding=1, padding_mode="circular", bias=False
        )
        self.layers = nn.ModuleList([Layer(width, heads, feed_forward) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, channels)
        step = torch.arange(time)[:, None].float()
        angle = step * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], -1).flatten(1))
        self.register_buffer("squared_distance", (step - step.T) ** 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """`[batch, time, channels]` to the reconstruction and the discrepancy of every layer, `[batch, time]` each."""
        hidden = self.embedding(x.mT).mT + self.positions
        discrepancies = []
        for layer in self.layers:
            hidden, series, sigma = layer(hidden)
            prior = torch.softmax(-self.squared_distance / (2 * sigma**2)[..., None], dim=-1)
            # Turning the gradient of one side trains both phases in one pass.
            turned = 2 * series.detach() - series
            logarithms = torch.log(prior + 1e-4) - torch.log(turned + 1e-4)
            discrepancies.append(((prior - turned) * logarithms).sum(-1).mean(1))
        return self.projection(self.norm(hidden)), discrepancies

    def objective(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of both phases' losses."""
        output, discrepancies = self(x)
        game = torch.stack(discrepancies).mean()
        return 2 * functional.mse_loss(output, x) + 3 * (game - game.detach())

    def energies(self, x: torch.Tensor) -> torch.Tensor:
        """Energy of every step, `[batch, time]`."""
        output, discrepancies = self(x)
        weights = torch.softmax(-50 * torch.stack(discrepancies).sum(0), dim=-1)
        return weights * ((x - output) ** 2).mean(-1)
