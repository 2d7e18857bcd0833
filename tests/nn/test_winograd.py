"""Winograd's filtering against the plain convolution: values, its transpose and the kernel's gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.nn import transposed, winograd
from asd_jax.nn.transposed import strided_conv2d

SHAPES = [
    # stride, padding, image: even and odd numbers of outputs, rows that no output sees, one output
    (2, 1, (8, 12)),
    (2, 1, (7, 10)),
    (2, 0, (9, 6)),
    (1, 0, (5, 4)),
    (1, 1, (6, 3)),
    (3, 2, (13, 10)),
    (2, 0, (4, 4)),
]


def operands(stride: int, padding: int, image: tuple[int, int], batch: int = 3):
    """An image, a kernel twice as long as the stride, and an array of the shape of their convolution."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(batch, *image, 5)))
    kernel = jnp.asarray(rng.normal(size=(2 * stride, 2 * stride, 5, 4)))
    shape = jax.eval_shape(
        lambda x, kernel: transposed._strided_by_lax(x, kernel, stride, padding), x, kernel
    ).shape
    return x, kernel, jnp.asarray(rng.normal(size=shape))


@pytest.mark.parametrize(("stride", "padding", "image"), SHAPES)
def test_all_three_products_are_those_of_the_plain_convolution(stride, padding, image) -> None:
    with jax.enable_x64(True):
        x, kernel, y = operands(stride, padding, image)
        for ours, plain in (
            (
                winograd.convolved(x, kernel, stride, padding),
                transposed._strided_by_lax(x, kernel, stride, padding),
            ),
            (
                winograd.transposed(y, kernel, stride, padding, image),
                transposed._transposed_by_lax(y, kernel, stride, padding, image),
            ),
            (
                winograd.kernel_gradient(x, y, stride, padding),
                transposed._kernel_gradient_by_lax(x, y, stride, padding, kernel.shape[:2]),
            ),
        ):
            assert ours.dtype == jnp.float64
            np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-12)


def test_batches_that_no_group_divides_are_computed_whole(monkeypatch) -> None:
    """Seven images in groups of at most three: the last group is filled up with zeros."""
    from asd_jax.nn import groups

    monkeypatch.setattr(groups, "_ROWS", 3 * 6)
    with jax.enable_x64(True):
        x, kernel, y = operands(2, 1, (8, 12), batch=7)
        assert groups.images_a_product((2, 3)) == 3
        np.testing.assert_allclose(
            winograd.convolved(x, kernel, 2, 1),
            transposed._strided_by_lax(x, kernel, 2, 1),
            rtol=1e-12,
            atol=1e-12,
        )
        np.testing.assert_allclose(
            winograd.kernel_gradient(x, y, 2, 1),
            transposed._kernel_gradient_by_lax(x, y, 2, 1, (4, 4)),
            rtol=1e-12,
            atol=1e-12,
        )


def test_float32_stays_within_a_few_roundings() -> None:
    """Sums of blocks before the products cost no more than another order of summation would."""
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(2, 32, 32, 32)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(4, 4, 32, 64)), jnp.float32)
    with jax.enable_x64(True):
        exact = transposed._strided_by_lax(x.astype(jnp.float64), kernel.astype(jnp.float64), 2, 1)
        error = jnp.max(jnp.abs(winograd.convolved(x, kernel, 2, 1) - exact))
        assert error < 3e-6 * jnp.max(jnp.abs(exact))


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        ((4, 4, 16, 64), 2, True),
        ((4, 4, 1, 64), 2, False),
        ((4, 4, 64, 1), 2, False),
        ((3, 3, 64, 64), 2, False),
        ((2, 2, 64, 64), 1, True),
    ],
)
def test_it_pays_for_wide_kernels_of_two_blocks(kernel, stride, expected) -> None:
    assert winograd.pays(kernel, stride) == expected


def test_wide_layers_on_the_cpu_take_nine_products() -> None:
    """The layer's forward pass, its transpose and its kernel's gradient all go this way where it pays."""
    if jax.default_backend() != "cpu":
        pytest.skip("the other backends have fast convolutions of their own")
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 16, 16, 16)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(4, 4, 16, 64)), jnp.float32)

    def loss(x, kernel):
        return jnp.sum(jnp.square(strided_conv2d(x, kernel, 2, 1)))

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(x, kernel).compile().as_text() or ""
    assert "convolution(" not in compiled
    assert compiled.count(" dot(") == 27
