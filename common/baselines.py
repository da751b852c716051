"""Language models that only count: what a network has to beat."""

import numpy as np


def ngram_probabilities(training_ids, ids, order, vocabulary_size):
    """Return the probability (N - 1,) of every token of `ids` but the first, given the tokens before it.

    An interpolated n-gram model with Witten-Bell smoothing (Witten and Bell 1991; Chen and Goodman 1998, section
    2.5). Starting from the uniform distribution, each order n = 1 ... `order` mixes its counts with the estimate
    of the order below, which counts as much as there are distinct tokens seen after that context:

        p_n(w | context) = (count(context w) + distinct(context) * p_(n-1)(w)) / (count(context) + distinct(context))

    A context that training never saw leaves the lower order's estimate as it is. `order` 1 is a
    unigram model. Raises ValueError where n-grams of that order cannot be numbered with 64 bits.
    """
    p = np.full(len(ids) - 1, 1 / vocabulary_size)
    for n in range(1, order + 1):
        contexts, tokens = _windows(training_ids, n, vocabulary_size)
        grams, gram_counts = np.unique(contexts * vocabulary_size + tokens, return_counts=True)
        seen, context_counts = np.unique(contexts, return_counts=True)
        distinct = np.unique(grams // vocabulary_size, return_counts=True)[1]

        asked_contexts, asked_tokens = _windows(ids, n, vocabulary_size)
        if n == 1:
            asked_contexts, asked_tokens = asked_contexts[1:], asked_tokens[1:]
        count = _look_up(asked_contexts * vocabulary_size + asked_tokens, grams, gram_counts)
        total = _look_up(asked_contexts, seen, context_counts)
        kinds = _look_up(asked_contexts, seen, distinct)
        lower = p[max(n - 2, 0) :]
        p[max(n - 2, 0) :] = np.where(
            total > 0, (count + kinds * lower) / np.maximum(total + kinds, 1), lower
        )
    return p


def _windows(ids, n, vocabulary_size):
    """Return one integer for each context of n - 1 tokens, and the token that follows it."""
    if vocabulary_size**n > 2**62:
        raise ValueError(
            f"{vocabulary_size} tokens to the power {n} do not fit an integer; use a lower order"
        )
    tokens = ids[n - 1 :]
    contexts = np.zeros(len(tokens), dtype=np.int64)
    for k in range(n - 1):
        contexts = contexts * vocabulary_size + ids[k : k + len(tokens)]
    return contexts, tokens


def _look_up(keys, sorted_keys, values):
    """Return values[i] where keys == sorted_keys[i], and 0 where a key is not there."""
    if len(sorted_keys) == 0:
        return np.zeros(len(keys), dtype=np.int64)
    position = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[position] == keys, values[position], 0)
