"""A whole training step, ours and PyTorch's, in the same run: python -m tests.benchmark [--length]

Both sides hold the same parameters, embedding (V, E) -> cell -> linear to V logits, and do the same work in float32:
forward, cross-entropy, backpropagation through time, clipping by global norm, Adam. They take turns, so that a noisy
machine disturbs both alike; the ratio is the median over the pairs. PyTorch is optional: without it only our times are
printed.

Both run on one thread, which is what products this small want: on a busy machine the second thread of OpenBLAS costs
more than it gives. For another number, set OPENBLAS_NUM_THREADS; PyTorch follows it.

--length measures instead how time and memory of one pass over a sequence grow with its length T.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import sys  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402

import numpy as np  # noqa: E402

from common import recurrent, sparse  # noqa: E402
from common.layers import init_linear, linear_backward, linear_forward  # noqa: E402
from common.losses import softmax_cross_entropy  # noqa: E402
from common.optimizers import Adam, clip_by_global_norm  # noqa: E402

try:
    import torch
except ImportError:
    torch = None

ROWS = [  # cell, V, E, H, B, T
    ("LSTM", 90, 100, 100, 1, 25),
    ("LSTM", 65, 64, 128, 32, 32),
    ("LSTM", 65, 128, 256, 64, 64),
    ("LSTM", 2000, 128, 256, 32, 35),
    ("GRU", 65, 64, 128, 32, 32),
    ("RNN", 65, 64, 128, 32, 32),
]
CELLS = {
    "RNN": (recurrent.init_rnn, recurrent.rnn_forward, recurrent.rnn_backward),
    "LSTM": (recurrent.init_lstm, recurrent.lstm_forward, recurrent.lstm_backward),
    "GRU": (
        lambda *sizes: recurrent.init_gru(*sizes, reset="after"),
        recurrent.gru_forward,
        recurrent.gru_backward,
    ),
}
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])
WARM_UP, PAIRS, SECONDS_PER_ROW = 3, 7, 5


def our_step(cell, V, E, H, tokens, targets):
    """Return a function that takes one training step and returns its loss."""
    init, forward, backward = CELLS[cell]
    rng = np.random.default_rng(0)
    params = {
        "embedding": rng.standard_normal((V, E), dtype=np.float32),
        "cell": init(rng, E, H),
        "output": init_linear(rng, H, V),
    }
    optimizer = Adam(0.001)

    def step():
        table, Wx = params["embedding"], params["cell"]["Wx"]
        fold = tokens.size > V  # then embedding every word of the vocabulary once is less work
        inputs = {**params["cell"], "Wx": table @ Wx} if fold else {**params["cell"], "Wx": Wx}
        h, _, cache = forward(inputs, tokens if fold else table[tokens])
        logits, output_cache = linear_forward(params["output"], h)
        loss, dlogits = softmax_cross_entropy(logits, targets)
        dh, output_grads = linear_backward(dlogits, output_cache)
        dx, _, grads = backward(dh, cache)
        if fold:
            dtable = grads["Wx"] @ Wx.T
            grads["Wx"] = table.T @ grads["Wx"]
        else:
            dtable = sparse.sparse_rows_by_token(tokens.ravel(), dx.reshape(-1, E), V)
        grads = {"embedding": dtable, "cell": grads, "output": output_grads}
        clip_by_global_norm(grads, 1.0)
        optimizer.update(params, grads)
        return loss

    return step, params


def torch_step(cell, V, E, H, tokens, targets, params):
    """Return the same step in PyTorch, which starts from a copy of our `params`."""
    embedding, output = torch.nn.Embedding(V, E), torch.nn.Linear(H, V)
    recurrence = getattr(torch.nn, cell)(E, H)
    values = [
        (embedding.weight, params["embedding"]),
        (recurrence.weight_ih_l0, params["cell"]["Wx"].T),
        (recurrence.weight_hh_l0, params["cell"]["Wh"].T),
        (recurrence.bias_ih_l0, params["cell"]["b"]),
        (output.weight, params["output"]["W"].T),
        (output.bias, params["output"]["b"]),
    ]
    with torch.no_grad():
        recurrence.bias_hh_l0.zero_()
        for weight, value in values:
            weight.copy_(torch.from_numpy(value))
    model = torch.nn.ModuleList([embedding, recurrence, output])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    inputs, targets = torch.from_numpy(tokens), torch.from_numpy(targets).reshape(-1)

    def step():
        optimizer.zero_grad()
        h, _ = recurrence(embedding(inputs))
        loss = torch.nn.functional.cross_entropy(output(h).reshape(-1, V), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step):
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def compare(cell, V, E, H, B, T):
    """Return the median milliseconds of one training step, ours and PyTorch's, and the median ratio of a pair."""
    rng = np.random.default_rng(0)
    tokens, targets = rng.integers(V, size=(2, T, B))
    ours, params = our_step(cell, V, E, H, tokens, targets)
    steps = [ours]
    if torch:
        torch.set_num_threads(THREADS)
        steps.append(torch_step(cell, V, E, H, tokens, targets, params))
        np.testing.assert_allclose(*(step() for step in steps), rtol=1e-4)  # the same work, then
    for _ in range(WARM_UP):
        [step() for step in steps]
    times, stop = [], time.perf_counter() + SECONDS_PER_ROW
    while len(times) < PAIRS or (time.perf_counter() < stop and len(times) < 200):
        times.append([milliseconds(step) for step in steps])
    ours, theirs = np.transpose(times) if torch else (np.ravel(times), np.nan)
    return np.median(ours), np.median(theirs), np.median(theirs / ours)


def print_comparison():
    against = f"PyTorch {torch.__version__}" if torch else "no PyTorch here"
    print(f"NumPy {np.__version__}, {against}, {THREADS} thread(s)")
    print(
        f"{'cell':5}{'V':>6}{'E':>5}{'H':>5}{'B':>4}{'T':>4}{'ours ms':>10}{'torch ms':>10}{'torch/ours':>12}"
    )
    for row in ROWS:
        cell, *sizes = row
        ours, theirs, ratio = compare(*row)
        columns = "".join(
            f"{size:{width}}" for size, width in zip(sizes, (6, 5, 5, 4, 4), strict=True)
        )
        print(f"{cell:5}{columns}{ours:10.2f}{theirs:10.2f}{ratio:12.2f}", flush=True)


def print_length():
    """Time per token is flat in T and memory linear: nothing is recomputed, nothing copied per step."""
    print(f"{'cell':5}{'T':>8}{'us/token':>10}{'peak MB':>10}{'bytes/token':>13}")
    for cell, (init, forward, backward) in CELLS.items():
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
    print_length() if "--length" in sys.argv else print_comparison()
