"""From a trained sequence-to-sequence model to target sequences: greedy search and beam search.

`model` is the module of common.models that the parameters belong to: encoder_decoder, bahdanau or luong. It has

    start(params, source, source_mask) -> state
    step(params, tokens, state)        -> logits (B, V), state, attention weights (B, S) or None

where the state is a nested dictionary of arrays whose last axis but one is the batch.
"""

import numpy as np

from common.losses import log_softmax


def greedy_decode(model, params, source, source_mask, max_length, sos=1, eos=2):
    """Return B lists of ids, at each step the likeliest, and B arrays of attention weights (or None if it has none).

    source (S, B) and source_mask (S, B) as the model takes them. All sentences are decoded at once. A list ends with
    `eos`, or has max_length ids without it. Row t of a sentence's weights (length, S) goes with its id t.
    Raises ValueError for max_length below 1 and for logits that are NaN.
    """
    _check_positive(max_length=max_length)
    state = model.start(params, source, source_mask)
    tokens = np.full(source.shape[1], sos)
    written, weights, ended = [], [], np.zeros(len(tokens), bool)
    while len(written) < max_length and not ended.all():
        logits, state, looked = model.step(params, tokens, state)
        tokens = logits.argmax(axis=-1)
        _check_not_nan(logits[~ended])
        written.append(tokens)
        weights.append(looked)
        ended |= tokens == eos
    written = np.array(written)
    lengths = [int(np.argmax(ids == eos)) + 1 if eos in ids else len(ids) for ids in written.T]
    ids = [written[:length, b].tolist() for b, length in enumerate(lengths)]
    if weights[0] is None:
        return ids, None
    weights = np.array(weights)
    return ids, [weights[:length, b] for b, length in enumerate(lengths)]


def beam_search(model, params, source, width, max_length, alpha=0.0, sos=1, eos=2):
    """Return at most `width` hypotheses for one sentence, the best first: [(ids, log-probability), ...].

    source S ids without padding. At every step, all hypotheses are continued with all tokens, and the likeliest
    continuations kept (Sutskever, Vinyals and Le 2014, section 3.2). One that ends with `eos` is complete: it keeps its
    place and is not continued, which leaves one place fewer to the others. What has reached max_length is returned
    as it is.

    Ranked by log-probability / length^alpha, the length counting `eos`. With alpha 0 short hypotheses have an
    advantage, since every token more costs probability; alpha 1 ranks by the mean per token (Wu et al. 2016, section
    7, discuss such normalisations). Width 1 is greedy search. What has probability 0 is no hypothesis. Raises
    ValueError for width or max_length below 1 and for logits that are NaN.
    """
    _check_positive(width=width, max_length=max_length)
    state = model.start(params, np.array(list(source))[:, None], None)
    tokens, live, log_p, complete = np.array([sos]), [[]], np.zeros(1), []
    for _ in range(max_length):
        logits, state, _ = model.step(params, tokens, state)
        _check_not_nan(logits)
        candidates = log_p[:, None] + log_softmax(logits.astype(np.float64))
        possible = np.count_nonzero(candidates > -np.inf)
        room = min(width - len(complete), possible)
        best = np.argsort(-candidates, axis=None, kind="stable")[:room]
        parents, tokens = np.unravel_index(best, candidates.shape)
        log_p = candidates[parents, tokens]
        live = [[*live[p], int(token)] for p, token in zip(parents, tokens, strict=True)]
        ended = tokens == eos
        complete += [(live[i], float(log_p[i])) for i in np.flatnonzero(ended)]
        going_on = np.flatnonzero(~ended)
        tokens, log_p, live = tokens[going_on], log_p[going_on], [live[i] for i in going_on]
        if not live:
            break
        state = select(state, parents[going_on])
    hypotheses = complete + list(zip(live, log_p.tolist(), strict=True))
    return sorted(hypotheses, key=lambda h: -h[1] / len(h[0]) ** alpha)


def select(state, indices):
    """Return the decoder state of the sentences at these indices of the batch; repeated ones are copied."""
    return {
        name: select(value, indices) if isinstance(value, dict) else value.take(indices, axis=-2)
        for name, value in state.items()
    }


def _check_not_nan(logits):
    if np.isnan(logits).any():
        raise ValueError("the model's logits are NaN: there is no likeliest token")


def _check_positive(**numbers):
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} is {number}; it must be at least 1")
