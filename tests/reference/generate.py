"""What PyTorch, Keras and ONNX compute for small random problems: the reference our cells are held to.

`python -m tests.reference.generate` writes the vectors beside this file, and versions.json, which says by which
versions they were computed. Every conversion between our layout and a library's is here and nowhere else.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np

from common.checkpoint import save_params
from tests.reference import attention, tagger, transformer

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported
HERE = Path(__file__).resolve().parent
GATES = {"rnn": 1, "lstm": 4, "gru_before": 3, "gru_after": 3}
KINDS = ("full", "padded", "tokens", "holes")
KERAS_ORDER = {"rnn": [0], "lstm": [0, 1, 2, 3], "gru_before": [1, 0, 2], "gru_after": [1, 0, 2]}
ONNX_ORDER = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru_before": [1, 0, 2], "gru_after": [1, 0, 2]}


def draw_problem(rng, cell, kind, T=5, B=3, D=4, H=6):
    """Return weights, inputs and states, and with dh, dhT, dcT a loss: sum(dh * h) + sum(dhT * hT) + sum(dcT * cT).

    kind  "full"    no padding
          "padded"  sequences of unequal lengths, padded at the end
          "tokens"  the same, and every x_t is a one-hot row
          "holes"   padding anywhere but at the first step, which only a library with true masks can do

    The numbers are float64, but few enough digits are kept that float32 holds them exactly.
    """
    G = GATES[cell]
    shapes = {"Wx": (D, G * H), "Wh": (H, G * H), "b_ih": (G * H,), "b_hh": (G * H,)}
    shapes |= {"x": (T, B, D), "dh": (T, B, H), "h0": (B, H), "dhT": (B, H)}
    if cell == "lstm":
        shapes |= {"c0": (B, H), "dcT": (B, H)}
    scale = min(0.5, H**-0.5)
    problem = {
        name: rng.normal(0, scale, shape).astype(np.float32).astype(np.float64)
        for name, shape in shapes.items()
    }
    lengths = rng.permutation(T - np.arange(B) % T)
    mask = np.arange(T)[:, None] < (lengths if kind in ("padded", "tokens") else T)
    if kind == "holes":
        mask = rng.random((T, B)) < 0.6
        mask[0], mask[1:2, 0], mask[2:3, 0] = True, False, True
    if kind == "tokens":
        problem["x"] = np.eye(D)[rng.integers(D, size=(T, B))]
    return problem | {"mask": np.broadcast_to(mask, (T, B))}


def our_params(cell, problem):
    """Return the parameters in our layout: one bias, the sum of two, except inside the candidate of a GRU "after"."""
    H = len(problem["Wh"])
    b = problem["b_ih"] + problem["b_hh"]
    params = {"Wx": problem["Wx"], "Wh": problem["Wh"], "b": b}
    if cell == "gru_after":
        b[2 * H :] = problem["b_ih"][2 * H :]
        params["bn"] = problem["b_hh"][2 * H :]
    return params


def reorder(array, order):
    """Return the gates, blocks along the last axis, in another order."""
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)


def torch_answers(cell, problem):
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru_after": torch.nn.GRU}[cell]
    D, H, T = len(problem["Wx"]), len(problem["Wh"]), len(problem["x"])
    module = module(D, H).double()
    weights = {
        "weight_ih_l0": torch.tensor(problem["Wx"].T),
        "weight_hh_l0": torch.tensor(problem["Wh"].T),
        "bias_ih_l0": torch.tensor(problem["b_ih"]),
        "bias_hh_l0": torch.tensor(problem["b_hh"]),
    }
    module.load_state_dict(weights)
    x = torch.tensor(problem["x"], requires_grad=True)
    state = [torch.tensor(problem[s], requires_grad=True) for s in ("h0", "c0") if s in problem]
    given = tuple(s[None] for s in state) if cell == "lstm" else state[0][None]

    if problem["mask"].all():
        h, last = module(x, given)
    else:
        packed = pack_padded_sequence(x, problem["mask"].sum(axis=0), enforce_sorted=False)
        h, last = module(packed, given)
        h, _ = pad_packed_sequence(h, total_length=T)
    last = [s[0] for s in last] if cell == "lstm" else [last[0]]
    answers = dict(_differentiate(problem, x, state, h, last))

    gradients = {name: weight.grad.numpy() for name, weight in module.named_parameters()}
    answers |= {"dWx": gradients["weight_ih_l0"].T, "dWh": gradients["weight_hh_l0"].T}
    answers["db"] = gradients["bias_ih_l0"]
    if cell == "gru_after":
        answers["dbn"] = gradients["bias_hh_l0"][2 * H :]
    return answers


def keras_answers(cell, problem):
    import keras
    import torch
    from keras.src.backend.common import dtypes

    if keras.backend.backend() != "torch":
        raise RuntimeError("Keras gives us gradients on PyTorch only: set KERAS_BACKEND=torch")
    # On PyTorch, Keras rounds every product of float64 to float32, whatever a layer's dtype; lift that rule.
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    H, order = len(problem["Wh"]), KERAS_ORDER[cell]
    layer = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM}.get(cell, keras.layers.GRU)
    variant = {"reset_after": cell == "gru_after"} if "gru" in cell else {}
    layer = layer(H, return_sequences=True, return_state=True, dtype="float64", **variant)
    layer.build((None, *problem["x"].shape[1:]))
    bias = our_params(cell, problem)["b"]
    if cell == "gru_after":
        bias = np.stack([problem["b_ih"], problem["b_hh"]])
    layer.set_weights([reorder(array, order) for array in (problem["Wx"], problem["Wh"], bias)])

    x = torch.tensor(problem["x"], requires_grad=True)
    state = [torch.tensor(problem[s], requires_grad=True) for s in ("h0", "c0") if s in problem]
    mask = torch.tensor(problem["mask"].T)
    h, *last = layer(x.swapaxes(0, 1), initial_state=state, mask=None if mask.all() else mask)
    answers = dict(_differentiate(problem, x, state, h.swapaxes(0, 1), last))

    dWx, dWh, db = (reorder(w.value.grad.numpy(), order) for w in layer.trainable_weights)
    if cell == "gru_after":
        db, answers["dbn"] = db[0], db[1, 2 * H :]
    return answers | {"dWx": dWx, "dWh": dWh, "db": db}


def _differentiate(problem, x, state, h, last):
    """Backpropagate the problem's loss with PyTorch; yield (name, array) of outputs and of inputs' gradients."""
    loss = 0
    for name, output in zip(("h", "hT", "cT"), (h, *last), strict=False):
        loss = loss + (output * output.new_tensor(problem[f"d{name}"])).sum()
        yield name, output.detach().numpy()
    loss.backward()
    for name, given in zip(("dx", "dh0", "dc0"), (x, *state), strict=False):
        yield name, given.grad.numpy()


def onnx_answers(cell, problem):
    """By ONNX's own reference evaluator, in float64. It reads no sequence_lens: every sequence runs alone."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(_onnx_model(cell, len(problem["Wh"]), np.float64))
    inputs, lengths = _onnx_inputs(cell, problem), problem["mask"].sum(axis=0)
    inputs["sequence_lens"] = None
    T, B, H = problem["dh"].shape
    answers = {"h": np.zeros((T, B, H)), **{name: np.empty((B, H)) for name in _last(cell)}}
    for b, length in enumerate(lengths):
        alone = {"X": inputs["X"][:length, b : b + 1]}
        alone |= {s: inputs[s][:, b : b + 1] for s in inputs if s.startswith("initial")}
        h, *last = evaluator.run(None, inputs | alone)
        answers["h"][:length, b] = h[:, 0, 0]
        for name, value in zip(_last(cell), last, strict=True):
            answers[name][b] = value[0, 0]
    return answers


def onnxruntime_answers(cell, problem):
    """By onnxruntime, whose recurrent operators exist in float32 only; it reads sequence_lens."""
    import onnxruntime

    model = _onnx_model(cell, len(problem["Wh"]), np.float32).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {s: array.astype(np.float32) for s, array in _onnx_inputs(cell, problem).items()}
    lengths = problem["mask"].sum(axis=0, dtype=np.int32)
    h, *last = session.run(None, inputs | {"sequence_lens": lengths})
    return {"h": h[:, 0], **{s: value[0] for s, value in zip(_last(cell), last, strict=True)}}


def _last(cell):
    return ("hT", "cT") if cell == "lstm" else ("hT",)


def _onnx_inputs(cell, problem):
    """ONNX has a leading axis for directions, and the gates along the rows, in its own order."""
    order = ONNX_ORDER[cell]
    weights = {name: reorder(problem[name], order) for name in ("Wx", "Wh", "b_ih", "b_hh")}
    inputs = {"X": problem["x"], "W": weights["Wx"].T[None], "R": weights["Wh"].T[None]}
    inputs["B"] = np.concatenate([weights["b_ih"], weights["b_hh"]])[None]
    inputs["initial_h"] = problem["h0"][None]
    if cell == "lstm":
        inputs["initial_c"] = problem["c0"][None]
    return inputs


def _onnx_model(cell, hidden_size, dtype):
    from onnx import TensorProto, helper

    inputs = ["X", "W", "R", "B", "sequence_lens", "initial_h"]
    outputs = ["Y", "Y_h"]
    if cell == "lstm":
        inputs, outputs = [*inputs, "initial_c"], [*outputs, "Y_c"]
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    types = dict.fromkeys([*inputs, *outputs], number) | {"sequence_lens": TensorProto.INT32}
    variant = {"linear_before_reset": int(cell == "gru_after")} if "gru" in cell else {}
    node = helper.make_node(
        cell[:4].strip("_").upper(), inputs, outputs, hidden_size=hidden_size, **variant
    )
    described = [
        [helper.make_tensor_value_info(s, types[s], None) for s in names]
        for names in (inputs, outputs)
    ]
    graph = helper.make_graph([node], cell, *described)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def draw_lookups(rng, steps=20, N=6, V=9, E=3):
    """Return a table (V, E), and for each step the tokens (N,) looked up and the gradients (N, E) of their vectors."""
    lookups = {"table": rng.normal(size=(V, E)), "dx": rng.normal(size=(steps, N, E))}
    return lookups | {"tokens": rng.integers(V, size=(steps, N))}


def sparse_adam_answers(lookups, learning_rate=0.05, eps=1e-16):
    """Return the table after each step of torch.optim.SparseAdam: (steps, V, E)."""
    import torch

    table = torch.nn.Parameter(torch.tensor(lookups["table"]))
    optimizer, tables = torch.optim.SparseAdam([table], lr=learning_rate, eps=eps), []
    for tokens, dx in zip(lookups["tokens"], lookups["dx"], strict=True):
        table.grad = torch.sparse_coo_tensor(
            tokens[None], torch.tensor(dx), table.shape, check_invariants=True
        )
        optimizer.step()
        tables.append(table.detach().numpy().copy())
    return np.stack(tables)


# name: (how it answers, the cells it has, the kinds of problem it can solve)
ORACLES = {
    "torch": (torch_answers, ("rnn", "lstm", "gru_after"), KINDS[:3]),
    "keras": (keras_answers, tuple(GATES), KINDS),
    "onnx": (onnx_answers, tuple(GATES), KINDS[:2]),
    "onnxruntime": (onnxruntime_answers, tuple(GATES), KINDS[:2]),
}
CASES = [
    (oracle, cell, kind)
    for oracle, (_, cells, kinds) in ORACLES.items()
    for cell in cells
    for kind in kinds
]


def main():
    rng = np.random.default_rng(0)
    problems = {cell: {kind: draw_problem(rng, cell, kind) for kind in KINDS} for cell in GATES}
    save_params(HERE / "problems.safetensors", problems)
    for oracle, (answers, cells, kinds) in ORACLES.items():
        solved = {c: {kind: answers(c, problems[c][kind]) for kind in kinds} for c in cells}
        save_params(HERE / f"{oracle}.safetensors", solved)
    lookups = draw_lookups(np.random.default_rng(1))
    tables = sparse_adam_answers(lookups)
    save_params(HERE / "sparse_adam.safetensors", lookups | {"tables": tables})
    attention.main()
    transformer.main()
    tagger.main()
    versions = {name: version(name) for name in ("numpy", *ORACLES)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
