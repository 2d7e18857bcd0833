"""Prepared clips as batches for JAX: `DataService` is the way in."""

from asd_jax.data.service import Batches, DataService
from asd_jax.data.windows import WindowPolicy

__all__ = ["Batches", "DataService", "WindowPolicy"]
