"""AEGAN-AD on ToyCar of DCASE 2022 as published: no first normalisation, Adam without momentum."""

import dataclasses

from aegan_ad_2022 import get_config as common_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2022_toycar",
        detector=dataclasses.replace(common.detector, first_norm=False, beta1=0.0),
        data=dataclasses.replace(common.data, machine_types=("ToyCar",)),
        evaluation=dataclasses.replace(common.evaluation, score="G_z_1_sum"),
    )
