"""AEGAN-AD in PyTorch, for timing only: the same layers, sizes and losses as `asd_jax.detectors.aegan_ad`."""

import torch
from torch import nn
from torch.nn import functional

_WIDTHS = (32, 64, 128, 256, 512)
_HEIGHTS = (64, 32, 16, 8, 4)
_LATENT = 256


def _halve(narrow: int, wide: int, height: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(narrow, wide, 4, 2, 1, bias=False),
        nn.LayerNorm((wide, height, height)),
        nn.LeakyReLU(0.2),
    )


def _double(wide: int, narrow: int, height: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False),
        nn.LayerNorm((narrow, height, height)),
        nn.ReLU(),
    )


def _halvings() -> nn.Sequential:
    narrower = (1, *_WIDTHS[:-1])
    return nn.Sequential(
        *(_halve(*sizes) for sizes in zip(narrower, _WIDTHS, _HEIGHTS, strict=True))
    )


class Generator(nn.Module):
    """Encoder and decoder of 128 x 128 images."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(_halvings(), nn.Conv2d(512, _LATENT, 4, bias=False))
        widths, heights = _WIDTHS[::-1], _HEIGHTS[::-1]
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(_LATENT, 512, 4, bias=False),
            nn.LayerNorm((512, 4, 4)),
            nn.ReLU(),
            *(_double(*sizes) for sizes in zip(widths[:-1], widths[1:], heights[1:], strict=True)),
            nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(image))


class Discriminator(nn.Module):
    """Prediction and feature vector of 128 x 128 images."""

    def __init__(self):
        super().__init__()
        self.body = _halvings()
        self.pool = nn.Sequential(nn.Conv2d(512, 512, 4, groups=512, bias=False), nn.Flatten())
        self.output = nn.Sequential(nn.LayerNorm(512), nn.LeakyReLU(0.2), nn.Linear(512, 1))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        feature = self.pool(self.body(image))
        return self.output(feature), feature


class Training:
    """Both networks with their optimisers."""

    def __init__(self, device: str):
        self.generator = Generator().to(device)
        self.discriminator = Discriminator().to(device)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999))
            for network in (self.discriminator, self.generator)
        ]

    def step(self, image: torch.Tensor) -> float:
        """One step of the discriminator and one of the generator on `[batch, 1, 128, 128]`."""
        judge, optimizer = self.discriminator, self.optimizers[0]
        reconstruction = self.generator(image)
        fake = reconstruction.detach()
        part = torch.rand(len(image), 1, 1, 1, device=image.device)
        mixture = (part * image + (1 - part) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(judge(mixture)[0].sum(), mixture, create_graph=True)
        penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
        loss = judge(fake)[0].mean() - judge(image)[0].mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        optimizer = self.optimizers[1]
        with torch.no_grad():
            real_feature = judge(image)[1].mean(0)
        judge.requires_grad_(False)
        matching = functional.mse_loss(judge(reconstruction)[1].mean(0), real_feature)
        loss = functional.mse_loss(reconstruction, image) + matching
        optimizer.zero_grad()
        loss.backward()
        judge.requires_grad_(True)
        optimizer.step()
        return loss.item()

    @torch.no_grad()
    def score(self, image: torch.Tensor) -> float:
        """What a clip's scores need of its excerpts: both latent vectors, the reconstruction and the features."""
        latent = self.generator.encoder(image)
        reconstruction = self.generator.decoder(latent)
        drift = self.generator.encoder(reconstruction) - latent
        error = (image - reconstruction).square().sum() + drift.square().sum()
        return (error + self.discriminator(image)[1].mean()).item()
