"""What PyTorch computes for small random problems of a transformer's parts, by autograd.

`python -m tests.reference.generate` writes transformer.safetensors beside this file, with all others; so does this one.
"""

from pathlib import Path

import numpy as np

from common.checkpoint import from_torch, save_params, to_torch
from common.layers import init_layer_norm
from common.multi_head import init_multi_head
from common.params import flatten
from common.transformer_block import init_block

VECTORS = Path(__file__).resolve().parent / "transformer.safetensors"
BLOCKS = ("encoder_pre", "encoder_post", "decoder_pre", "decoder_post")
PARTS = ("layer_norm", "self", "causal", "cross", *BLOCKS)
D, HEADS, HIDDEN = 6, 3, 5


def draw_problem(rng, part, T=4, S=5, B=3):
    """Return {"params", "x", "memory", "mask", "dy"}: random weights and biases, gains around 1, float64."""
    if part == "layer_norm":
        params = init_layer_norm(D, np.float64)
    elif part in ("self", "causal", "cross"):
        params = init_multi_head(rng, D, HEADS, np.float64)
    else:
        params = init_block(rng, D, HEADS, HIDDEN, part.startswith("decoder"), np.float64)
    for array in flatten(params).values():
        array += rng.normal(0, 0.3, array.shape)
    mask = np.arange(S)[:, None] < rng.permutation(S - np.arange(B) % S)
    problem = {"params": params, "x": rng.normal(size=(T, B, D)), "dy": rng.normal(size=(T, B, D))}
    if part == "cross" or part.startswith("decoder"):
        problem |= {"memory": rng.normal(size=(S, B, D)), "mask": mask}
    elif part.startswith("encoder") or part == "self":
        problem["mask"] = mask[-T:]
        problem["dy"] *= problem["mask"][..., None]
    return problem


def torch_answers(part, problem):
    """Return y and the gradients of x, of memory and of the parameters, in our layout."""
    import torch

    if part == "layer_norm":
        module = torch.nn.LayerNorm(D)
    elif part in ("self", "causal", "cross"):
        module = torch.nn.MultiheadAttention(D, HEADS)
    else:
        kind, norm = part.split("_")
        kinds = {"encoder": "TransformerEncoderLayer", "decoder": "TransformerDecoderLayer"}
        layer = getattr(torch.nn, kinds[kind])
        module = layer(D, HEADS, HIDDEN, dropout=0.0, norm_first=norm == "pre")
    module.double()
    state = to_torch(problem["params"])
    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    x = torch.tensor(problem["x"], requires_grad=True)
    T = len(x)
    later = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    padded = ~torch.tensor(problem["mask"]).T if "mask" in problem else None
    memory = problem.get("memory")
    memory = None if memory is None else torch.tensor(memory, requires_grad=True)
    if part == "layer_norm":
        y = module(x)
    elif part in ("self", "causal", "cross"):
        looked_at = x if memory is None else memory
        causal = later if part == "causal" else None
        y, _ = module(x, looked_at, looked_at, key_padding_mask=padded, attn_mask=causal)
    elif memory is None:
        y = module(x, src_key_padding_mask=padded)
    else:
        y = module(x, memory, tgt_mask=later, memory_key_padding_mask=padded)
    (y * torch.tensor(problem["dy"])).sum().backward()
    grads = {name: p.grad.numpy() for name, p in module.named_parameters()}
    answers = {"y": y.detach().numpy(), "dx": x.grad.numpy(), "grads": from_torch(grads, HEADS)}
    return answers | ({} if memory is None else {"dmemory": memory.grad.numpy()})


def main():
    rng = np.random.default_rng(0)
    problems = {part: draw_problem(rng, part) for part in PARTS}
    answers = {part: torch_answers(part, problem) for part, problem in problems.items()}
    problems = {
        part: {name: a.astype(np.uint8) if name == "mask" else a for name, a in problem.items()}
        for part, problem in problems.items()
    }
    save_params(VECTORS, {"problems": problems, "torch": answers})


if __name__ == "__main__":
    main()
