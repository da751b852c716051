"""Training a model of pairs: its decoder reads the true target, whatever it would have written itself."""

import numpy as np

from common.losses import softmax_cross_entropy


def loss_and_grads_with(forward, backward):
    """Return loss_and_grads(params, source, source_mask, target_inputs, targets, target_mask=None, state=None) ->
    loss, grads, None, as common.training.train wants it.

    forward(params, source, source_mask, target_inputs) -> logits (T, B, V), attention weights or None, cache
    backward(dlogits, cache) -> grads

    source, source_mask (S, B); target_inputs (T, B) begin with <sos>, targets (T, B) are one step ahead and end with
    <eos>; what stands where a mask is 0 changes nothing. The loss is in nats per target token with mask 1. Every pair
    stands for itself: the state is None.
    """

    def loss_and_grads(
        params, source, source_mask, target_inputs, targets, target_mask=None, state=None
    ):
        if target_mask is not None:  # padding reads <sos>, which every batch reads anyway
            target_inputs = np.where(target_mask == 0, target_inputs[:1], target_inputs)
        logits, _, cache = forward(params, source, source_mask, target_inputs)
        loss, dlogits = softmax_cross_entropy(logits, targets, target_mask)
        return loss, backward(dlogits, cache), None

    return loss_and_grads
