"""Data parallelism: one mesh axis over all devices, batches split along it, the model on each of them."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

_DATA = "data"


def data_mesh(devices: list[jax.Device] | None = None) -> Mesh:
    """A mesh of all devices of all processes, or of the given ones."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (_DATA,), (AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole value."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh, batch: dict[str, np.ndarray]) -> dict[str, Any]:
    """This process's rows of a batch, put on its devices: `[local batch, ...]` to `[global batch, ...]`."""
    sharding = NamedSharding(mesh, PartitionSpec(_DATA))
    return {
        key: jax.make_array_from_process_local_data(sharding, rows) for key, rows in batch.items()
    }


def split_shapes(
    mesh: Mesh, batch: dict[str, jax.ShapeDtypeStruct]
) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of a global batch, as `split_batch` puts it."""
    sharding = NamedSharding(mesh, PartitionSpec(_DATA))
    return {
        key: jax.ShapeDtypeStruct(rows.shape, rows.dtype, sharding=sharding)
        for key, rows in batch.items()
    }


def local_batch_size(mesh: Mesh, batch_size: int) -> int:
    """Rows of the global batch that this process reads.

    Raises:
        ValueError: the batch cannot be split evenly over the devices.
    """
    if batch_size % mesh.size:
        lower = max(batch_size - batch_size % mesh.size, mesh.size)
        raise ValueError(
            f"a batch of {batch_size} cannot be split over {mesh.size} devices: "
            f"choose a multiple of {mesh.size}, {lower} for example"
        )
    return batch_size // jax.process_count()
