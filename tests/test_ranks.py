"""One run trained by several processes, under torchrun, that are really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler as elastic
import torch.distributed.run  # what torchrun imports, before it is forked
from forked import ForkedPython
from helpers import (
    FAST,
    digits,
    ended,
    fork,
    hold_still,
    is_gone,
    tiny,
    trained,
    wait_for,
    weights_of,
)
from torch.nn.parallel import DistributedDataParallel

from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.listing import create_run, create_shared_run
from aecore.runs.run import Run
from aecore.training.failures import is_lost_connection
from aecore.training.optimizer import Optimizer
from aecore.training.ranks import Ranks
from aecore.training.trainer import Trainer
from aecore.training.update import GraphedUpdate, Objective, Update

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
EPOCHS = 12
LONG = {"training": {"epochs": EPOCHS}}
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def launch(run, restarts=0):
    """The run under torchrun, with two ranks."""
    environment = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    command = [*TORCHRUN, "--max-restarts", str(restarts), "-m", "aecore", "resume", str(run.path)]
    log = open(run.path / "log.txt", "ab")  # noqa: SIM115 - the process writes to it
    return subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    )


def list_children(process):
    """The processes that a launcher has started, and that have not ended."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == process.pid and not is_gone(int(folder.name)):
            pids.append(int(folder.name))
    return pids


def check_finish(process, run):
    assert process.wait(600) == 0, (run.path / "log.txt").read_text()


@pytest.fixture
def forked_ranks(forked, monkeypatch):
    """Make torchrun and its ranks forks of this process; the launcher killed below is real."""
    monkeypatch.setattr(elastic, "Popen", ForkedPython)


@linux
def test_a_killed_rank_is_started_again_and_the_run_ends_with_the_same_weights(
    forked_ranks, monkeypatch, tmp_path
):
    quiet, killed = create_run(tiny(**LONG)), create_run(tiny(**LONG))
    undisturbed = launch(quiet)
    held, append = tmp_path / "held", Run.append

    def append_and_hold(run, record):
        """In the middle of the training, once: between the record of an epoch and its position."""
        append(run, record)
        if getattr(record, "epoch", None) == EPOCHS // 2 and not held.exists():
            held.touch()
            hold_still()

    monkeypatch.setattr(Run, "append", append_and_hold)
    process = launch(killed, restarts=1)
    wait_for(held.exists, "it trains")
    assert killed.pid() in list_children(process) and len(list_children(process)) == 2
    os.kill(killed.pid(), signal.SIGKILL)  # the one that writes the folder
    check_finish(process, killed)
    check_finish(undisturbed, quiet)
    monkeypatch.setattr(Run, "append", append)
    assert killed.state().state == "done" and "2 processes" in killed.state().device
    assert weights_of(killed) == weights_of(quiet)
    assert [row.epoch for row in killed.epochs()] == list(range(1, EPOCHS + 1))
    alone = trained(tiny(**LONG))
    one, two = (Autoencoder.load(run.path).state_dict() for run in (alone, quiet))
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in one), (
        "the same but for rounding"
    )


@linux
def test_a_launcher_that_is_killed_outright_leaves_no_orphan_training_on():
    run = create_run(tiny(training={"epochs": 100_000}))
    process = launch(run)
    wait_for(lambda: run.state().epoch >= 3, "it trains")
    ranks = list_children(process)
    assert len(ranks) == 2 and run.pid() in ranks
    process.kill()
    process.wait()
    wait_for(lambda: all(is_gone(pid) for pid in ranks), "both ranks have ended")
    assert run.state().state == "stopped"
    Autoencoder.load(run.path)


@linux
def test_a_rank_that_dies_is_told_from_other_errors(tmp_path):
    """Two processes over Gloo, of which one is killed while they sum: what the other one meets."""

    def sum_until_it_fails(rank):
        store = dist.FileStore(str(tmp_path / "store"), 2)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
        try:
            for step in range(4):
                dist.all_reduce(torch.ones(2))
                if (rank, step) == (1, 2):
                    os.kill(os.getpid(), signal.SIGKILL)
        except RuntimeError as error:
            return 0 if type(error) is RuntimeError and is_lost_connection(error) else 2
        return 3

    pids = [fork(lambda rank=rank: sum_until_it_fails(rank)) for rank in range(2)]
    assert ended(pids[1]) == -signal.SIGKILL
    assert ended(pids[0]) == 0
    assert is_lost_connection(dist.DistNetworkError("no route"))
    for error in (RuntimeError("a connection matrix of the wrong shape"), ConnectionError("gone")):
        assert not is_lost_connection(error)


@pytest.fixture
def group(tmp_path):
    """A group of one process: what DDP needs to exist."""
    dist.init_process_group(
        "gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def test_every_variant_trains_under_ddp_with_the_gradients_that_it_has_alone(group):
    for name in VARIANTS:
        model, loss = configure(name, (1, 8, 8), latent_dim=4, examples=64).model, {}
        for wrap in (lambda module: module, DistributedDataParallel):
            torch.manual_seed(0)
            objective = wrap(Objective(Autoencoder(model), TrainConfig(), False))
            for seed in (
                1,
                2,
            ):  # in the second step DDP complains about weights that had no gradient in the first
                torch.manual_seed(seed)
                objective.zero_grad()
                objective(digits(64), 1.0).total.backward()
            loss[wrap] = [p.grad.clone() for p in objective.parameters()]
        assert all(torch.allclose(a, b) for a, b in zip(*loss.values(), strict=True)), name


def test_the_ranks_shares_of_a_batch_weigh_as_the_whole():
    for size, world in ((10, 1), (10, 2), (11, 4), (3, 4), (1, 2)):
        batch, total, seen = torch.arange(float(size)), 0.0, []
        for rank in range(world):
            ranks = Ranks()
            ranks.world, ranks.rank = world, rank
            mine, weight = ranks.share(batch)
            total += mine.mean().item() * weight / world
            seen += mine.tolist() if weight else []
        assert total == pytest.approx(batch.mean().item())
        assert sorted(seen) == batch.tolist()


def test_processes_that_train_together_meet_in_one_folder(tmp_path):
    made = create_shared_run(tiny(), tmp_path / "run", first=True)
    assert (
        create_shared_run(tiny(), tmp_path / "run", first=False)
        == made
        == create_shared_run(tiny(), made.path, first=True)
    )
    with pytest.raises(RunError, match="other settings"):
        create_shared_run(tiny(latent_dim=5), tmp_path / "run", first=True)
    with pytest.raises(RunError, match="--out"):
        create_shared_run(tiny(), None, first=True)


def test_what_a_gpu_would_record_is_the_same_update(monkeypatch):
    """Without a GPU, the recording stands for a call of what is recorded, on fixed tensors."""
    monkeypatch.setattr(GraphedUpdate, "record", lambda self, step: step)
    monkeypatch.setattr(
        GraphedUpdate, "warm_up", lambda self, x: self.step(x, self.lr, self.kl_weight)
    )
    config = TrainConfig(**FAST)
    ends = []
    for kind in (Update, GraphedUpdate):
        model = Autoencoder(tiny(bottleneck={"kind": "top_k", "k": 2, "start": 4}).model)
        torch.manual_seed(3)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        update = kind(
            Objective(model, config, False), Optimizer(model.parameters(), config), Ranks()
        )
        if kind is GraphedUpdate:
            monkeypatch.setattr(
                update.optimizer, "step", lambda lr, step=update.optimizer.step: step(lr.item())
            )
        for number in range(12):
            model.bottleneck.anneal(number // 6 / 2)
            update(digits(64)[: 40 if number % 6 == 5 else 64], 1e-2 / (number + 1), 1.0)
        ends.append((update.sums, *model.parameters()))
        replayed = getattr(update, "recordings", {})
    assert {len(shape) for shape in replayed} == {4} and any(
        made.replay for made in replayed.values()
    )
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(*ends, strict=True))


def test_the_trainer_asks_for_the_update_that_its_device_has():
    trainer = Trainer(create_run(tiny()), lambda: False, None)
    assert type(trainer.update) is Update
