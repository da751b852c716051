"""The models of common.models as a user of PyTorch writes them, with the parameters of ours: for the benchmark.

Each function returns (module with all parameters, loss of a batch).
"""

import math

import torch
from torch import nn

from common.checkpoint import to_torch
from common.models.transformer import sinusoids


def _load(module, params):
    module.load_state_dict(
        {name: torch.from_numpy(array.copy()) for name, array in to_torch(params).items()}
    )
    return module


def _embedding(params):
    return _load(nn.Embedding(*params["W"].shape), params)


def _linear(params):
    return _load(nn.Linear(*params["W"].shape), params)


def _cell(kind, params):
    return _load(getattr(nn, kind)(len(params["Wx"]), len(params["Wh"])), params)


def _gru_cell(params):
    cell = nn.GRUCell(len(params["Wx"]), len(params["Wh"]))
    state = {name.removesuffix("_l0"): array for name, array in to_torch(params).items()}
    cell.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return cell


def _bidirectional(params):
    gru = nn.GRU(len(params["forward"]["Wx"]), len(params["forward"]["Wh"]), bidirectional=True)
    state = to_torch(params["forward"])
    state |= {f"{name}_reverse": array for name, array in to_torch(params["backward"]).items()}
    gru.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return gru


def _cross_entropy(logits, targets):
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def language_model(params, cell, inputs, targets):
    net = nn.ModuleDict(
        {
            "embedding": _embedding(params["embedding"]),
            "cell": _cell(cell, params["cell"]),
            "output": _linear(params["output"]),
        }
    )

    def loss():
        h, _ = net["cell"](net["embedding"](inputs))
        return _cross_entropy(net["output"](h), targets)

    return net, loss


def transformer(params, inputs, targets):
    """Pre-norm blocks; the causal mask, the places and the factor of the embedding are made once."""
    V, D = params["embedding"]["W"].shape
    block = params["layers"]["0"]
    sizes = D, len(block["self_attn"]["Wo"]), len(block["linear2"]["W"])
    layer = nn.TransformerEncoderLayer(*sizes, dropout=0.0, norm_first=True)
    stack = nn.TransformerEncoder(
        layer, len(params["layers"]), nn.LayerNorm(D), enable_nested_tensor=False
    )
    net = nn.ModuleDict(
        {
            "embedding": _embedding(params["embedding"]),
            "stack": _load(stack, {name: params[name] for name in ("layers", "norm")}),
            "output": _linear(params["output"]),
        }
    )
    T = len(inputs)
    places = torch.from_numpy(sinusoids(range(T), D))[:, None]
    mask = nn.Transformer.generate_square_subsequent_mask(T)

    def loss():
        x = net["embedding"](inputs) * math.sqrt(D) + places
        return _cross_entropy(net["output"](net["stack"](x, mask, is_causal=True)), targets)

    return net, loss


def encoder_decoder(params, source, source_mask, target_inputs, targets, target_mask):
    net = nn.ModuleDict({name: _embedding(params[name]) for name in _EMBEDDINGS})
    net.update({name: _cell("GRU", params[name]) for name in ("encoder", "decoder")})
    net.update({name: _linear(params[name]) for name in ("bridge", "output")})

    def loss():
        _, last_state = net["encoder"](net["source_embedding"](source))
        first_state = torch.tanh(net["bridge"](last_state))
        s, _ = net["decoder"](net["target_embedding"](target_inputs), first_state)
        return _cross_entropy(net["output"](s), targets)

    return net, loss


def bahdanau(params, source, source_mask, target_inputs, targets, target_mask):
    net, attention = _with_attention(params, ("bridge", "readout", "output"))

    def loss():
        annotations, s = _encode(net, source)
        keys = annotations @ attention["Wk"]
        embedded, states, contexts = net["target_embedding"](target_inputs), [], []
        for word in embedded:
            scores = torch.tanh(s @ attention["Wq"] + keys) @ attention["v"]  # (S, B)
            weights = torch.softmax(scores, dim=0)
            context = (weights[..., None] * annotations).sum(dim=0)
            s = net["decoder"](torch.cat([word, context], dim=-1), s)
            states.append(s)
            contexts.append(context)
        seen = torch.cat([torch.stack(states), embedded, torch.stack(contexts)], dim=-1)
        return _cross_entropy(net["output"](torch.tanh(net["readout"](seen))), targets)

    return net, loss


def luong(params, source, source_mask, target_inputs, targets, target_mask):
    net, attention = _with_attention(params, ("bridge", "combine", "output"))

    def loss():
        annotations, s = _encode(net, source)
        by_sentence = annotations.transpose(0, 1)  # (B, S, H)
        keys = by_sentence @ attention["W"].T
        attentional, looks = torch.zeros_like(s), []
        for word in net["target_embedding"](target_inputs):
            s = net["decoder"](torch.cat([word, attentional], dim=-1), s)
            weights = torch.softmax(torch.bmm(keys, s[..., None]), dim=1)
            context = torch.bmm(weights.transpose(1, 2), by_sentence)[:, 0]
            attentional = torch.tanh(net["combine"](torch.cat([context, s], dim=-1)))
            looks.append(attentional)
        return _cross_entropy(net["output"](torch.stack(looks)), targets)

    return net, loss


_EMBEDDINGS = ("source_embedding", "target_embedding")


def _with_attention(params, linear):
    net = nn.ModuleDict({name: _embedding(params[name]) for name in _EMBEDDINGS})
    net.update({name: _linear(params[name]) for name in linear})
    net["encoder"], net["decoder"] = _bidirectional(params["encoder"]), _gru_cell(params["decoder"])
    attention = {
        name: torch.from_numpy(array.copy()) for name, array in params["attention"].items()
    }
    net["attention"] = nn.ParameterDict(attention)
    return net, net["attention"]


def _encode(net, source):
    annotations, last_states = net["encoder"](net["source_embedding"](source))
    return annotations, torch.tanh(net["bridge"](last_states[1]))
