"""The queue on this machine, with real processes: who trains when, and who can be stopped."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from helpers import tiny, trained, wait_for, weights_of

from aecore.backends.base import Order
from aecore.backends.local import open_supervisor_lock, submit_local
from aecore.backends.package import pack_run
from aecore.backends.registry import open_backend
from aecore.backends.trainers import trainer_command
from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run, find_run
from aecore.runs.process import PACKAGE_PARENT, make_child_environment
from aecore.runs.run import START_SECONDS, Run
from aecore.runs.state import LIVE_STATES

LONG = {"training": {"epochs": 100_000}}


def read_states(*made):
    return [run.state().state for run in made]


class Gate:
    """Hold trainers, or that of one run, at their first step: before they lock it and listen."""

    def __init__(self, folder, monkeypatch, run_id=""):
        self.reached, self.opened, self.find = folder / "reached", folder / "opened", find_run
        self.run_id = run_id
        monkeypatch.setattr("aecore.cli.commands.find_run", self.find_late)

    def find_late(self, name):
        if self.run_id in str(name):
            self.reached.touch()
            wait_for(self.opened.exists, "the gate is opened")
        return self.find(name)


def read_log(run):
    return run.log_tail()


def test_the_queue_trains_in_order_one_at_a_time_and_lets_go_of_what_is_stopped(
    monkeypatch, forked, tmp_path
):
    monkeypatch.setenv("AECORE_SLOTS", "1")
    first, second, third = (create_run(tiny(**options)) for options in (LONG, {}, {}))
    gate = Gate(tmp_path, monkeypatch, third.id)
    submit_local(first)
    wait_for(lambda: first.state().epoch >= 1, "the first one trains")
    assert os.getsid(first.pid()) == first.pid() != os.getsid(0), "a session of its own"
    submit_local(second)
    submit_local(third)
    assert read_states(first, second, third) == ["running", "queued", "queued"]
    with pytest.raises(RunError, match="already"):
        submit_local(first)
    assert first.state().state == "running"

    # one that waited for long is never taken for lost, not even while its trainer starts
    third.write_state(since=time.time() - 10 * START_SECONDS)
    second.stop()
    assert read_states(first, second) == ["running", "stopped"]

    first.stop()
    assert first.state().state == "stopped"
    Autoencoder.load(first.path)
    wait_for(gate.reached.exists, "the trainer of the third one starts")
    assert not third.is_locked() and third.state().state == "queued"
    gate.opened.touch()
    wait_for(lambda: third.state().state not in LIVE_STATES, "the third one is trained")
    assert third.state().state == "done"
    assert second.state().state == "stopped" and not second.epochs()
    assert "Traceback" not in read_log(first) + read_log(third)

    submit_local(second)  # what was stopped in the queue can be put there again
    wait_for(lambda: second.state().state == "done", "the second one is trained")
    assert weights_of(second) == weights_of(third) == weights_of(trained(tiny()))
    wait_for(lambda: "done after 3 of 3 epochs" in read_log(second), "its log is written")


def test_a_child_has_its_share_of_the_cores_and_finds_the_package(monkeypatch):
    monkeypatch.setenv("AECORE_SLOTS", "2")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    environment = make_child_environment()
    assert environment["OMP_NUM_THREADS"] == "8"
    assert environment["PYTHONPATH"] == f"{PACKAGE_PARENT}:/elsewhere"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert make_child_environment()["OMP_NUM_THREADS"] == "1"


def test_the_end_of_a_log_is_there_for_who_asks():
    run = create_run(tiny())
    assert run.log_tail() == ""
    (run.path / "log.txt").write_bytes(b"\xff\n" + b"\n".join(b"%d" % i for i in range(50)))
    assert run.log_tail(2) == "48\n49"


def test_the_runs_of_a_public_demo_have_bounds_of_time_memory_and_rank(
    monkeypatch, forked, tmp_path, own_runs
):
    alarm = tmp_path / "alarm"
    monkeypatch.setattr(signal, "alarm", lambda seconds: alarm.write_text(str(seconds)))
    monkeypatch.setenv("AECORE_RUN_NICE", "7")
    monkeypatch.setenv("AECORE_RUN_MINUTES", "0.06")
    long = create_run(tiny(**LONG))
    submit_local(long)
    wait_for(lambda: long.state().epoch >= 1, "it trains")
    own_rank = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, long.pid()) == own_rank + 7
    assert alarm.read_text() == "4", "seconds, rounded"
    os.kill(long.pid(), signal.SIGALRM)
    wait_for(lambda: long.state().error, "its time is up")
    assert (
        long.state().state == "stopped" and "time was up" in long.state().error and long.has_model()
    )

    wait_for(lambda: not open_supervisor_lock(own_runs).is_held(), "the supervisor has ended")
    monkeypatch.setenv("AECORE_RUN_MINUTES", "nonsense")
    monkeypatch.setenv("AECORE_RUN_MEMORY_GB", str(gigabytes_of_data() + 0.2))
    large = create_run(tiny(network={"kind": "mlp", "hidden": (4000, 4000)}))
    submit_local(large)
    wait_for(lambda: large.state().state == "failed", "it is told no")
    assert "memory ran out" in large.state().error


def gigabytes_of_data():
    """Return what this process, and so its forks, count against a limit of data."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * 1024 / 1e9


def test_this_machine_answers_as_every_backend_does(tmp_path):
    here = open_backend("local")
    assert "at a time" in here.devices()[0].detail and not here.devices()[0].why_not
    run = create_run(tiny())
    handle = here.submit(run, Order(backend="ray", device="auto"))
    wait_for(lambda: here.status(handle).state == "done", "it is trained")
    rows, cursor = here.events(handle, 1)
    assert [row["record"].get("epoch") for row in rows] == [2, 3, None] and here.events(
        handle, cursor
    ) == ([], cursor)
    here.cancel(handle)
    here.fetch(handle, tmp_path)
    assert run.state().state == "done"


def test_several_processes_of_a_run_are_started_by_torchrun_which_starts_dead_ones_again():
    words = trainer_command(Path("/runs/x"), 4)
    assert words[words.index("--nproc-per-node") + 1] == "4" and "--max-restarts" in words
    assert "torch.distributed.run" not in trainer_command(Path("/runs/x"), 1)


def test_a_job_that_is_stopped_while_its_trainer_starts_stops_it_once_it_listens(
    tmp_path, monkeypatch, forked
):
    zipfile.ZipFile(io.BytesIO(pack_run(create_run(tiny(**LONG))))).extractall(tmp_path)
    looks, gate, written = tmp_path / "looks", Gate(tmp_path, monkeypatch), Run.saved_state

    def written_counted(run):
        if sys._getframe(1).f_code.co_name == "takes_signals":
            with open(looks, "a") as file:
                file.write(".")
        return written(run)

    monkeypatch.setattr(Run, "saved_state", written_counted)
    command = [sys.executable, "-m", "aecore.backends.job"]
    job = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    wait_for((tmp_path / "run" / "log.txt").exists, "the trainer is started")
    job.send_signal(signal.SIGTERM)
    wait_for(
        lambda: looks.exists() and looks.stat().st_size >= 2,
        "the job has seen twice that it does not listen",
    )
    gate.opened.touch()
    told, _ = job.communicate(timeout=600)
    assert '"state": "stopped"' in told and job.returncode == 0
    Autoencoder.load(tmp_path / "run")
