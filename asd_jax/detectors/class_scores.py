"""Anomaly scores of classifying detectors: how unlikely a clip's own class is."""

import jax
import jax.numpy as jnp


def require_two_classes(classes: int) -> None:
    """Refuses what a classifier cannot learn from.

    Raises:
        ValueError: there are fewer than two classes.
    """
    if classes < 2:
        raise ValueError(
            "a classifier needs two classes to tell apart. For one machine take a recipe that does without: "
            "--config=own_machine. Otherwise train one model for all machine types "
            "(data.one_model_per=all), or split classes by more fields (data.class_by)"
        )


def negative_log_likelihood(
    logits: jax.Array, as_true: jax.Array, candidates: jax.Array
) -> jax.Array:
    """Negative log-likelihood of the likeliest candidate class, `[batch]`.

    Args:
        logits: `[batch, classes]` without margin.
        as_true: `[batch, classes]`, each class's logit if it is the true one; the same as `logits` where there is no
            margin.
        candidates: `[batch, classes]` bool; one true class as a rule, several where a test clip hides its domain.
    """
    # A confident network's scores lie far below float32's resolution near the logits: the softplus of the
    # difference ranks them where log-softmax would round them all to zero.
    values = jax.nn.softplus(logsumexp_of_others(logits) - as_true)
    return jnp.min(jnp.where(candidates, values, jnp.inf), axis=-1)


def log_odds_against(logits: jax.Array, as_true: jax.Array, candidates: jax.Array) -> jax.Array:
    """Logarithm of the odds against the likeliest candidate class, `[batch]`: the same before its softplus.

    It ranks clips equally, but does not saturate: its gradient tells more.
    """
    values = logsumexp_of_others(logits) - as_true
    return jnp.min(jnp.where(candidates, values, jnp.inf), axis=-1)


def logsumexp_of_others(logits: jax.Array) -> jax.Array:
    """For each class the logsumexp over all other classes: `[..., classes]` to `[..., classes]`."""
    classes = logits.shape[-1]
    is_self = jnp.eye(classes, dtype=bool)
    return jax.nn.logsumexp(jnp.where(is_self, -jnp.inf, logits[..., None, :]), axis=-1)
