"""Softmax and cross-entropy through log-sum-exp: exact for any finite logits, no epsilon anywhere."""

import numpy as np

from common.data.tokens import check_tokens


def logsumexp(logits):
    """Return log(sum(exp(logits))) over the last axis, which is kept with length 1.

    Subtracting the largest logit first makes the largest exponent exactly 0, so nothing overflows, and the
    sum is at least 1, so nothing underflows to log(0).

    logits (..., V) -> (..., 1)
    """
    largest = _largest(logits)
    return largest + np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))


def _largest(logits):
    """Return the largest logit (..., 1), or 0 where that is infinite and subtracting it would give NaN."""
    largest = logits.max(axis=-1, keepdims=True)
    finite = np.isfinite(largest)
    return largest if finite.all() else np.where(finite, largest, 0)


def log_softmax(logits):
    """Return log-probabilities, logits minus their log-sum-exp: (..., V) -> (..., V)."""
    return logits - logsumexp(logits)


def softmax(logits):
    """Return probabilities that sum to 1 over the last axis: (..., V) -> (..., V)."""
    return np.exp(log_softmax(logits))


def softmax_cross_entropy(logits, targets, mask=None):
    """Return the mean cross-entropy in nats per token and its gradient.

    logits (..., V) floats, targets (...) integers below V, mask (...) with 1 = real token, 0 = padding.
    Returns loss (a float) and dlogits, which has the shape and dtype of logits. The mean, and so the
    gradient, is over unmasked tokens only. What stands at a masked place changes nothing: there dlogits is 0,
    and neither the logits, be they NaN or infinite, nor the target is looked at.

    Raises ValueError for logits that are no floats, mismatched shapes, target ids outside 0..V-1, a mask without a
    single 1 and one of other numbers than 0 and 1.
    """
    if logits.dtype.kind != "f":
        raise ValueError(f"logits must be floats, not {logits.dtype}")
    if logits.dtype == np.float16:  # too short for sums
        loss, dlogits = softmax_cross_entropy(logits.astype(np.float32), targets, mask)
        return loss, dlogits.astype(np.float16)
    vocabulary_size = logits.shape[-1]
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"logits {logits.shape} need targets of shape {logits.shape[:-1]}, not {targets.shape}"
        )
    count = targets.size
    if mask is not None:
        real, count = _real_tokens(mask, targets.shape)
        targets = targets * real
    check_tokens(targets, vocabulary_size, "targets")

    # loss = log(sum(exp(logits))) - logits[target], its gradient softmax - one_hot(target): one exp serves both
    rows = logits - _largest(logits)
    weights = rows.dtype.type(1 / count)
    if mask is not None:
        rows[~real] = 0
        weights = real.ravel() * weights
    rows = rows.reshape(-1, vocabulary_size)
    at_target = np.arange(targets.size), targets.ravel()
    target_logits = rows[at_target]
    np.exp(rows, out=rows)
    total = rows @ np.ones(vocabulary_size, rows.dtype)  # sum(axis=-1), but faster
    losses = (np.log(total) - target_logits) * weights
    rows *= (weights / total)[:, None]
    rows[at_target] -= weights
    return float(losses.sum(dtype=np.float64)), rows.reshape(logits.shape)


def _real_tokens(mask, shape):
    """Return which tokens are real, as booleans, and how many are."""
    if mask.shape != shape:
        raise ValueError(
            f"the mask has shape {mask.shape}, the targets have {shape}; they must be equal"
        )
    real = mask == 1
    count = np.count_nonzero(real)
    if count == 0:
        raise ValueError("the mask has no 1: there is no token to average the loss over")
    if count + np.count_nonzero(mask == 0) < mask.size:
        raise ValueError("the mask has other numbers than 1 (real token) and 0 (padding)")
    return real, count
