"""A batch a few examples at a time: groups of fitting size, and nothing of the filling in the results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.nn.groups import few_at_a_time, images_a_product, in_groups


@pytest.mark.parametrize(
    ("batch", "most", "groups"),
    [
        (186, 8, (31, 6)),  # 6 divides it, and is more than half of 8
        (64, 8, (8, 8)),
        (61, 8, (9, 7)),  # a prime: 7 wastes two places, 8 would waste three
        (5, 8, (1, 5)),
        (3, 1, (3, 1)),
        (1, 4, (1, 1)),
    ],
)
def test_groups_waste_the_fewest_places(batch: int, most: int, groups: tuple[int, int]) -> None:
    grouped = in_groups(jnp.ones((batch, 2)), most)
    assert grouped.shape == (*groups, 2)
    assert float(jnp.sum(grouped)) == 2 * batch


@pytest.mark.parametrize("batch", [1, 4, 7, 61])
def test_results_are_those_of_the_whole_batch(batch: int) -> None:
    examples = jnp.asarray(np.random.default_rng(0).normal(size=(batch, 3)))

    def find(examples: jax.Array) -> dict[str, jax.Array]:
        assert len(examples) <= 4
        return {"sum": jnp.sum(examples, axis=1), "squares": jnp.square(examples)}

    found = few_at_a_time(find, examples, 4)
    np.testing.assert_allclose(found["sum"], jnp.sum(examples, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["squares"], jnp.square(examples), rtol=1e-6)


def test_images_a_product_keep_its_rows_about_equal() -> None:
    assert images_a_product((16, 16)) == 4 * images_a_product((32, 32))
    assert images_a_product((512, 512)) == 1
