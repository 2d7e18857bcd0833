"""PyTorch's tensor layouts, checked by what the tensors do, and the refusals of foreign weights."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.interop import pytorch
from asd_jax.nn.layers import BatchNorm, Conv1D, DepthwiseConv, PointwiseConv
from asd_jax.nn.transposed import StridedConv2D


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def loaded(layer: nnx.Module, tensor: np.ndarray, transform: pytorch.Rule) -> nnx.Module:
    pytorch.load_state_dict(layer, {"weight": tensor}, {"weight": transform})
    return layer


def test_conv2d_and_pointwise_kernels() -> None:
    """Against the convolution of PyTorch's layout written out, `[batch, channels, height, width]`."""
    x, weight = normal(2, 3, 6, 5), normal(4, 3, 3, 2)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (2, 3))
    expected = np.einsum("bihwyx,oiyx->bhwo", windows, weight)
    layer = StridedConv2D(3, 4, (3, 2), rngs=nnx.Rngs(0))
    loaded(layer, weight, (("kernel",), pytorch.conv2d))
    image = jnp.asarray(x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(layer(image), expected, rtol=1e-4, atol=1e-5)
    narrow = PointwiseConv(3, 4, rngs=nnx.Rngs(0))
    loaded(narrow, weight[:, :, :1, :1], (("kernel",), pytorch.pointwise))
    flat = np.einsum("bihw,oi->bhwo", x, weight[:, :, 0, 0])
    np.testing.assert_allclose(narrow(image), flat, rtol=1e-4, atol=1e-5)


def test_depthwise_kernels() -> None:
    x, weight = normal(2, 3, 6, 5), normal(3, 1, 3, 2)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (2, 3))
    expected = np.einsum("bchwyx,cyx->bhwc", windows, weight[:, 0])
    layer = DepthwiseConv(3, (3, 2), rngs=nnx.Rngs(0))
    loaded(layer, weight, (("kernel",), pytorch.depthwise))
    ours = layer(jnp.asarray(x.transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_conv1d_and_linear_kernels() -> None:
    x, weight = normal(2, 3, 9), normal(4, 3, 3)
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, 2)
    layer = Conv1D(3, 4, 3, padding=0, rngs=nnx.Rngs(0))
    loaded(layer, weight, (("kernel",), pytorch.conv1d))
    expected = np.einsum("bitk,oik->bto", windows, weight)
    ours = layer(jnp.asarray(x.transpose(0, 2, 1)))
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
    dense = nnx.Linear(3, 4, rngs=nnx.Rngs(0))
    loaded(dense, weight[:, :, 0], (("kernel",), pytorch.linear))
    row = normal(2, 3)
    np.testing.assert_allclose(
        dense(jnp.asarray(row)), row @ weight[:, :, 0].T, rtol=1e-4, atol=1e-5
    )


def test_strided_filters_hear_a_waveform() -> None:
    weight = normal(5, 1, 8)
    np.testing.assert_array_equal(pytorch.strided_filters(weight), weight[:, 0].T)


def test_batch_normalisation_without_its_counter() -> None:
    tensors = {
        f"bn.{name}": normal(3) for name in ("weight", "bias", "running_mean", "running_var")
    }
    layer = nnx.Dict(norm=BatchNorm(3))
    counter = {"bn.num_batches_tracked": np.array(7)}
    pytorch.load_state_dict(layer, tensors | counter, pytorch.batch_norm("bn", ("norm",)))
    np.testing.assert_array_equal(layer.norm.scale[...], tensors["bn.weight"])
    np.testing.assert_array_equal(layer.norm.mean[...], tensors["bn.running_mean"])
    np.testing.assert_array_equal(layer.norm.variance[...], tensors["bn.running_var"])


def test_foreign_weights_are_refused() -> None:
    rules = pytorch.batch_norm("bn", ())
    tensors = {name: normal(3) for name in rules}
    layer = BatchNorm(3)
    with pytest.raises(ValueError, match=r"another network: .* unknown \['extra'\]"):
        pytorch.load_state_dict(layer, tensors | {"extra": normal(1)}, rules)
    fewer = {name: value for name, value in tensors.items() if name != "bn.bias"}
    with pytest.raises(ValueError, match=r"missing \['bn.bias'\]"):
        pytorch.load_state_dict(layer, fewer, rules)
    with pytest.raises(ValueError, match=r"bn.bias has shape \(4,\) here, .* expects \(3,\)"):
        pytorch.load_state_dict(layer, tensors | {"bn.bias": normal(4)}, rules)
