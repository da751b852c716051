import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from common.checkpoint import TORCH, from_torch, load_params, save_params, to_torch
from common.layers import init_linear, linear_backward, linear_forward
from common.losses import softmax_cross_entropy
from common.multi_head import init_multi_head
from common.optimizers import Adam
from common.params import copy_params, flatten
from common.recurrent import (
    gru_backward,
    gru_forward,
    init_gru,
    init_lstm,
    init_rnn,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from common.transformer_block import init_block

V, H = 11, 16
CELLS = {
    "RNN": (init_rnn, rnn_forward, rnn_backward),
    "LSTM": (init_lstm, lstm_forward, lstm_backward),
    "GRU": (lambda *sizes: init_gru(*sizes, reset="after"), gru_forward, gru_backward),
}


def example(seed=0, dtype=np.float32):
    """Return nested parameters of several depths, shapes and dtypes."""
    rng = np.random.default_rng(seed)
    return {
        "encoder": {"gru": {"Wx": rng.normal(size=(3, 6)).astype(dtype), "b": rng.normal(size=6)}},
        "scale": np.array(rng.normal(), dtype),
        "counts": rng.integers(9, size=(2, 3, 4)),
        "nothing": np.zeros((0, 5), dtype),
    }


def random_model(kind, seed=0, dtype=np.float32):
    """Return {"cell", "output"} with random biases: zeros would hide where a bias goes."""
    rng = np.random.default_rng(seed)
    model = {"cell": CELLS[kind][0](rng, V, H), "output": init_linear(rng, H, V)}
    for array in flatten(model).values():
        array += rng.normal(0, 0.3, array.shape)
    return {layer: {s: a.astype(dtype) for s, a in model[layer].items()} for layer in model}


def trained_model(kind):
    """Return a model after 30 steps of learning to name the token before the present one."""
    _, forward, backward = CELLS[kind]
    model, optimizer = random_model(kind), Adam(0.01)
    tokens = np.random.default_rng(1).integers(V, size=(12, 8))
    losses = []
    for _ in range(30):
        h, _, cell_cache = forward(model["cell"], tokens)
        logits, output_cache = linear_forward(model["output"], h)
        loss, dlogits = softmax_cross_entropy(logits[1:], tokens[:-1])
        losses.append(loss)
        dlogits = np.concatenate([np.zeros_like(dlogits[:1]), dlogits])
        dh, output_grads = linear_backward(dlogits, output_cache)
        cell_grads = backward(dh, cell_cache)[2]
        optimizer.update(model, {"cell": cell_grads, "output": output_grads})
    assert losses[-1] < 0.8 * losses[0]
    return model


def our_logits(kind, model, tokens):
    return linear_forward(model["output"], CELLS[kind][1](model["cell"], tokens)[0])[0]


def assert_same(params, expected):
    flat, wanted = flatten(params), flatten(expected)
    assert flat.keys() == wanted.keys()
    for name, array in wanted.items():
        assert flat[name].dtype == array.dtype and flat[name].shape == array.shape, name
        assert np.array_equal(flat[name], array), name


@pytest.mark.parametrize("as_path", [str, Path])
def test_what_is_saved_is_loaded_nested_and_can_be_written_to(tmp_path, as_path):
    path = as_path(tmp_path / "model.safetensors")
    save_params(path, example())
    loaded = load_params(path)
    assert_same(loaded, example())
    assert list(os.listdir(tmp_path)) == ["model.safetensors"]
    loaded["encoder"]["gru"]["Wx"] += 1


def test_loading_into_parameters_writes_into_the_same_arrays(tmp_path):
    save_params(tmp_path / "model", example(1))
    params = example(2)
    seen_elsewhere = flatten(params)
    assert load_params(tmp_path / "model", params) is params
    assert_same(seen_elsewhere, flatten(example(1)))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "?", ">f4", ">f8"])
def test_every_number_comes_back_exactly(tmp_path, dtype):
    array = np.array([[0, 1, 2], [3, 0, 5]]).astype(dtype)
    save_params(tmp_path / "model", {"W": array})
    loaded = load_params(tmp_path / "model")["W"]
    assert np.array_equal(loaded, array) and loaded.dtype == np.dtype(dtype).newbyteorder("=")


def test_extreme_numbers_come_back_exactly(tmp_path):
    array = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308])
    save_params(tmp_path / "model", {"W": array})
    assert load_params(tmp_path / "model")["W"].tobytes() == array.tobytes()


def test_arrays_that_do_not_lie_in_one_piece_come_back_in_order(tmp_path):
    base = np.random.default_rng(0).normal(size=(6, 8))
    params = {
        "fortran": np.asfortranarray(base),
        "transposed": base.T,
        "sliced": base[1::2, ::3],
        "reversed": base[::-1],
        "broadcast": np.broadcast_to(base[0], (3, 8)),
        "axes": base.reshape(2, 3, 8).transpose(2, 0, 1),
        "scalar": base[0, 0],
    }
    save_params(tmp_path / "model", params)
    assert_same(load_params(tmp_path / "model"), params)


def test_arrays_in_any_layout_are_loaded_into(tmp_path):
    W = np.arange(6.0).reshape(2, 3)
    save_params(tmp_path / "model", {"W": W})
    params = {"W": np.zeros((2, 6))[:, ::2]}, {"W": np.zeros((3, 2)).T}
    assert all(np.array_equal(load_params(tmp_path / "model", p)["W"], W) for p in params)


def test_a_dotted_name_and_nesting_are_the_same(tmp_path):
    save_params(tmp_path / "model", {"rnn.Wx": np.ones(2), "rnn": {"b": np.zeros(2)}})
    assert_same(load_params(tmp_path / "model"), {"rnn": {"Wx": np.ones(2), "b": np.zeros(2)}})


def failing(*_, **__):
    raise OSError("no space left on device")


def write_half_of(content):
    """Return an `open` whose file takes half of the content and then fails."""

    def broken_open(path, mode):
        file = open(path, mode)  # noqa: SIM115
        file.write(content[: len(content) // 2])
        file.close()
        raise OSError("no space left on device")

    return broken_open


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    "what, failure",
    [
        ("os.replace", failing),
        ("os.fsync", failing),
        ("common.checkpoint.save", failing),
        ("builtins.open", None),
    ],
)
def test_a_save_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch, what, failure, exists):
    path = tmp_path / "model.safetensors"
    if exists:
        save_params(path, example(1))
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    content = save({"W": np.ones(100)})
    with monkeypatch.context() as patch:
        if what == "builtins.open":
            patch.setattr("common.checkpoint.open", write_half_of(content), raising=False)
        else:
            patch.setattr(what, failure)
        with pytest.raises(OSError, match="no space left"):
            save_params(path, example(2))
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
    save_params(path, example(2))
    assert_same(load_params(path), example(2))


def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    save_params(tmp_path / "model", example(1))
    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_params(tmp_path / "model", example(2))
    assert os.listdir(tmp_path) == ["model"]
    assert_same(load_params(tmp_path / "model"), example(1))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"a": np.ones(2), "a.b": np.ones(2)}, "a cannot be both an array and a dictionary"),
        ({"name": np.array(["rnn"])}, "cannot be saved: .*str"),
        ({"nothing": None}, "cannot be saved: .*object"),
        ({"wide": np.ones(2, complex)}, "cannot be saved: .*complex128"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_the_old_file_kept(tmp_path, params, message):
    save_params(tmp_path / "model", example())
    with pytest.raises(ValueError, match=message):
        save_params(tmp_path / "model", params)
    assert os.listdir(tmp_path) == ["model"]
    assert_same(load_params(tmp_path / "model"), example())


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no folder .*runs.*; create it"):
        save_params(tmp_path / "runs" / "model", example())


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="there is no file .*; give the path that save_params"):
        load_params(tmp_path / name)


def test_a_file_truncated_anywhere_is_refused_and_changes_nothing(tmp_path):
    path, params = tmp_path / "model", example(2)
    save_params(path, example(1))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is truncated or no safetensors file"):
            load_params(path, params)
    assert_same(params, example(2))
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="no safetensors file"):
        load_params(path)


def an_npz(path):
    with open(path, "wb") as file:
        np.savez(file, W=np.ones(3))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("Once upon a time there was a crow.\n" * 50),
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        lambda path: path.write_bytes(b"\xff" * 100),
        lambda path: path.write_bytes((2).to_bytes(8, "little") + b"[]"),
        an_npz,
    ],
    ids=["text", "noise", "a huge header", "another header", "npz"],
)
def test_a_foreign_file_is_refused(tmp_path, write):
    write(tmp_path / "model")
    with pytest.raises(ValueError, match="no safetensors file that NumPy can read .*save it again"):
        load_params(tmp_path / "model")


def test_a_dtype_that_numpy_lacks_is_refused(tmp_path):
    header = b'{"W":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "model").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ValueError, match="no safetensors file that NumPy can read .*BF16"):
        load_params(tmp_path / "model")


def without(params, name):
    return {key: value for key, value in params.items() if key != name}


@pytest.mark.parametrize(
    "saved, message",
    [
        (without(example(1), "scale"), r"see \['scale'\]"),
        (example(1) | {"more": np.ones(1)}, r"see \['more'\]"),
        (without(example(1), "scale") | {"scales": example()["scale"]}, r"'scale', 'scales'"),
        (example(1) | {"counts": np.zeros((2, 3, 5), int)}, r"\(2, 3, 5\).*must have.*\(2, 3, 4\)"),
        (example(1) | {"counts": np.zeros((2, 12), int)}, r"\(2, 12\).*must have.*\(2, 3, 4\)"),
        (example(1) | {"scale": np.ones(1, np.float32)}, r"scale \(\(1,\).*must have \(\(\)"),
        (example(1, np.float64), "'float64'.*must have .*'float32'"),
        ({}, "encoder.gru.Wx"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_and_left_unchanged(tmp_path, saved, message):
    save_params(tmp_path / "model", saved)
    params = example(2)
    with pytest.raises(ValueError, match=message):
        load_params(tmp_path / "model", params)
    assert_same(params, example(2))


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_and_back_gives_the_same_numbers(kind, dtype):
    model = random_model(kind, dtype=dtype)
    assert_same(from_torch(to_torch(model)), model)
    assert_same(from_torch(to_torch(model["cell"])), model["cell"])


@pytest.mark.parametrize("kind, gates", [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_names_and_layouts_are_those_of_torch(kind, gates):
    model = random_model(kind)
    state_dict = to_torch(model)
    assert {name: array.shape for name, array in state_dict.items()} == {
        "cell.weight_ih_l0": (gates * H, V),
        "cell.weight_hh_l0": (gates * H, H),
        "cell.bias_ih_l0": (gates * H,),
        "cell.bias_hh_l0": (gates * H,),
        "output.weight": (V, H),
        "output.bias": (V,),
    }
    assert np.array_equal(state_dict["cell.weight_ih_l0"], model["cell"]["Wx"].T)
    assert np.array_equal(state_dict["output.weight"], model["output"]["W"].T)
    for array in state_dict.values():
        assert array.dtype == np.float32 and array.flags.c_contiguous
        assert not any(np.shares_memory(array, ours) for ours in flatten(model).values())


def test_the_two_biases_of_torch_become_ours():
    rng = np.random.default_rng(0)
    shapes = {"weight_ih_l0": (9, 2), "weight_hh_l0": (9, 3), "bias_ih_l0": 9, "bias_hh_l0": 9}
    gru = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    b_ih, b_hh, before = gru["bias_ih_l0"], gru["bias_hh_l0"], copy_params(gru)
    ours = from_torch(gru)
    assert np.array_equal(ours["b"], [*(b_ih + b_hh)[:6], *b_ih[6:]])
    assert np.array_equal(ours["bn"], b_hh[6:])
    assert_same(gru, before)
    lstm = {s: np.concatenate([array, array[:3]]) for s, array in gru.items()}
    assert np.array_equal(from_torch(lstm)["b"], lstm["bias_ih_l0"] + lstm["bias_hh_l0"])
    assert "bn" not in from_torch(lstm)


def test_an_embedding_keeps_its_layout():
    params = {"embedding": {"W": np.arange(6.0).reshape(3, 2)}}
    assert_same(to_torch(params), {"embedding.weight": params["embedding"]["W"]})
    assert_same(from_torch(to_torch(params)), params)


def test_a_gru_that_resets_before_the_product_has_no_counterpart_in_torch():
    params = {"cell": init_gru(np.random.default_rng(0), V, H)}
    with pytest.raises(ValueError, match='cell is a GRU with reset "before"; .* only be .*"after"'):
        to_torch(params)


ZEROS = {name: np.zeros((6, 6)) for name in ("Wx", "Wh")} | {"b": np.zeros(6)}


@pytest.mark.parametrize(
    "params, message",
    [
        (ZEROS | {"Wh": np.zeros((6, 12))}, r"the layer: Wh is \(6, 12\); \(H, H\), \(H, 3H\)"),
        (ZEROS | {"Wx": np.zeros((6, 5))}, r"Wx \(6, 5\), must have \(6, 6\)"),
        (ZEROS | {"b": np.zeros(5)}, r"b \(5,\), must have \(6,\)"),
        (ZEROS | {"bn": np.zeros(6)}, r"see \['bn'\]"),
        ({"a": {"Va": np.zeros(2)}}, "a has Va; what can be converted: a cell"),
        ({"cell": ZEROS, "scale": np.ones(1)}, "scale is an array that belongs to no layer"),
        ({}, "what can be converted"),
    ],
)
def test_to_torch_refuses(params, message):
    with pytest.raises(ValueError, match=message):
        to_torch(params)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weight_ih_l1": np.zeros((6, 6))}, "weight_ih_l1; .* one-way cell of one layer"),
        ({"weight_ih_l0_reverse": np.zeros((6, 6))}, "weight_ih_l0_reverse; .* one-way cell"),
        ({"bias_ih_l0": None}, "one-way cell of one layer"),
        ({"weight_hh_l0": np.zeros((12, 6))}, r"Wh is \(6, 12\)"),
        ({"weight_ih_l0": np.zeros((5, 6))}, r"Wx \(6, 5\), must have \(6, 6\)"),
        ({"bias_hh_l0": np.zeros(1)}, r"bias_hh_l0 \(1,\), must have \(6,\)"),
    ],
)
def test_from_torch_refuses(change, message):
    state_dict = to_torch(ZEROS) | change
    with pytest.raises(ValueError, match=message):
        from_torch({name: array for name, array in state_dict.items() if array is not None})


def torch_model(kind, embedding_size=None):
    """Return tokens -> [embedding ->] cell -> linear -> logits in PyTorch, time-major as ours."""
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            if embedding_size:
                self.embedding = torch.nn.Embedding(V, embedding_size)
            self.cell = getattr(torch.nn, kind)(embedding_size or V, H)
            self.output = torch.nn.Linear(H, V)

        def forward(self, tokens):
            one_hot = torch.nn.functional.one_hot(tokens, V).to(self.output.weight.dtype)
            x = self.embedding(tokens) if embedding_size else one_hot
            return self.output(self.cell(x)[0])

    torch.manual_seed(0)
    return Model()


def torch_logits(model, tokens):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return model(torch.tensor(tokens)).numpy()


def assert_same_logits(ours, theirs):
    assert ours.dtype == theirs.dtype == np.float32
    assert np.abs(ours - theirs).max() <= 1e-6 * max(1, np.abs(theirs).max())


TOKENS = np.random.default_rng(5).integers(V, size=(20, 4))


@pytest.mark.parametrize("kind", CELLS)
def test_a_model_trained_here_gives_the_same_logits_in_torch_and_back(tmp_path, kind):
    there = torch_model(kind)
    import torch
    from safetensors.torch import load_file

    model = trained_model(kind)
    save_params(tmp_path / "model.safetensors", to_torch(model))
    there.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    expected = our_logits(kind, model, TOKENS)
    assert_same_logits(torch_logits(there, TOKENS), expected)
    assert_same(from_torch(there.state_dict()), model)

    there.load_state_dict({s: torch.tensor(a) for s, a in to_torch(model).items()}, strict=True)
    assert_same_logits(torch_logits(there, TOKENS), expected)


@pytest.mark.parametrize("kind", CELLS)
def test_a_model_trained_in_torch_gives_the_same_logits_here(tmp_path, kind):
    there = torch_model(kind)
    import torch

    tokens, optimizer = torch.tensor(TOKENS), torch.optim.Adam(there.parameters(), lr=0.01)
    for _ in range(30):
        logits = there(tokens)[1:].reshape(-1, V)
        loss = torch.nn.functional.cross_entropy(logits, tokens[:-1].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save_params(tmp_path / "model", from_torch(there.state_dict()))
    here = load_params(tmp_path / "model", random_model(kind))
    assert_same_logits(our_logits(kind, here, TOKENS), torch_logits(there, TOKENS))


@pytest.mark.parametrize("kind", CELLS)
def test_an_embedding_from_torch_gives_the_same_logits_here(kind):
    there = torch_model(kind, embedding_size=7)
    here = from_torch(there.state_dict())
    x = here["embedding"]["W"][TOKENS]
    assert_same_logits(our_logits(kind, here, x), torch_logits(there, TOKENS))
    assert to_torch(here).keys() == there.state_dict().keys()


@pytest.mark.parametrize("options", [{"num_layers": 2}, {"bidirectional": True}, {"bias": False}])
@pytest.mark.parametrize("kind", CELLS)
def test_what_has_no_counterpart_here_is_refused(kind, options):
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="one-way cell of one layer"):
        from_torch(getattr(torch.nn, kind)(V, H, **options).state_dict())


def test_a_projected_lstm_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="weight_hr_l0; .* one-way cell of one layer"):
        from_torch(torch.nn.LSTM(V, H, proj_size=3).state_dict())


@pytest.mark.parametrize(
    "params, message",
    [
        ({"a": {"b": np.ones(2)}, "a.b": np.zeros(2)}, "two entries are called 'a.b'"),
        ({0: np.ones(2), "0": np.zeros(2)}, "two entries are called '0'"),
        ({"__metadata__": np.ones(2)}, "__metadata__ is a name that safetensors keeps for itself"),
    ],
)
def test_names_that_would_lose_an_array_are_refused_and_the_old_file_kept(
    tmp_path, params, message
):
    save_params(tmp_path / "model", example())
    with pytest.raises(ValueError, match=message):
        save_params(tmp_path / "model", params)
    assert_same(load_params(tmp_path / "model"), example())


@pytest.mark.parametrize(
    "name", ["", "a.", ".", "__metadata__.a", "_metadata_", "a b", "\u00e9", "0"]
)
def test_any_other_name_comes_back(tmp_path, name):
    save_params(tmp_path / "model", {name: np.ones(2)})
    assert flatten(load_params(tmp_path / "model")).keys() == {name}


def test_keys_that_are_numbers_are_saved_as_their_names(tmp_path):
    params = {"layers": {0: np.ones(2), 1: np.zeros(2)}}
    save_params(tmp_path / "model", params)
    params["layers"][0] *= 5
    load_params(tmp_path / "model", params)
    assert_same(params["layers"], {0: np.ones(2), 1: np.zeros(2)})


@pytest.mark.parametrize("number", [np.float64(5), 5.0])
def test_loading_into_a_number_that_is_no_array_is_refused_and_changes_nothing(tmp_path, number):
    save_params(tmp_path / "model", {"a": np.ones(2), "b": np.float64(1)})
    params = {"a": np.zeros(2), "b": number}
    with pytest.raises(ValueError, match="b is a float.*cannot be changed in place"):
        load_params(tmp_path / "model", params)
    assert not params["a"].any()


def test_loading_into_an_array_under_two_names_is_refused_and_changes_nothing(tmp_path):
    save_params(tmp_path / "model", {"a": np.ones(2), "b": np.full(2, 2.0)})
    array = np.zeros(2)
    with pytest.raises(ValueError, match="a and b share memory"):
        load_params(tmp_path / "model", {"a": array, "b": array})
    assert not array.any()


@pytest.mark.parametrize(
    "state_dict",
    [
        {"weight": np.ones(5)},
        {"weight": np.ones((4, 3, 2)), "bias": np.ones(4)},
        {"weight": np.ones((4, 3, 2))},
        {"weight": np.ones((4, 3)), "bias": np.ones(3)},
        {"weight": np.ones((4, 3)), "bias": np.ones((4, 1))},
        {"weight": np.ones((4, 3)), "bias": np.array(1.0)},
        {"weight": np.array(1.0), "bias": np.array(1.0)},
    ],
)
def test_from_torch_refuses_weights_that_are_no_table_and_biases_that_do_not_fit(state_dict):
    for nested in (state_dict, {f"norm.{name}": array for name, array in state_dict.items()}):
        with pytest.raises(ValueError, match=r"has weight \(.*must have weight \(O, D\)"):
            from_torch(nested)


@pytest.mark.parametrize(
    "name, shape",
    [(name, shape) for name in TORCH for shape in [(), (6,), (6, 6), (6, 6, 6), (18,), (1, 18)]],
)
def test_from_torch_takes_a_cell_of_no_other_shapes(name, shape):
    fitting = {
        "weight_ih_l0": (18, 6),
        "weight_hh_l0": (18, 6),
        "bias_ih_l0": (18,),
        "bias_hh_l0": (18,),
    }
    state_dict = {s: np.ones(size) for s, size in (fitting | {name: shape}).items()}
    if fitting[name] == shape:
        from_torch(state_dict)
    else:
        with pytest.raises(ValueError, match="the layer"):
            from_torch(state_dict)


@pytest.mark.parametrize(
    "layer",
    [
        {"W": np.ones(3)},
        {"W": np.ones((3, 2)), "b": np.ones(3)},
        {"W": np.ones((3, 2, 2)), "b": np.ones(2)},
        {"W": np.ones((3, 2)), "b": np.array(1.0)},
    ],
)
def test_to_torch_refuses_layers_of_other_shapes(layer):
    with pytest.raises(ValueError, match=r"out has W \(.*must have W \(D, O\)"):
        to_torch({"out": layer})


def test_to_torch_refuses_a_cell_of_numbers():
    for name in ("Wx", "Wh", "b"):
        with pytest.raises(ValueError, match="the layer"):
            to_torch(ZEROS | {name: np.array(1.0)})


def test_layers_of_torch_that_have_no_counterpart_are_refused():
    torch = pytest.importorskip("torch")
    for layer in (
        torch.nn.LayerNorm((2, 3, 4)),
        torch.nn.Conv1d(2, 3, 2),
        torch.nn.Conv1d(2, 3, 2, bias=False),
    ):
        with pytest.raises(ValueError, match="must have weight"):
            from_torch(layer.state_dict())
    assert from_torch(torch.nn.Linear(2, 3).state_dict())["W"].shape == (2, 3)
    assert from_torch(torch.nn.Embedding(2, 3).state_dict())["W"].shape == (2, 3)


def test_a_transformers_layers_go_to_pytorch_and_back():
    torch = pytest.importorskip("torch")
    block = init_block(np.random.default_rng(0), 6, 3, 5, reads_source=True)
    layer = torch.nn.TransformerDecoderLayer(6, 3, 5)
    layer.load_state_dict({name: torch.tensor(a) for name, a in to_torch(block).items()})
    again, before = flatten(from_torch(layer.state_dict(), heads=3)), flatten(block)
    assert again.keys() == before.keys()
    assert all(np.array_equal(again[name], array) for name, array in before.items())


@pytest.mark.parametrize("heads", [None, 4])
def test_the_number_of_heads_must_be_given_and_fit(heads):
    attention = to_torch({"self_attn": init_multi_head(np.random.default_rng(0), 6, 3)})
    with pytest.raises(ValueError, match="self_attn has 6 features for .* heads; give heads="):
        from_torch(attention, heads)


def test_only_a_plain_layer_normalisation_is_one():
    with pytest.raises(ValueError, match=r"must have weight \(D\), bias \(D\)"):
        from_torch({"norm": {"weight": np.ones(3), "bias": np.zeros(2)}})
    state = {"weight": np.ones(3), "bias": np.zeros(3), "running_mean": np.zeros(3)}
    with pytest.raises(ValueError, match="what can be converted"):
        from_torch({"norm": state})


def test_tensors_that_numpy_cannot_hold_are_refused():
    torch = pytest.importorskip("torch")
    linear = torch.nn.Linear(2, 3)
    with pytest.raises(ValueError, match="out.weight cannot become a NumPy array.*grad"):
        from_torch({"out.weight": linear.weight})
    with pytest.raises(ValueError, match="weight cannot become a NumPy array"):
        from_torch(linear.to(torch.bfloat16).state_dict())
