"""Every detector with all the parts of the real one and next to no channels, on windows of a second."""

import dataclasses
from typing import Any

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.aegan_ad import AEGANADConfig
from asd_jax.detectors.anomaly_transformer import AnomalyTransformerConfig
from asd_jax.detectors.base import DetectorConfig
from asd_jax.detectors.conv_autoencoder import ConvAutoencoderConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig
from asd_jax.detectors.linear_autoencoder import LinearAutoencoderConfig
from asd_jax.detectors.mobilenetv2 import MobileNetV2Config
from asd_jax.detectors.reconstruction_augmentation import ReconstructionAugmentationConfig
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
from asd_jax.features.logmel import LogMel

SAMPLES = 127 * 128

CLIP = WindowPolicy(samples=SAMPLES)
FEATURES = dataclasses.replace(LogMel.stgram(), n_fft=512, hop=128, n_mels=32)
STGRAM: dict[str, Any] = {
    "clip": CLIP,
    "features": FEATURES,
    "embedding": 8,
    "width": 4,
    "stages": ((2, 8, 1, 2),),
    "head_channels": 8,
    "learning_rate": 1e-2,
    "hold_epochs": 100,
}
CONFIGS: dict[str, DetectorConfig] = {
    "dense_autoencoder": DenseAutoencoderConfig(
        clip=CLIP, features=FEATURES, minibatch=128, encoder=(16,), decoder=(16,), bottleneck=4
    ),
    "linear_autoencoder": LinearAutoencoderConfig(
        clip=CLIP, features=FEATURES, minibatch=128, hidden=(16,), bottleneck=4, hold_epochs=100
    ),
    "conv_autoencoder": ConvAutoencoderConfig(
        clip=CLIP, features=FEATURES, level_unit=50.0, channels=(4, 6, 8), latent=10
    ),
    "aegan_ad": AEGANADConfig(
        clip=CLIP,
        features=FEATURES,
        encoder_channels=4,
        decoder_channels=4,
        latent=8,
        excerpts_per_clip=4,
        excerpt_hop_test=24,
        minibatch=0,
        generator_rate=2e-3,
    ),
    "anomaly_transformer": AnomalyTransformerConfig(
        clip=CLIP,
        features=FEATURES,
        width=16,
        heads=2,
        feed_forward=16,
        layers=1,
        excerpt_frames=32,
        temperature=1.0,
        learning_rate=1e-2,
    ),
    "stgram_mfn": STgramMFNConfig(**STGRAM),
    "reconstruction_augmentation": ReconstructionAugmentationConfig(
        **STGRAM, projection=12, autoencoder_epochs=1, autoencoder_channels=(4, 6, 8), latent=10
    ),
    "mobilenetv2": MobileNetV2Config(
        clip=CLIP,
        features=FEATURES,
        frames=32,
        excerpt_hop=16,
        excerpts_per_clip=2,
        minibatch=0,
        alpha=0.25,
        width=16,
        stages=((1, 16, 1, 1), (2, 24, 1, 2)),
        head_channels=32,
        momentum=0.2,
        learning_rate=1e-2,
    ),
}
