"""Layers that the published networks need and Flax does not have in the same form.

Images are `[batch, height, width, channels]`, sequences `[batch, time, channels]`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.depthwise import depthwise_conv2d
from asd_jax.nn.pointwise import pointwise_conv

he_uniform = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class BatchNorm(nnx.Module):
    """Batch normalisation with PyTorch's running statistics.

    Normalises with the biased variance of the batch and records the unbiased one (factor n / (n - 1)), which
    `flax.nnx.BatchNorm` does not; `unbiased=False` records the biased one, as Keras 3 does. Under data parallelism the
    statistics are those of the global batch. `momentum` is the new batch's part (PyTorch's meaning, 1 - Keras's).
    """

    def __init__(
        self,
        channels: int,
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        unbiased: bool = True,
    ):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.mean = nnx.BatchStat(jnp.zeros(channels))
        self.variance = nnx.BatchStat(jnp.ones(channels))
        self.momentum = momentum
        self.epsilon = epsilon
        self.unbiased = unbiased

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if train:
            axes = tuple(range(x.ndim - 1))
            mean = jnp.mean(x, axes)
            variance = jnp.mean(jnp.square(x - mean), axes)
            count = x.size // x.shape[-1]
            self._record(
                mean, variance * (count / max(count - 1, 1)) if self.unbiased else variance
            )
        else:
            mean, variance = self.mean[...], self.variance[...]
        factor = self.scale[...] * jax.lax.rsqrt(variance + self.epsilon)
        # Subtracting first keeps values near a rectifier's kink on their side of it: folding the mean into the
        # bias cancels digits, and one flipped sign moves a gradient by more than parity allows.
        return (x - mean) * factor + self.bias[...]

    def _record(self, mean: jax.Array, variance: jax.Array) -> None:
        keep = 1 - self.momentum
        self.mean.set_value(keep * self.mean[...] + self.momentum * jax.lax.stop_gradient(mean))
        self.variance.set_value(
            keep * self.variance[...] + self.momentum * jax.lax.stop_gradient(variance)
        )


class PReLU(nnx.Module):
    """Rectifier with one learned negative slope a channel (He et al. 2015)."""

    def __init__(self, channels: int, *, slope: float = 0.25):
        self.slope = nnx.Param(jnp.full(channels, slope, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x >= 0, x, x * self.slope[...])


class PointwiseConv(nnx.Module):
    """1x1 convolution without bias."""

    def __init__(self, in_channels: int, out_channels: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_uniform(rngs.params(), (in_channels, out_channels)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return pointwise_conv(x, self.kernel[...])


class DepthwiseConv(nnx.Module):
    """Convolution of every channel with its own kernel, without bias, symmetric zero padding."""

    def __init__(
        self,
        channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int = 1,
        padding: int = 0,
        rngs: nnx.Rngs,
    ):
        height, width = kernel_size
        # The fan-in of a depthwise kernel is its area: give the initialiser that shape, channels last.
        kernel = he_uniform(rngs.params(), (height, width, 1, channels))
        self.kernel = nnx.Param(kernel.reshape(height, width, channels))
        self.stride = stride
        self.padding = padding

    def __call__(self, x: jax.Array) -> jax.Array:
        return depthwise_conv2d(x, self.kernel[...], self.stride, self.padding)


class GlobalDepthwiseConv(nnx.Module):
    """Depthwise convolution whose kernel covers the whole image: a learned weighted mean per channel.

    `[batch, height, width, channels]` to `[batch, channels]` (MobileFaceNets, Chen et al. 2018, section 3.2).
    """

    def __init__(self, channels: int, size: Sequence[int], *, rngs: nnx.Rngs):
        height, width = size
        kernel = he_uniform(rngs.params(), (height, width, 1, channels))
        self.kernel = nnx.Param(kernel.reshape(height, width, channels))

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.einsum("bhwc,hwc->bc", x, self.kernel[...])


class Conv1D(nnx.Module):
    """Dense convolution over time, without bias unless asked for, symmetric zero padding: `[batch, time, channels]`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        padding: int = 0,
        use_bias: bool = False,
        rngs: nnx.Rngs,
    ):
        self.kernel = nnx.Param(he_uniform(rngs.params(), (kernel_size, in_channels, out_channels)))
        self.bias = nnx.Param(jnp.zeros(out_channels)) if use_bias else None
        self.padding = padding

    def __call__(self, x: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            x,
            self.kernel[...],
            window_strides=(1,),
            padding=((self.padding, self.padding),),
            dimension_numbers=("NHC", "HIO", "NHC"),
        )
        return y if self.bias is None else y + self.bias[...]
