"""One detector for equal settings, so that what JAX has compiled of it serves every machine type's model."""

import dataclasses

from asd_jax.detectors.aegan_ad import AEGANADConfig
from asd_jax.detectors.base import detector_of
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
from asd_jax.features.logmel import LogMel


def small(**changes) -> AEGANADConfig:
    features = dataclasses.replace(LogMel.aegan(), n_mels=16)
    return AEGANADConfig(features=features, encoder_channels=4, latent=4, **changes)


def test_equal_settings_give_the_same_detector() -> None:
    assert detector_of(small(), 3, 10, 2) is detector_of(small(), 3, 10, 2)
    assert detector_of(small(), 3, 10, 2) is not detector_of(small(epsilon=1e-6), 3, 10, 2)


def test_a_detector_without_schedule_serves_trainings_of_any_length() -> None:
    """AEGAN-AD's Adam knows no length; machine types with more clips take the same compiled step."""
    assert detector_of(small(), 3, 10, 2) is detector_of(small(), 3, 12, 7)


def test_a_schedule_is_of_the_training_it_was_built_for() -> None:
    config = STgramMFNConfig(learning_rate=1e-3, hold_epochs=1)
    short, long = detector_of(config, 3, 10, 4), detector_of(config, 3, 20, 4)
    assert short is not long
    assert short is detector_of(config, 3, 10, 4)
