"""AEGAN-AD on fan of DCASE 2022 as published: trained as for bearing, another score."""

import dataclasses

from aegan_ad_2022_bearing import get_config as bearing_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development and additional clips."""
    bearing = bearing_config()
    return dataclasses.replace(
        bearing,
        name="aegan_ad_2022_fan",
        data=dataclasses.replace(bearing.data, machine_types=("fan",)),
        evaluation=dataclasses.replace(bearing.evaluation, score="G_z_cos_min"),
    )
