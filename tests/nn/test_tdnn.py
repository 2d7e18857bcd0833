"""The time-delay network on the waveform: parity with the published one, shapes, errors."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.interop.pytorch import load_state_dict
from asd_jax.interop.tdnn_stgram import tdnn_rules
from asd_jax.nn.tdnn import CONTEXT_FRAMES, TDNN, DepthwiseConv1D
from tests.golden import Arrays, distance, in_our_layout, load, our_tensor, recorded, under

BAR = 1e-4
NORMALISED_AWAY = {f"td_layer{i}.bias" for i in range(1, 5)}
"""Shifts of a whole channel, in front of a normalisation over time."""
RULES = {name.removeprefix("."): rule for name, rule in tdnn_rules("", ()).items()}


def network_of(arrays: Arrays, precision: Any) -> tuple[TDNN, jax.Array]:
    """The network with the recorded weights, and the recorded waveform `[batch, samples]`."""
    tensors = {key: value.astype(precision) for key, value in under(arrays, "param/").items()}
    bands, _, window = tensors["wav2mel.weight"].shape
    frames = tensors["bn1.weight"].shape[0]
    waveform = jnp.asarray(arrays["in/wav"][:, 0], precision)
    hop = waveform.shape[1] // (frames - 1)
    network = TDNN(frames, bands, window, hop, rngs=nnx.Rngs(0))
    load_state_dict(network, tensors, RULES)
    return network, waveform


def outputs(network: TDNN, waveform: jax.Array) -> dict[str, jax.Array]:
    """What is recorded, in its layout."""
    return {
        "out/feat": jnp.swapaxes(network(waveform), 1, 2),
        "out/after_bn1_sample0": network.extract(waveform[:1])[0].T,
    }


@pytest.mark.golden
def test_outputs_equal_the_recording(shared: Path) -> None:
    """The filterbank and the whole network within 1e-4."""
    for path in recorded(shared, "zk_tdnn*.npz"):
        arrays = load(path)
        network, waveform = network_of(arrays, np.float32)
        graph, state = nnx.split(network)
        ours = jax.jit(lambda state, w, graph=graph: outputs(nnx.merge(graph, state), w))(
            state, waveform
        )
        for key, value in ours.items():
            assert distance(value, arrays[key]) <= BAR, (path.name, key)


@pytest.mark.golden
def test_a_slightly_wrong_tensor_breaks_parity(shared: Path) -> None:
    """Any tensor with every second element off by 1 % leaves the bar.

    Where a normalisation over time follows, the filterbank as a whole may be scaled and a channel shifted; of a
    channel's only weight (the fourth layer's) nothing but the sign counts.
    """
    for path in recorded(shared, "zk_tdnn*.npz"):
        arrays = load(path)
        network, waveform = network_of(arrays, np.float32)
        graph = nnx.graphdef(network)
        forward = jax.jit(
            lambda state, waveform, graph=graph: outputs(nnx.merge(graph, state), waveform)
        )
        tensors = under(arrays, "param/")
        for name in set(tensors) - NORMALISED_AWAY:
            wrong = tensors[name].copy()
            wrong.ravel()[::2] *= -1.0 if name == "td_layer4.weight" else 1.01
            load_state_dict(network, tensors | {name: wrong}, RULES)
            ours = forward(nnx.state(network), waveform)
            assert max(distance(ours[key], arrays[key]) for key in ours) > BAR, (path.name, name)


@pytest.mark.golden
def test_loss_and_every_gradient(shared: Path) -> None:
    """Of the mean square of the outputs, in float64: loss within 1e-5, gradients within 1e-3."""
    for path in recorded(shared, "zk_tdnn*.npz"):
        arrays = load(path)
        with jax.enable_x64(True):
            network, waveform = network_of(arrays, np.float64)
            graph, state = nnx.split(network)

            def loss(state: nnx.State, graph: Any = graph, waveform: Any = waveform) -> jax.Array:
                return jnp.mean(jnp.square(nnx.merge(graph, state)(waveform)))

            value, gradients = jax.jit(jax.value_and_grad(loss))(state)
        np.testing.assert_allclose(value, arrays["train/loss_mean_square"], rtol=1e-5)
        total = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(gradients)))
        compared = 0
        for key, golden in under(arrays, "grad/").items():
            name = key.removesuffix("__norm_sum")
            ours = our_tensor(gradients, RULES, name)
            if name in NORMALISED_AWAY:
                assert np.linalg.norm(ours - golden) <= 1e-5 * total, name
            elif name == key:
                assert distance(ours, in_our_layout(RULES, name, golden)) <= 1e-3, name
            else:
                norm = float(golden[0])
                np.testing.assert_allclose(np.linalg.norm(ours), norm, rtol=1e-3, err_msg=name)
                np.testing.assert_allclose(ours.sum(), golden[1], atol=1e-3 * norm, err_msg=name)
            compared += 1
        assert compared == len(RULES)


def test_a_dilated_depthwise_convolution_is_laxs() -> None:
    """The shifted sums are the grouped convolution that they replace."""
    layer = DepthwiseConv1D(6, 3, dilation=3, rngs=nnx.Rngs(0))
    layer.bias.set_value(jnp.arange(6.0))
    x = jax.random.normal(jax.random.key(0), (2, 20, 6))
    theirs = jax.lax.conv_general_dilated(
        x,
        layer.kernel[...][:, None],
        (1,),
        "VALID",
        rhs_dilation=(3,),
        dimension_numbers=("NHC", "HIO", "NHC"),
        feature_group_count=6,
    )
    np.testing.assert_allclose(layer(x), theirs + jnp.arange(6.0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("samples", "hop"), [(4096, 200), (4100, 205), (1500, 64)])
def test_frames_are_those_of_the_filterbank_less_the_context(samples: int, hop: int) -> None:
    frames = samples // hop + 1
    network = TDNN(frames, 8, 64, hop, rngs=nnx.Rngs(0))
    graph, state = nnx.split(network)
    spectrogram = jax.eval_shape(
        lambda waveform: nnx.merge(graph, state)(waveform), jnp.zeros((3, samples))
    )
    assert spectrogram.shape == (3, frames - CONTEXT_FRAMES, 8)


def test_silence_gives_finite_outputs_and_gradients() -> None:
    """A constant channel has no variance to divide by."""
    graph, state = nnx.split(TDNN(30, 8, 64, 50, rngs=nnx.Rngs(0)))
    value, gradients = jax.jit(
        jax.value_and_grad(lambda state: jnp.sum(nnx.merge(graph, state)(jnp.zeros((2, 1450)))))
    )(state)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradients))


def test_a_waveform_that_the_context_swallows_is_refused() -> None:
    with pytest.raises(ValueError, match="14 frames of the waveform are too few"):
        TDNN(CONTEXT_FRAMES, 8, 64, 50, rngs=nnx.Rngs(0))
