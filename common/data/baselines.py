"""Language models that only count: what a network has to beat."""

import numpy as np

from common.data.tokens import check_tokens, token_array


def ngram_probabilities(training_ids, ids, order, vocabulary_size):
    """Return the probability (N - 1,) of every token of `ids` but the first, given the tokens before it.

    An interpolated n-gram model with Witten-Bell smoothing (Witten and Bell 1991; Chen and Goodman 1998, section
    2.5). Starting from the uniform distribution, each order n = 1 ... `order` mixes its counts with the estimate
    of the order below, which counts as much as there are distinct tokens seen after that context:

        p_n(w | context) = (count(context w) + distinct(context) * p_(n-1)(w)) / (count(context) + distinct(context))

    A context that training never saw leaves the lower order's estimate as it is. `order` 1 is a
    unigram model. Raises ValueError for ids outside 0 to vocabulary_size - 1, for no ids, and where n-grams of that
    order cannot be numbered with 64 bits.
    """
    training_ids = _ids(training_ids, vocabulary_size, "training_ids")
    ids = _ids(ids, vocabulary_size, "ids")
    p = np.full(len(ids) - 1, 1 / vocabulary_size)
    for n in range(1, order + 1):
        table = _count(_grams(training_ids, n, vocabulary_size), vocabulary_size)
        count, total, kinds, lower = _ask(table, ids, n, vocabulary_size, p)
        lower[:] = np.where(
            total > 0, (count + kinds * lower) / np.maximum(total + kinds, 1), lower
        )
    return p


def kneser_ney_probabilities(training_ids, ids, order, vocabulary_size):
    """Return the probability (N - 1,) of every token of `ids` but the first, given the tokens before it.

    Interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1998, section 2.7). Starting from the
    uniform distribution, each order n = 1 ... `order` takes a discount D from every count and gives what it has taken
    to the order below:

        p_n(w | context) = (max(count(context w) - D, 0) + D distinct(context) p_(n-1)(w)) / count(context)

    Only the highest order counts how often an n-gram occurs; below it, an n-gram counts once for each distinct
    token that it follows. D = n1 / (n1 + 2 n2) of each order, where n1 and n2 are the numbers of n-grams counted
    once and twice (Ney, Essen and Kneser 1994); 1/2 where there are none of either.
    Raises ValueError for ids outside 0 to vocabulary_size - 1, for no ids, and where n-grams of that order cannot be
    numbered with 64 bits.
    """
    training_ids = _ids(training_ids, vocabulary_size, "training_ids")
    ids = _ids(ids, vocabulary_size, "ids")
    p = np.full(len(ids) - 1, 1 / vocabulary_size)
    for n in range(1, order + 1):
        if n == order:
            grams = _grams(training_ids, n, vocabulary_size)
        else:
            grams = np.unique(_grams(training_ids, n + 1, vocabulary_size)) % vocabulary_size**n
        table = _count(grams, vocabulary_size)
        once, twice = (np.sum(table[1] == k) for k in (1, 2))
        D = once / (once + 2 * twice) if once and twice else 0.5
        count, total, kinds, lower = _ask(table, ids, n, vocabulary_size, p)
        lower[:] = np.where(
            total > 0,
            (np.maximum(count - D, 0) + D * kinds * lower) / np.maximum(total, 1),
            lower,
        )
    return p


def _ids(ids, vocabulary_size, name):
    ids = token_array(ids, name)
    check_tokens(ids, vocabulary_size, name)
    return ids.astype(np.int64)


def _grams(ids, n, vocabulary_size):
    """Return one integer for each n-gram, in order: its tokens are the digits in base V."""
    if int(vocabulary_size) ** n > 2**62:
        raise ValueError(
            f"{vocabulary_size} tokens to the power {n} do not fit an integer; use a lower order"
        )
    grams = np.zeros(max(len(ids) - n + 1, 0), dtype=np.int64)
    for k in range(n):
        grams = grams * vocabulary_size + ids[k : k + len(grams)]
    return grams


def _count(grams, vocabulary_size):
    """Return the distinct n-grams with their counts, and their contexts with their counts and distinct successors."""
    distinct_grams, gram_counts = np.unique(grams, return_counts=True)
    contexts, context_counts = np.unique(grams // vocabulary_size, return_counts=True)
    successors = np.unique(distinct_grams // vocabulary_size, return_counts=True)[1]
    return distinct_grams, gram_counts, contexts, context_counts, successors


def _ask(table, ids, n, vocabulary_size, p):
    """Return count(context w), count(context), distinct(context) for every token with n - 1 before it, and the view of
    p, the estimates so far, that belongs to these tokens."""
    distinct_grams, gram_counts, contexts, context_counts, successors = table
    asked = _grams(ids, n, vocabulary_size)[1 if n == 1 else 0 :]
    asked_contexts = asked // vocabulary_size
    count = _look_up(asked, distinct_grams, gram_counts)
    total = _look_up(asked_contexts, contexts, context_counts)
    kinds = _look_up(asked_contexts, contexts, successors)
    return count, total, kinds, p[max(n - 2, 0) :]


def _look_up(keys, sorted_keys, values):
    """Return values[i] where keys == sorted_keys[i], and 0 where a key is not there."""
    if len(sorted_keys) == 0:
        return np.zeros(len(keys), dtype=np.int64)
    position = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[position] == keys, values[position], 0)
