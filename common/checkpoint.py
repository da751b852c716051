"""Parameters to and from safetensors files, which hold nothing that runs, and torch.nn state dicts, without PyTorch."""

import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from common.params import assign_params, check_writable, flatten

TORCH = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def save_params(path, params):
    """Write a nested dictionary of arrays, of any shapes, to a safetensors file under dotted names.

    The numbers go to a temporary file in the same folder, which then takes the place of `path` in one step: a save
    that fails, for whatever reason, leaves an older file whole. Raises ValueError for a missing folder, names that
    contradict each other or that the format keeps for itself, and dtypes that it does not have.
    """
    path, flat = Path(path), flatten(params)
    _nest(flat)
    if "__metadata__" in flat:
        raise ValueError("__metadata__ is a name that safetensors keeps for itself; rename it")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r}; create it before saving to it")
    try:  # the format stores memory as it lies: a transposed or sliced array would come back scrambled
        content = save({name: np.asarray(array, order="C") for name, array in flat.items()})
    except SafetensorError as error:
        raise ValueError(f"these parameters cannot be saved: {error}") from None
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_params(path, params=None):
    """Read a safetensors file; return a nested dictionary of arrays, each dot in a name being one level.

    With `params`, the numbers are written into its arrays, in place, and it is returned; names, shapes and dtypes
    must be those of the file. Raises ValueError for a file that is missing, truncated or not safetensors, and for
    parameters that do not fit or that assign_params refuses; then nothing has been changed.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}; give the path that save_params wrote")
    try:
        loaded = {name: np.array(array) for name, array in load(path.read_bytes()).items()}
    except (SafetensorError, KeyError) as error:  # KeyError: a dtype that NumPy lacks
        raise ValueError(
            f"{str(path)!r} is truncated or no safetensors file that NumPy can read ({error!r}); save it again"
        ) from None
    if params is None:
        return _nest(loaded)
    flat = flatten(params)
    check_writable(flat)
    kinds = [{s: (a.shape, a.dtype.name) for s, a in d.items()} for d in (loaded, flat)]
    _check(f"{str(path)!r}, which needs parameters like those saved in it,", *kinds)
    assign_params(params, loaded)
    return params


def to_torch(params):
    """Return the state dict (torch.nn names -> arrays) of a layer, or of a nested dictionary of layers.

    {"Wx": (D, G*H), "Wh": (H, G*H), "b": (G*H,)}  nn.RNN (tanh) if G = 1, nn.LSTM if G = 4; with "bn": (H,), nn.GRU:
                                                   weight_ih_l0 (G*H, D), weight_hh_l0 (G*H, H), two biases (G*H,)
    {"W": (D, O), "b": (O,)}                       nn.Linear: weight (O, D), bias (O,)
    {"W": (V, E)}                                  nn.Embedding: weight (V, E)
    {"g": (D,), "b": (D,)}                         nn.LayerNorm: weight (D,), bias (D,)
    {"Wqkv": (D, 3 D), "bqkv", "Wo", "bo"}         nn.MultiheadAttention: in_proj_weight (3 D, D), out_proj.weight ...

    The names of nested layers become prefixes, as in gru.weight_ih_l0. PyTorch takes it as
    module.load_state_dict({name: torch.tensor(array) for name, array in to_torch(params).items()}).
    Raises ValueError for other names or shapes, and for a GRU with reset "before", which nn.GRU cannot be.
    """
    return flatten(_convert(params, _layer_to_torch))


def from_torch(state_dict, heads=None):
    """Return the parameters, nested as the dots in the names say, of a torch.nn state dict: to_torch backwards.

    Values are arrays or CPU tensors. A cell's two biases become their sum, but for a GRU's candidate, which keeps
    both, as b and bn. A weight without a bias is taken for an embedding, an RNN for one of tanh: names do not tell.
    `heads` is needed where there is an nn.MultiheadAttention, whose arrays do not tell how many it has.

    Raises ValueError for other names or shapes: several layers or directions, projections, cells without biases,
    normalisations over several axes or with running means, convolutions; and for values that are no arrays to NumPy,
    as of bfloat16.
    """
    arrays = {name: _as_array(value, name) for name, value in flatten(state_dict).items()}

    def convert(layer, where):
        if "in_proj_weight" in layer:
            return _heads_from_torch(layer, where, heads)
        return _layer_from_torch(layer, where)

    return _convert(_nest(arrays), convert)


def _as_array(value, name):
    try:
        return np.asarray(value)
    except (TypeError, RuntimeError) as error:  # PyTorch's answers for what NumPy cannot hold
        raise ValueError(f"{name} cannot become a NumPy array: {error}") from None


def _layer_to_torch(layer, where):
    if layer.keys() >= {"Wx", "Wh", "b"}:
        if "bn" not in layer and _gates(layer["Wh"], where) == 3:
            raise ValueError(
                f'{where} is a GRU with reset "before"; nn.GRU can only be reset "after"'
            )
        _check_cell(layer, where)
        b_hh = np.zeros_like(layer["b"])
        b_hh[2 * len(layer["Wh"]) :] = layer.get("bn", 0)
        return dict(zip(TORCH, (layer["Wx"].T, layer["Wh"].T, layer["b"], b_hh), strict=True))
    if layer.keys() in ({"W", "b"}, {"W"}):
        _check_layer(layer, where, {"W": ("D", "O"), "b": ("O",)})
        return (
            {"weight": layer["W"].T, "bias": layer["b"]} if "b" in layer else {"weight": layer["W"]}
        )
    if layer.keys() == {"g", "b"}:
        _check_layer(layer, where, {"g": ("D",), "b": ("D",)})
        return {"weight": layer["g"], "bias": layer["b"]}
    if layer.keys() == {"Wqkv", "bqkv", "Wo", "bo"}:
        D = len(layer["bo"])
        return {
            "in_proj_weight": layer["Wqkv"].T,
            "in_proj_bias": layer["bqkv"],
            "out_proj.weight": layer["Wo"].reshape(D, D).T,
            "out_proj.bias": layer["bo"],
        }
    allowed = (
        "a cell (Wx, Wh, b, in a GRU also bn), a linear layer (W, b), an embedding (W), a layer normalisation (g, b), "
        "attention with several heads (Wqkv, bqkv, Wo, bo)"
    )
    raise ValueError(f"{where} has {', '.join(layer)}; what can be converted: {allowed}")


def _layer_from_torch(layer, where):
    if layer.keys() == set(TORCH):
        Wx, Wh, b_ih, b_hh = (layer[name].T for name in TORCH)
        gates = _gates(Wh, where)
        biases = {"bias_ih_l0": b_ih.shape, "bias_hh_l0": b_hh.shape}
        _check(where, biases, dict.fromkeys(biases, Wh.shape[1:]))
        ours = {"Wx": Wx, "Wh": Wh, "b": b_ih + b_hh}
        if gates == 3:
            n = slice(2 * len(Wh), None)
            ours["b"][n], ours["bn"] = b_ih[n], b_hh[n]
        _check_cell(ours, where)
        return ours
    if layer.keys() == {"weight", "bias"} and layer["weight"].ndim == 1:
        _check_layer(layer, where, {"weight": ("D",), "bias": ("D",)})
        return {"g": layer["weight"], "b": layer["bias"]}
    if layer.keys() in ({"weight", "bias"}, {"weight"}):
        _check_layer(layer, where, {"weight": ("O", "D"), "bias": ("O",)})
        weight = layer["weight"]
        return {"W": weight.T, "b": layer["bias"]} if "bias" in layer else {"W": weight}
    allowed = f"a one-way cell of one layer ({', '.join(TORCH)}), nn.Linear (weight, bias), nn.Embedding (weight)"
    raise ValueError(f"{where} has {', '.join(layer)}; what can be converted: {allowed}")


def _heads_from_torch(layer, where, heads):
    flat = flatten(layer)
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    D = layer["in_proj_weight"].shape[-1]
    shapes = dict(zip(names, [(3 * D, D), (3 * D,), (D, D), (D,)], strict=True))
    _check(where, {name: array.shape for name, array in flat.items()}, shapes)
    if heads is None or D % heads:
        raise ValueError(
            f"{where} has {D} features for {heads} heads; give heads=, a divisor of {D}"
        )
    Wqkv, bqkv, Wo, bo = (flat[name].T for name in names)
    return {"Wqkv": Wqkv, "bqkv": bqkv, "Wo": Wo.reshape(heads, D // heads, D), "bo": bo}


def _gates(Wh, where):
    """Return for how many gates these recurrent weights are: 1, 3 or 4."""
    for gates in (1, 3, 4):
        if Wh.ndim == 2 and Wh.shape[1] == gates * len(Wh):
            return gates
    raise ValueError(
        f"{where}: Wh is {Wh.shape}; (H, H), (H, 3H) and (H, 4H) make an RNN, GRU, LSTM"
    )


def _check_cell(layer, where):
    H, Wh = layer["Wh"].shape[:1], layer["Wh"].shape
    shapes = {"Wx": layer["Wx"].shape[:1] + Wh[1:], "Wh": Wh, "b": Wh[1:]}
    shapes |= {"bn": H} if _gates(layer["Wh"], where) == 3 else {}
    _check(where, {name: array.shape for name, array in layer.items()}, shapes)


def _check_layer(layer, where, axes):
    """Raise ValueError unless every array has the axes whose names `axes` gives, equal names being equal sizes."""
    sizes = {}
    for name, array in layer.items():
        if array.ndim != len(axes[name]) or any(
            sizes.setdefault(axis, size) != size
            for axis, size in zip(axes[name], array.shape, strict=True)
        ):
            given = ", ".join(f"{s} {a.shape}" for s, a in layer.items())
            allowed = ", ".join(f"{s} ({', '.join(axes[s])})" for s in layer)
            raise ValueError(
                f"{where} has {given}, must have {allowed}: not a linear layer or table"
            )


def _convert(tree, convert_layer, where="the layer"):
    """Return the nested dictionary with every innermost dictionary converted."""
    if not isinstance(tree, dict):
        raise ValueError(f"{where} is an array that belongs to no layer: leave it out")
    if "in_proj_weight" not in tree and any(isinstance(value, dict) for value in tree.values()):
        return {key: _convert(value, convert_layer, key) for key, value in tree.items()}
    return {name: np.array(a, order="C") for name, a in convert_layer(tree, where).items()}


def _nest(flat):
    """Return the nested dictionary that params.flatten would turn into `flat`."""
    tree = {}
    for name, array in flat.items():
        if any(other.startswith(f"{name}.") for other in flat):
            raise ValueError(f"{name} cannot be both an array and a dictionary; rename one of them")
        *levels, last = name.split(".")
        node = tree
        for level in levels:
            node = node.setdefault(level, {})
        node[last] = array
    return tree


def _check(where, given, allowed):
    """Raise ValueError unless both dictionaries have the same names and values."""
    odd = sorted(given.keys() ^ allowed.keys())
    if odd:
        raise ValueError(
            f"{where} has {', '.join(given)}; must have {', '.join(allowed)}: see {odd}"
        )
    for name in allowed:
        if given[name] != allowed[name]:
            raise ValueError(f"{where} has {name} {given[name]}, must have {allowed[name]}")
