"""A whole training step, ours and PyTorch's, in the same run: python -m tests.benchmark [--length | --default-threads]

Ours is the step that the lessons train with, taken from common.models as it stands; PyTorch's is tests.torch_models,
with the same parameters. Both do the same work in float32: forward, cross-entropy, backpropagation, clipping by global
norm, Adam. They take turns, so that a noisy machine disturbs both alike; a ratio is the median over the pairs. PyTorch
is optional: without it only our times are printed.

`floor` is the time of the bare matrix products of that step over the time of the step, in the same turns: what no other
NumPy code with these products could save. (PyTorch's GRU resets after the product; so does ours in the language model.
The three models of pairs run the lessons' own GRU, which resets before.)

Both run on one thread, which is what products this small want: on a busy machine the second thread of OpenBLAS costs
more than it gives. The last row, and --default-threads, leave the number of threads to either library.

--length measures instead how time and memory of one pass over a sequence grow with its length T.
"""

import os
import sys

DEFAULT_THREADS = "--default-threads" in sys.argv
if not DEFAULT_THREADS:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import subprocess  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402

import numpy as np  # noqa: E402

from common import recurrent  # noqa: E402
from common.models import bahdanau, encoder_decoder, luong, transformer  # noqa: E402
from common.models.language_model import init_language_model, loss_and_grads_with  # noqa: E402
from common.optimizers import Adam, clip_by_global_norm  # noqa: E402
from common.params import copy_params  # noqa: E402

try:
    import torch

    from tests import torch_models
except ImportError:
    torch = None

ROWS = [  # model, V, E, H, B, T
    ("LSTM", 90, 100, 100, 1, 25),
    ("LSTM", 65, 64, 128, 32, 32),
    ("LSTM", 65, 128, 256, 64, 64),
    ("LSTM", 2000, 128, 256, 32, 35),
    ("GRU", 65, 64, 128, 32, 32),
    ("RNN", 65, 64, 128, 32, 32),
    ("encoder-decoder", 200, 64, 128, 32, 12),
    ("Bahdanau", 200, 64, 128, 32, 12),
    ("Luong", 200, 64, 128, 32, 12),
    ("transformer", 65, 64, 64, 16, 64),
    ("transformer", 65, 128, 128, 8, 128),
]
CELLS = {  # init, forward, backward, number of gates
    "RNN": (recurrent.init_rnn, recurrent.rnn_forward, recurrent.rnn_backward, 1),
    "LSTM": (recurrent.init_lstm, recurrent.lstm_forward, recurrent.lstm_backward, 4),
    "GRU": (recurrent.init_gru, recurrent.gru_forward, recurrent.gru_backward, 3),
}
PAIR_MODELS = {
    "encoder-decoder": (encoder_decoder, encoder_decoder.init_encoder_decoder),
    "Bahdanau": (bahdanau, bahdanau.init_bahdanau),
    "Luong": (luong, luong.init_luong),
}
LAYERS, HEADS = 2, 4  # of the transformer, whose E is its H
WARM_UP, PAIRS, SECONDS_PER_ROW = 3, 7, 5


def our_model(model, V, E, H, B, T):
    """Return the parameters, loss_and_grads(params, *batch), and a batch."""
    rng = np.random.default_rng(0)
    if model in CELLS:
        init, forward, backward, _ = CELLS[model]
        options = {"reset": "after"} if model == "GRU" else {}
        params = init_language_model(rng, init, V, H, embedding_size=E, **options)
        return params, loss_and_grads_with(forward, backward), rng.integers(V, size=(2, T, B))
    if model == "transformer":
        params = transformer.init_transformer(rng, V, H, HEADS, LAYERS)
        return params, transformer.loss_and_grads, rng.integers(V, size=(2, T, B))
    module, init = PAIR_MODELS[model]
    source, target_inputs, targets = rng.integers(V, size=(3, T, B))
    ones = np.ones((T, B), np.float32)
    return (
        init(rng, V, V, E, H),
        module.loss_and_grads,
        (source, ones, target_inputs, targets, ones),
    )


def our_step(params, loss_and_grads, batch):
    """Return a function that takes one training step and returns its loss."""
    optimizer = Adam(0.001)

    def step():
        loss, grads, _ = loss_and_grads(params, *batch)
        clip_by_global_norm(grads, 1.0)
        optimizer.update(params, grads)
        return loss

    return step


def torch_step(model, params, batch):
    """Return the same step in PyTorch, which starts from a copy of our `params`."""
    batch = [torch.from_numpy(np.asarray(array)) for array in batch]
    if model in CELLS:
        net, loss_of_batch = torch_models.language_model(params, model, *batch)
    else:
        net, loss_of_batch = getattr(torch_models, model.lower().replace("-", "_"))(params, *batch)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)

    def step():
        optimizer.zero_grad()
        loss = loss_of_batch()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def cells_as_in_torch(params, rng):
    """Return the parameters with every GRU's reset gate moved behind the product, in place, as PyTorch has it."""
    for value in params.values():
        if not isinstance(value, dict):
            continue
        cells_as_in_torch(value, rng)
        if "Wh" in value and value["Wh"].shape[1] == 3 * len(value["Wh"]):
            value.setdefault("bn", rng.normal(0, 0.1, len(value["Wh"])).astype(np.float32))
    return params


def products_of_cell(G, D, H, B, T, words=None):
    """Return the products [(how often, shape, shape), ...] of one cell over a sequence, forward and backward.

    The cell reads D numbers at every place, or, if `words` is given, the D numbers of that many distinct words.
    """
    rows = words or T * B
    reads = [(1, (rows, D), (D, G * H)), (1, (D, rows), (rows, G * H))]
    reads.append((1, (rows, G * H), (G * H, D)))
    each_way = [(2 * T, (G, B, H), (G, H, H)), (1, (G, H, T * B), (G, T * B, H))]
    return reads + each_way


def products_of_linear(D, V, N):
    return [(1, (N, D), (D, V)), (1, (N, V), (V, D)), (1, (D, N), (N, V))]


def products_of_attention(score, H, S, B, T):
    """Return those of T looks at S annotations, one after the other."""
    steps = [(2 * T, (B, 1, S), (B, S, H)), (T, (B, 1, H), (B, H, S)), (T, (B, S, 1), (B, 1, H))]
    if score == "additive":
        return steps + products_of_linear(H, H, S * B) + [(2 * T, (B, H), (H, H))]
    return steps + [(2 * T, (B, 1, H), (B, H, S))] + products_of_linear(H, H, S * B)


def products_of_block(D, heads, B, T):
    """Return those of a transformer's block: attention of all positions to all, and a layer of 4 D units."""
    linear = [products_of_linear(D, n * D, T * B) for n in (3, 1, 4)]
    linear.append(products_of_linear(4 * D, D, T * B))
    size, each = D // heads, (heads * B, T, T)
    looks = [(2, (heads * B, T, size), (heads * B, size, T)), (4, each, (heads * B, T, size))]
    return sum(linear, looks)


def products(model, V, E, H, B, T, batch):
    """Return the matrix products of one training step, [(how often, shape, shape), ...]."""
    words = [len(np.unique(tokens)) for tokens in (batch[0], batch[2 if len(batch) > 2 else 0])]
    if model in CELLS:
        G = CELLS[model][3]
        return products_of_cell(G, E, H, B, T, words[0]) + products_of_linear(H, V, T * B)
    output = products_of_linear(H, V, T * B)
    if model == "transformer":
        return output + LAYERS * products_of_block(H, HEADS, B, T)
    if model == "encoder-decoder":
        cells = [products_of_cell(3, E, H, B, T, n) for n in words]
        return sum(cells, output + products_of_linear(H, H, B))
    encoder = 2 * products_of_cell(3, E, H // 2, B, T, words[0])
    decoder = products_of_cell(3, E, H, B, T, words[1]) + [(2 * T, (3, B, H), (3, H, H))]
    decoder += [(1, (3, H, T * B), (3, T * B, H))]
    score, width = ("additive", 2 * H + E) if model == "Bahdanau" else ("general", 2 * H)
    after = products_of_linear(width, H, T * B)
    return encoder + decoder + products_of_attention(score, H, T, B, T) + after + output


def bare_products(listed):
    """Return a function that does these products and nothing else."""
    rng = np.random.default_rng(0)
    arrays = [
        (times, *(rng.standard_normal(shape, dtype=np.float32) for shape in shapes))
        for times, *shapes in listed
    ]
    outs = [np.matmul(a, b) for _, a, b in arrays]

    def step():
        for (times, a, b), out in zip(arrays, outs, strict=True):
            for _ in range(times):
                np.matmul(a, b, out=out)

    return step


def milliseconds(step):
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def compare(model, V, E, H, B, T):
    """Return the median milliseconds of a training step, ours and PyTorch's, the median of their ratios, the floor."""
    sizes = V, E, H, B, T
    params, loss_and_grads, batch = our_model(model, *sizes)
    steps = [our_step(params, loss_and_grads, batch), bare_products(products(model, *sizes, batch))]
    if torch:
        if not DEFAULT_THREADS:
            torch.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
        same = cells_as_in_torch(copy_params(params), np.random.default_rng(1))
        ours, theirs = our_step(same, loss_and_grads, batch), torch_step(model, same, batch)
        steps.append(theirs)
        np.testing.assert_allclose(ours(), theirs(), rtol=1e-5)  # the same work, then
    for _ in range(WARM_UP):
        [step() for step in steps]
    times, stop = [], time.perf_counter() + SECONDS_PER_ROW
    while len(times) < PAIRS or (time.perf_counter() < stop and len(times) < 200):
        times.append([milliseconds(step) for step in steps])
    ours, bare, *theirs = np.transpose(times)
    theirs = theirs[0] if theirs else np.full_like(ours, np.nan)
    return np.median(ours), np.median(theirs), np.median(theirs / ours), np.median(bare / ours)


def print_row(row):
    model, *sizes = row
    ours, theirs, ratio, floor = compare(*row)
    columns = "".join(f"{n:{width}}" for n, width in zip(sizes, (6, 5, 5, 4, 4), strict=True))
    print(f"{model:16}{columns}{ours:10.2f}{theirs:10.2f}{ratio:12.2f}{floor:8.2f}", flush=True)


def print_comparison():
    against = f"PyTorch {torch.__version__}" if torch else "no PyTorch here"
    print(f"NumPy {np.__version__}, {against}, {os.environ['OPENBLAS_NUM_THREADS']} thread(s)")
    titles = f"{'V':>6}{'E':>5}{'H':>5}{'B':>4}{'T':>4}{'ours ms':>10}{'torch ms':>10}"
    print(f"{'model':16}{titles}{'torch/ours':>12}{'floor':>8}", flush=True)
    for row in ROWS:
        print_row(row)
    print("the third row again, each library with its own number of threads:", flush=True)
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-m", "tests.benchmark", "--default-threads"]
    subprocess.run(command, env=environment, check=True)


def print_length():
    """Time per token is flat in T and memory linear: nothing is recomputed, nothing copied per step."""
    print(f"{'cell':5}{'T':>8}{'us/token':>10}{'peak MB':>10}{'bytes/token':>13}")
    for cell, (init, forward, backward, _) in CELLS.items():
        params = init(np.random.default_rng(0), 65, 128)
        for T in (100, 1000, 10_000):
            tokens = np.random.default_rng(0).integers(65, size=(T, 1))

            def both_ways(params=params, tokens=tokens, forward=forward, backward=backward):
                h, _, cache = forward(params, tokens)
                backward(h, cache)

            took = min(milliseconds(both_ways) for _ in range(9))
            tracemalloc.start()
            both_ways()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            print(
                f"{cell:5}{T:8}{1e3 * took / T:10.2f}{peak / 1e6:10.1f}{peak / T:13.0f}", flush=True
            )


if __name__ == "__main__":
    if DEFAULT_THREADS:
        print_row(ROWS[2])
    else:
        print_length() if "--length" in sys.argv else print_comparison()
