"""Several workers train one model: torchrun --nproc-per-node 2 -m word_level_lm.data_parallel

Every worker has a copy of the model and a share of the streams of each batch. DistributedDataParallel averages the
gradients of all workers during backward. Beside it NumPy trains the same model on whole batches, and the two are held
together: the losses, and the gradient of every parameter, in float64, where rounding does not grow. (Lab E, section 6.)
"""

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from common import recurrent
from common.checkpoint import to_torch
from common.data.text import Vocabulary, language_model_batches, load_corpus, word_stream
from common.models import language_model as lm
from common.optimizers import Adam, clip_by_global_norm

BATCH_SIZE, SEQUENCE_LENGTH, HIDDEN_SIZE = 8, 24, 64
STEPS, LEARNING_RATE, MAX_NORM = 20, 0.005, 0.25


def module_like(params):
    """Return the language model in torch.nn, with these parameters; its second bias stays zero."""
    V, E = params["embedding"]["W"].shape
    H = len(params["cell"]["Wh"])
    parts = {"embedding": nn.Embedding(V, E), "cell": nn.LSTM(E, H), "output": nn.Linear(H, V)}
    net = nn.ModuleDict(parts).double()
    net.load_state_dict({name: torch.tensor(array) for name, array in to_torch(params).items()})
    net["cell"].bias_hh_l0.requires_grad = False
    return net


class LossOfShare(nn.Module):
    """What DistributedDataParallel wraps: a module whose forward gives the loss of one worker."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs, targets, state):
        h, state = self.net["cell"](self.net["embedding"](inputs), state)
        logits = self.net["output"](h)
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), state


def share(array, worker, workers):
    """Return the streams of one worker, of an array (T, B)."""
    return torch.tensor(array[:, worker::workers])


def mean_over_workers(number):
    total = number.detach().clone()
    dist.all_reduce(total)
    return total.item() / dist.get_world_size()


def largest_difference(grads, net):
    """Return the largest difference of a gradient between NumPy and PyTorch, over its largest entry."""
    ours = to_torch(grads)
    theirs = {name: p.grad.numpy() for name, p in net.named_parameters() if p.requires_grad}
    return max(
        np.abs(ours[name] - given).max() / np.abs(ours[name]).max()
        for name, given in theirs.items()
    )


def train(worker, workers):
    """Train both from one start; return the largest differences of a gradient and of a loss."""
    words = word_stream(load_corpus("fables"))
    vocabulary = Vocabulary(words, ("<unk>", "<sos>", "<eos>"), minimum_count=4)
    batches = language_model_batches(vocabulary.encode(words), BATCH_SIZE, SEQUENCE_LENGTH)
    rng, sizes = np.random.default_rng(0), (len(vocabulary), HIDDEN_SIZE, HIDDEN_SIZE)
    params = lm.init_language_model(rng, recurrent.init_lstm, *sizes, dtype=np.float64)
    loss_and_grads = lm.loss_and_grads_with(recurrent.lstm_forward, recurrent.lstm_backward)
    model = DistributedDataParallel(LossOfShare(module_like(params)))
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizers = Adam(LEARNING_RATE), torch.optim.Adam(weights, lr=LEARNING_RATE)
    whole_state, state, off = None, None, {"gradient": 0.0, "loss": 0.0}

    for _, (inputs, targets) in zip(range(STEPS), batches, strict=False):
        loss, state = model(*(share(a, worker, workers) for a in (inputs, targets)), state)
        state = [s.detach() for s in state]
        optimizers[1].zero_grad()
        loss.backward()  # and, meanwhile, the gradients of all workers become their mean

        whole_loss, grads, whole_state = loss_and_grads(params, inputs, targets, state=whole_state)
        grads["embedding"]["W"] = grads["embedding"]["W"].to_dense()
        off["gradient"] = max(off["gradient"], largest_difference(grads, model.module.net))
        off["loss"] = max(off["loss"], abs(mean_over_workers(loss) - whole_loss))

        clip_by_global_norm(grads, MAX_NORM)
        optimizers[0].update(params, grads)
        nn.utils.clip_grad_norm_(weights, MAX_NORM)
        optimizers[1].step()
    return off


def main():
    torch.set_num_threads(1)
    dist.init_process_group("gloo")  # between processors; "nccl" between graphics cards
    worker, workers = dist.get_rank(), dist.get_world_size()
    if BATCH_SIZE % workers:
        raise ValueError(
            f"{workers} workers cannot share {BATCH_SIZE} streams alike, and the mean of unequal shares is not that of "
            "the batch; take a number of workers that divides it"
        )
    off = train(worker, workers)
    if worker == 0:
        assert off["gradient"] < 1e-5 and off["loss"] < 1e-5, off
        print(
            f"{workers} workers, {STEPS} updates: every averaged gradient is NumPy's of the whole batch, to 1e-5"
        )
        print("the mean of the workers' losses is NumPy's loss, to 1e-5")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
