"""AEGAN-AD's networks: what a few excerpts at a time give is what the whole batch gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.detectors.aegan_networks import Discriminator, Generator


def images(size: int) -> jax.Array:
    """Eleven: more than are computed at a time, and no multiple of a group."""
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.uniform(-1, 1, (11, size, size, 1)), jnp.float32)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_every_level_of_a_trained_network_is_that_of_the_whole_batch(size: int) -> None:
    """Layer normalisation sees one image only: training, which takes them all at once, computes the same."""
    generator = Generator(size, 4, 4, 6, "layer", rngs=nnx.Rngs(0))
    judge = Discriminator(size, 4, "layer", rngs=nnx.Rngs(1))
    image = images(size)
    latent = generator.encoder(image, train=False).latent

    def everything(train: bool):
        return (
            generator.encoder(image, train=train),
            generator.decoder(latent, train=train),
            judge(image, train=train),
        )

    whole, grouped = jax.tree.leaves(everything(True)), jax.tree.leaves(everything(False))
    assert len(whole) == len(grouped) == 3 * (size.bit_length() - 3) + 4
    for one, other in zip(whole, grouped, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_batch_normalisation_in_training_sees_the_whole_batch() -> None:
    generator = Generator(16, 4, 4, 6, "batch", rngs=nnx.Rngs(0))
    encoded = generator.encoder(images(16), train=True).levels[0]
    np.testing.assert_allclose(jnp.mean(encoded, axis=(0, 1, 2)), jnp.zeros(4), atol=1e-5)
    np.testing.assert_allclose(jnp.var(encoded, axis=(0, 1, 2)), jnp.ones(4), atol=1e-2)


@pytest.mark.parametrize(("platform", "loops"), [("cpu", True), ("cuda", False)])
def test_only_the_cpu_takes_a_few_at_a_time(platform: str, loops: bool) -> None:
    generator = Generator(16, 4, 4, 6, "layer", rngs=nnx.Rngs(0))
    graph, state = nnx.split(generator)

    def reconstruct(state, image):
        return nnx.merge(graph, state)(image, train=False)

    lowered = jax.jit(reconstruct).trace(state, images(16)).lower(lowering_platforms=(platform,))
    assert ("stablehlo.while" in lowered.as_text()) == loops
