"""AEGAN-AD on bearing of DCASE 2022 as published: no normalisation behind the encoder's first convolution."""

import dataclasses

from aegan_ad_2022 import get_config as common_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development and additional clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2022_bearing",
        detector=dataclasses.replace(common.detector, first_norm=False),
        data=dataclasses.replace(
            common.data, machine_types=("bearing",), train_stages=("dev", "eval")
        ),
        evaluation=dataclasses.replace(common.evaluation, score="G_z_1_sum"),
    )
