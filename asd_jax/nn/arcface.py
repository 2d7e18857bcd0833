"""ArcFace with sub-centres (Deng et al. 2019 and 2020): an angular margin between classes."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

_SMALL = 1e-12


class ArcFace(nnx.Module):
    """Class head on normalised features and class centres.

    Attributes:
        weight: `[sub_centers * classes, features]`; consecutive rows are one class's sub-centres.
        margin: angle in radians that is added at the true class.
        scale: factor on the cosines before the softmax.
        easy_margin: add the margin only where the cosine is positive, instead of up to pi - margin.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        sub_centers: int = 1,
        margin: float = 0.7,
        scale: float = 30.0,
        easy_margin: bool = False,
        rngs: nnx.Rngs,
    ):
        initialiser = nnx.initializers.glorot_uniform()
        self.weight = nnx.Param(initialiser(rngs.params(), (classes * sub_centers, features)))
        self.classes = classes
        self.sub_centers = sub_centers
        self.margin = margin
        self.scale = scale
        self.easy_margin = easy_margin

    def cosines(self, features: jax.Array) -> jax.Array:
        """Cosine to each class's nearest sub-centre: `[batch, features]` to `[batch, classes]`."""
        cosine = _normalise(features) @ _normalise(self.weight[...]).T
        return jnp.max(cosine.reshape(-1, self.classes, self.sub_centers), axis=-1)

    def with_margin(self, cosine: jax.Array) -> jax.Array:
        """The cosine that each class would have as the true one: cos(angle + margin), `[batch, classes]`."""
        # The clamp keeps the gradient of the root finite at cosine 1, where the published code returns NaN.
        sine = jnp.sqrt(jnp.maximum(1.0 - jnp.square(cosine), _SMALL))
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        if self.easy_margin:
            return jnp.where(cosine > 0, shifted, cosine)
        beyond = cosine - math.sin(math.pi - self.margin) * self.margin
        return jnp.where(cosine > math.cos(math.pi - self.margin), shifted, beyond)

    def logits(self, features: jax.Array, class_id: jax.Array) -> jax.Array:
        """Scaled cosines with the margin at the true class, `[batch, classes]`."""
        cosine = self.cosines(features)
        is_true = jax.nn.one_hot(class_id, self.classes, dtype=bool)
        return self.scale * jnp.where(is_true, self.with_margin(cosine), cosine)


def _normalise(x: jax.Array) -> jax.Array:
    return x / jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(x), axis=-1, keepdims=True), _SMALL**2))
