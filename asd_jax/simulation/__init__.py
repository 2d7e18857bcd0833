"""Simulated machines: the embedded data set, written as archives in the official layout."""

from asd_jax.simulation.archives import SIZES, SimulationSize
from asd_jax.simulation.writing import GROUND_TRUTH, simulate

__all__ = ["GROUND_TRUTH", "SIZES", "SimulationSize", "simulate"]
