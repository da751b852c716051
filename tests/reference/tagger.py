"""What PyTorch computes for small random problems of stacked bidirectional cells, by autograd.

`python -m tests.reference.generate` writes tagger.safetensors beside this file, with all others; so does this one.
"""

from pathlib import Path

import numpy as np

from common.checkpoint import save_params, to_torch
from common.models.tagger import init_stack
from common.recurrent import init_gru, init_lstm, init_rnn

VECTORS = Path(__file__).resolve().parent / "tagger.safetensors"
CELLS = {
    "rnn": ("RNN", init_rnn, {}),
    "lstm": ("LSTM", init_lstm, {}),
    "gru": ("GRU", init_gru, {"reset": "after"}),
}
KINDS = ("full", "padded")


def draw_problem(rng, cell, kind, layers=2, T=5, B=3, D=4, H=3):
    """Return random parameters of the layers, x, a mask with 1 for a real token, and the gradients of four outputs:
    of all states (dh) and of the states pooled (dlast, dmean, dmax)."""
    _, init, options = CELLS[cell]
    params = init_stack(rng, D, H, layers, lambda *a, **k: init(*a, **k, **options))
    params = {
        n: {
            way: {
                name: rng.normal(0, 0.5, array.shape).astype(np.float64)
                for name, array in cell_params.items()
            }
            for way, cell_params in layer.items()
        }
        for n, layer in params.items()
    }
    lengths = rng.permutation(T - np.arange(B) % T) if kind == "padded" else np.full(B, T)
    mask = np.arange(T)[:, None] < lengths
    problem = {"params": params, "x": rng.normal(size=(T, B, D)), "mask": mask}
    problem["dh"] = rng.normal(size=(T, B, 2 * H)) * mask[..., None]
    return problem | {f"d{how}": rng.normal(size=(B, 2 * H)) for how in ("last", "mean", "max")}


def _names(layers):
    """Yield (layer, way, what PyTorch puts at the end of its names)."""
    for n in range(layers):
        yield from ((str(n), "forward", f"_l{n}"), (str(n), "backward", f"_l{n}_reverse"))


def torch_answers(cell, problem):
    """Return h, last, mean, max, and the gradients of x and of the parameters, in our layout."""
    import torch

    params, layers = problem["params"], len(problem["params"])
    D, H = (len(params["0"]["forward"][name]) for name in ("Wx", "Wh"))
    module = getattr(torch.nn, CELLS[cell][0])(D, H, layers, bidirectional=True).double()
    state = {
        name.replace("_l0", end): torch.tensor(array)
        for n, way, end in _names(layers)
        for name, array in to_torch(params[n][way]).items()
    }
    module.load_state_dict(state)
    x = torch.tensor(problem["x"], requires_grad=True)
    real = torch.tensor(problem["mask"] != 0)[..., None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, real[..., 0].sum(0), enforce_sorted=False)
    states, last = module(packed)
    last = last[0] if cell == "lstm" else last
    h, _ = torch.nn.utils.rnn.pad_packed_sequence(states, total_length=len(x))
    answers = {
        "h": h,
        "last": torch.cat([last[-2], last[-1]], dim=-1),
        "mean": h.sum(0) / real.sum(0),
        "max": h.masked_fill(~real, -torch.inf).amax(0),
    }
    sum((answers[f] * torch.tensor(problem[f"d{f}"])).sum() for f in answers).backward()
    grads = {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}
    ours = {n: {} for n in params}
    for n, way, end in _names(layers):
        part = {name.replace(end, "_l0"): g for name, g in grads.items() if name.endswith(end)}
        ours[n][way] = _summed(cell, part)
    answers = {name: array.detach().numpy() for name, array in answers.items()}
    return answers | {"dx": x.grad.numpy(), "grads": ours}


def _summed(cell, part):
    """Return the gradients of a cell in our layout, where one bias stands for PyTorch's two: it has the gradient of
    either, and they are equal, but for the candidate of a GRU."""
    ours = {"Wx": part["weight_ih_l0"].T, "Wh": part["weight_hh_l0"].T, "b": part["bias_ih_l0"]}
    if cell == "gru":
        ours["bn"] = part["bias_hh_l0"][-len(ours["Wh"]) :]
    return ours


def main():
    rng = np.random.default_rng(0)
    problems = {cell: {kind: draw_problem(rng, cell, kind) for kind in KINDS} for cell in CELLS}
    answers = {
        cell: {kind: torch_answers(cell, problem) for kind, problem in some.items()}
        for cell, some in problems.items()
    }
    for some in problems.values():
        for problem in some.values():
            problem["mask"] = problem["mask"].astype(np.uint8)
    save_params(VECTORS, {"problems": problems, "torch": answers})


if __name__ == "__main__":
    main()
