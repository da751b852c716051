"""What PyTorch computes for small random attention problems, by autograd and from the formulas of the papers.

`python -m tests.reference.generate` writes attention.safetensors beside this file, with all others; so does this one.
"""

from pathlib import Path

import numpy as np

from common.checkpoint import save_params

VECTORS = Path(__file__).resolve().parent / "attention.safetensors"
SCORES = ("additive", "general", "dot")
KINDS = ("full", "padded")


def draw_problem(rng, score, kind, T=4, S=5, B=3, Q=6, K=4):
    """Return weights, queries, keys, mask, and dcontext, with the loss sum(dcontext * context); float64.

    For "dot", queries are as wide as keys.
    """
    Q = K if score == "dot" else Q
    shapes = {"queries": (T, B, Q), "keys": (S, B, K), "dcontext": (T, B, K)}
    if score == "additive":
        shapes |= {"Wq": (Q, Q), "Wk": (K, Q), "v": (Q,)}
    elif score == "general":
        shapes |= {"W": (Q, K)}
    problem = {name: rng.normal(0, 0.7, shape) for name, shape in shapes.items()}
    lengths = rng.permutation(S - np.arange(B) % S) if kind == "padded" else np.full(B, S)
    return problem | {"mask": np.arange(S)[:, None] < lengths}


def torch_answers(problem):
    """Return outputs and gradients; the additive score is computed as v . tanh(W [q; k]), with one matrix W."""
    import torch

    given = {name: torch.tensor(array) for name, array in problem.items()}
    leaves = [name for name in given if name not in ("mask", "dcontext")]
    for name in leaves:
        given[name].requires_grad_()
    queries = given["queries"].transpose(0, 1)[:, :, None]  # (B, T, 1, Q)
    keys = given["keys"].transpose(0, 1)[:, None]  # (B, 1, S, K)
    if "v" in given:
        T, S = queries.shape[1], keys.shape[2]
        pairs = torch.cat([queries.expand(-1, -1, S, -1), keys.expand(-1, T, -1, -1)], dim=-1)
        W = torch.cat([given["Wq"], given["Wk"]])
        scores = torch.tanh(pairs @ W) @ given["v"]
    else:
        scores = ((queries @ given["W"] if "W" in given else queries) * keys).sum(dim=-1)
    padded = ~given["mask"].T[:, None]
    weights = torch.softmax(scores.masked_fill(padded, -torch.inf), dim=-1)  # (B, T, S)
    context = (weights[..., None] * keys).sum(dim=2).transpose(0, 1)
    (context * given["dcontext"]).sum().backward()
    answers = {"context": context, "weights": weights.transpose(0, 1)}
    answers = {name: output.detach().numpy() for name, output in answers.items()}
    return answers | {f"d{name}": given[name].grad.numpy() for name in leaves}


def main():
    rng = np.random.default_rng(0)
    problems = {s: {kind: draw_problem(rng, s, kind) for kind in KINDS} for s in SCORES}
    answers = {s: {kind: torch_answers(problems[s][kind]) for kind in KINDS} for s in SCORES}
    save_params(VECTORS, {"problems": problems, "torch": answers})


if __name__ == "__main__":
    main()
