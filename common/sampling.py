"""From logits to the next token: greedy, temperature, top-k, top-p; and the loop that writes a text."""

import numpy as np

from common.losses import softmax


def sampling_distribution(logits, temperature=1.0, top_k=None, top_p=None):
    """Return the probabilities (..., V) that `sample` draws from, in float64.

    temperature  divides the logits: below 1 sharpens, above 1 flattens
    top_k        keeps only the k likeliest tokens (Fan, Lewis and Dauphin 2018)
    top_p        keeps the smallest set of likeliest tokens that holds at least p (Holtzman et al. 2020)

    What is kept is renormalised; the rest gets exactly zero. Raises ValueError for a temperature that is not
    positive, top_k below 1, and top_p outside (0, 1].
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}; it must be positive (for the likeliest token, use greedy)"
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; it must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; it must be above 0 and at most 1")
    logits = np.asarray(logits, dtype=np.float64)
    p = softmax(logits / temperature)
    order = np.argsort(-logits, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    if top_k is not None:
        ranked[..., top_k:] = 0
        ranked /= ranked.sum(axis=-1, keepdims=True)
    if top_p is not None:
        already_held = np.cumsum(ranked, axis=-1) - ranked
        ranked[already_held >= top_p] = 0
    np.put_along_axis(p, order, ranked, axis=-1)
    return p / p.sum(axis=-1, keepdims=True)


def sample(logits, rng, temperature=1.0, top_k=None, top_p=None):
    """Draw one token id from logits (V,); see sampling_distribution for the settings."""
    return int(rng.choice(len(logits), p=sampling_distribution(logits, temperature, top_k, top_p)))


def greedy(logits):
    """Return the id of the likeliest token of logits (V,)."""
    return int(np.argmax(logits))


def entropy(p):
    """Return the entropy in bits over the last axis of probabilities p (..., V)."""
    return -np.sum(p * np.log2(np.where(p > 0, p, 1)), axis=-1)


def generate(next_logits, prompt, length, choose, stop=None):
    """Return a list of `length` new token ids that continue `prompt`, a non-empty sequence of ids.

    next_logits(ids, state) -> logits (V,), state    reads ids (T,), from state None at first
    choose(logits) -> id                             greedy, or a sampler with its settings filled in
    stop                                             an id that ends the text; it is the last one returned
    """
    if len(prompt) == 0:
        raise ValueError("the prompt is empty; give at least one token to start from")
    unread, state, written = np.asarray(prompt), None, []
    for _ in range(length):
        logits, state = next_logits(unread, state)
        written.append(choose(logits))
        if written[-1] == stop:
            break
        unread = np.array(written[-1:])
    return written
