"""ArcFace alone against the published class head, with both branches of the margin hit."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from asd_jax.nn.arcface import ArcFace

pytestmark = pytest.mark.golden


def recordings(shared: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for path in sorted((shared / "golden").glob("stgram*eval*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            if "arc/feature" in arrays:
                yield path.name, {key: arrays[key] for key in arrays.files}


@pytest.mark.parametrize("variant", ["arc_std", "arc_easy"])
def test_logits_loss_and_gradients(shared: Path, variant: str) -> None:
    """With and without the easy margin: logits, cross-entropy and both gradients within 1e-5."""
    checked = 0
    for name, recorded in recordings(shared):
        weight = jnp.asarray(recorded["param/arcface.weight"])
        sub_centers = int(recorded["cfg/sub"])
        head = ArcFace(
            weight.shape[1],
            weight.shape[0] // sub_centers,
            sub_centers=sub_centers,
            margin=float(recorded["cfg/m"]),
            scale=float(recorded["cfg/s"]),
            easy_margin=variant == "arc_easy",
            rngs=nnx.Rngs(0),
        )
        label = jnp.asarray(recorded["arc/label"])
        graph = nnx.graphdef(head)

        def loss(
            feature: jax.Array,
            weight: jax.Array,
            graph: nnx.GraphDef = graph,
            label: jax.Array = label,
        ) -> tuple[jax.Array, jax.Array]:
            head = nnx.merge(graph, nnx.State({"weight": nnx.Param(weight)}))
            logits = head.logits(feature, label)
            cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, label)
            return cross_entropy.mean(), logits

        feature = jnp.asarray(recorded["arc/feature"])
        (value, logits), gradients = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(
            feature, weight
        )
        ours = dict(
            zip(
                ("logits", "loss", "grad_feature", "grad_weight"),
                (logits, value, *gradients),
                strict=True,
            )
        )
        for key, mine in ours.items():
            golden = recorded[f"{variant}/{key}"]
            error = np.linalg.norm(mine - golden) / np.linalg.norm(golden)
            assert error <= 1e-5, (name, key, error)
        checked += 1
    if not checked:
        pytest.skip(f"no recorded ArcFace in {shared / 'golden'}")
