"""From logits to the next token: greedy, temperature, top-k, top-p; and the loop that writes a text."""

import numpy as np

from common.losses import softmax


def sampling_distribution(logits, temperature=1.0, top_k=None, top_p=None):
    """Return the probabilities (..., V) that `sample` draws from, in float64.

    temperature  divides the logits: below 1 sharpens, above 1 flattens
    top_k        keeps only the k likeliest tokens (Fan, Lewis and Dauphin 2018)
    top_p        keeps the smallest set of likeliest tokens that holds at least p (Holtzman et al. 2020)

    What is kept is renormalised; the rest gets exactly zero. Logits may be infinite: -inf is a token that never
    comes, +inf one beside which no finite one does. Raises ValueError for a temperature that is not positive and
    finite, top_k below 1, top_p outside (0, 1], and logits that are NaN or all -inf.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(
            f"temperature is {temperature}; it must be positive and finite (for the likeliest token, use greedy)"
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; it must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; it must be above 0 and at most 1")
    logits = np.asarray(logits, dtype=np.float64)
    largest = logits.max(axis=-1, keepdims=True)
    if not np.all(largest > -np.inf):
        raise ValueError(
            "the logits of a token to be drawn are NaN or all -inf: nothing can be drawn"
        )
    with np.errstate(over="ignore"):  # a tiny temperature takes all but the largest to -inf
        below = np.subtract(logits, largest, out=np.zeros_like(logits), where=logits < largest)
        p = softmax(below / temperature)
    order = np.argsort(-logits, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    if top_k is not None:
        ranked[..., top_k:] = 0
        ranked /= ranked.sum(axis=-1, keepdims=True)
    if top_p is not None and top_p < 1:
        already_held = np.cumsum(ranked, axis=-1) - ranked
        rounding = 2 * p.shape[-1] * np.finfo(p.dtype).eps  # of a sum of so many numbers
        ranked[already_held >= top_p * (1 - rounding)] = 0
    np.put_along_axis(p, order, ranked, axis=-1)
    return p / p.sum(axis=-1, keepdims=True)


def sample(logits, rng, temperature=1.0, top_k=None, top_p=None):
    """Draw one token id from logits (V,); see sampling_distribution for the settings."""
    return int(rng.choice(len(logits), p=sampling_distribution(logits, temperature, top_k, top_p)))


def greedy(logits):
    """Return the id of the likeliest token of logits (V,), of equals the first. Raises ValueError if any is NaN."""
    best = int(np.argmax(logits))
    if np.isnan(logits[best]):  # argmax takes NaN for the largest
        raise ValueError(f"the logit of token {best} is NaN: there is no likeliest token")
    return best


def entropy(p):
    """Return the entropy in bits over the last axis of probabilities p (..., V)."""
    return -np.sum(p * np.log2(np.where(p > 0, p, 1)), axis=-1)


def generate(next_logits, prompt, length, choose, stop=None):
    """Return a list of `length` new token ids that continue `prompt`, ids, at least one.

    next_logits(ids, state) -> logits (V,), state    reads ids (T,), from state None at first
    choose(logits) -> id                             greedy, or a sampler with its settings filled in
    stop                                             an id that ends the text; it is the last one returned
    """
    unread, state, written = np.array(list(prompt)), None, []
    if unread.size == 0:
        raise ValueError("the prompt is empty; give at least one token to start from")
    for _ in range(length):
        logits, state = next_logits(unread, state)
        written.append(choose(logits))
        if written[-1] == stop:
            break
        unread = np.array(written[-1:])
    return written
