"""AEGAN-AD on gearbox of DCASE 2022 as published: batch normalisation, standard deviations are matched."""

import dataclasses

from aegan_ad_2022 import get_config as common_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2022_gearbox",
        detector=dataclasses.replace(common.detector, generator_norm="batch", deviation_weight=0.1),
        data=dataclasses.replace(common.data, machine_types=("gearbox",)),
        evaluation=dataclasses.replace(common.evaluation, score="G_z_cos_min"),
    )
