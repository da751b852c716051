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
    return np.where(np.isfinite(largest), largest, 0)


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
    gradient, is over unmasked tokens only.

    Raises ValueError for mismatched shapes, target ids outside 0..V-1 and a mask without a single 1.
    """
    vocabulary_size = logits.shape[-1]
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"logits {logits.shape} need targets of shape {logits.shape[:-1]}, not {targets.shape}"
        )
    check_tokens(targets, vocabulary_size, "targets")
    if mask is None:
        weights = np.full(targets.shape, 1 / max(targets.size, 1), dtype=logits.dtype)
    else:
        if mask.shape != targets.shape:
            raise ValueError(
                f"the mask has shape {mask.shape}, the targets have {targets.shape}; they must be equal"
            )
        if not mask.any():
            raise ValueError("the mask has no 1: there is no token to average the loss over")
        weights = np.divide(mask, mask.sum(), dtype=logits.dtype)

    # loss = log(sum(exp(logits))) - logits[target], its gradient softmax - one_hot(target): one exp serves both
    at_target = np.arange(targets.size), targets.ravel()
    rows = (logits - _largest(logits)).reshape(-1, vocabulary_size)
    target_logits = rows[at_target]
    np.exp(rows, out=rows)
    total = rows.sum(axis=-1)
    weights = weights.ravel()
    loss = np.sum((np.log(total) - target_logits) * weights, dtype=np.float64)
    rows *= (weights / total)[:, None]
    rows[at_target] -= weights
    return float(loss), rows.reshape(logits.shape)
