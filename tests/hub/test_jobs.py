"""Hugging Face Jobs against the loopback Hub, whose jobs really run and send their run here."""

from __future__ import annotations

import inspect
import os
import shlex
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from helpers import tiny, trained, wait_for, weights_of
from huggingface_hub import HfApi

from aecore.backends.base import Order, RemoteJob, Unreachable
from aecore.backends.huggingface import (
    JOB_REQUIREMENTS,
    PACKAGE_FILE,
    HuggingFace,
    LogStream,
)
from aecore.backends.launch import read_order, resume_run, send_run, start_run, stop_run
from aecore.errors import BackendError, HubError
from aecore.runs.listing import create_run
from aecore.runs.state import LIVE_STATES
from tests.hub.jobs import LoopbackJobs

TOKEN = "hf_alicesverysecrettoken"
SHORT = {"epochs": 8, "previews": 3}


# What the script of a job does after its pip install, in one process.
IN_ONE_PROCESS = f"""
import os, runpy, sys, tempfile, zipfile, huggingface_hub
repo, endpoint = os.environ["AE_REPO"], os.environ["HF_ENDPOINT"]
package = huggingface_hub.hf_hub_download(repo, "{PACKAGE_FILE}", endpoint=endpoint)
os.chdir(tempfile.mkdtemp())
zipfile.ZipFile(package).extractall()
sys.argv = ["job", "--processes", "0", "--minutes", os.environ["AE_MINUTES"], "--hub", repo]
runpy.run_module("aecore.backends.job", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with LoopbackJobs(tmp_path / "jobs", users={TOKEN: "alice", "hf_bob": "bob"}) as loopback:
        monkeypatch.setenv("HF_ENDPOINT", loopback.url)
        yield loopback
        loopback.stop()


@pytest.fixture
def light_jobs(forked, monkeypatch):
    """Make followers, jobs and trainers forks of this process, save in the first test below."""
    monkeypatch.setattr(
        "aecore.backends.huggingface.format_job_script",
        lambda: f"exec python -c {shlex.quote(IN_ONE_PROCESS)}",
    )


def send_order(config, minutes=30):
    run = create_run(config)
    order = Order(
        backend="hf", device="cpu-basic", label="CPU Basic", minutes=minutes, owner="alice"
    )
    start_run(run, order, TOKEN)
    return run


def wait_for_end(run):
    wait_for(lambda: run.state().state not in LIVE_STATES, "it ends")
    return run.state()


def read_environments(pid):
    """Return the environments of a process and its descendants."""
    pids = subprocess.run(
        ["pgrep", "-s", str(os.getsid(pid))], capture_output=True, text=True
    ).stdout.split()
    return b"".join(open(f"/proc/{one}/environ", "rb").read() for one in pids)


def test_a_rented_job_trains_and_its_result_comes_into_the_run_folder(hub, tmp_path):
    run = send_order(tiny(training=SHORT))
    assert TOKEN.encode() not in read_environments(wait_for(run.pid, "it is followed")), (
        "the follower has the token in its memory alone"
    )
    wait_for(lambda: run.state().epoch >= 1, "its news arrive while it trains")
    assert wait_for_end(run).state == "done", run.state()
    here = trained(tiny(training=SHORT))
    assert weights_of(run) == weights_of(here) and run.test_metrics() == here.test_metrics()
    assert len(run.previews()) == len(here.previews()) and (run.path / "README.md").exists()

    (repo,) = hub.repos.values()
    assert repo.private and repo.owner == "alice" and "job.zip" not in repo.at("main").files
    (job,) = hub.jobs.values()
    assert job.asked["secrets"] == {"HF_TOKEN": TOKEN} and job.asked["timeoutSeconds"] == 1800
    assert job.asked["labels"]["run"] == run.id and job.asked["flavor"] == "cpu-basic"
    said = [str(job.info()), *job.lines, *(path for _, path in hub.requests), str(os.environ)]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    assert not [text for text in said if TOKEN in text]


def test_a_rented_job_is_cancelled_found_again_and_resumed(hub, light_jobs):
    run = send_order(tiny(training={"epochs": 100_000, "previews": 3}))
    wait_for(lambda: run.state().epoch >= 5, "it trains")
    (job,) = HuggingFace(TOKEN).jobs("alice")
    assert job.run == run.id and job.stage == "RUNNING"
    os.kill(run.pid(), signal.SIGKILL)
    wait_for(lambda: run.state().state == "lost", "nobody follows it")
    run.delete()  # a Space that was started anew has forgotten its runs

    found = HuggingFace(TOKEN).bring(job)
    assert (
        found.id == run.id and found.config() == run.config() and read_order(found).owner == "alice"
    )
    send_run(found, read_order(found), TOKEN)
    epoch = wait_for(lambda: found.state().epoch, "its news come from the beginning")
    assert found.epochs()[0].epoch == 1
    stop_run(found)
    state = wait_for_end(found)
    assert state.state == "stopped" and state.epoch >= epoch and found.has_model()

    resume_run(found, TOKEN)
    wait_for(lambda: found.state().epoch > state.epoch, "it goes on where it was")
    assert len(hub.jobs) == 2
    hub.jobs["job1"].kill()
    assert wait_for_end(found).state == "failed" and "failed" in found.state().error


def test_among_strangers_a_job_comes_back_under_a_name_of_its_own(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    taken = create_run(tiny())
    HuggingFace(TOKEN).upload(taken, f"alice/aecore-{taken.id}")
    job = RemoteJob(taken.id, "alice/job0", "RUNNING", "cpu-basic")
    run = HuggingFace(TOKEN).bring(job)
    assert run.id.startswith(f"{taken.id}-") and run.config().model == taken.config().model
    assert read_order(run).handle == job.handle and read_order(run).owner == "alice"
    assert not (tmp_path / "cache").exists(), "its config may be private"
    with pytest.raises(HubError, match="does not exist"):
        HuggingFace("hf_bob").bring(job)


def test_a_job_whose_time_is_up_has_saved_its_model_before(hub, monkeypatch, tmp_path, light_jobs):
    alarm = tmp_path / "alarm"
    monkeypatch.setattr(signal, "alarm", lambda seconds: alarm.write_text(str(seconds)))
    run = create_run(tiny(training={"epochs": 100_000, "previews": 0}))
    engine, order = HuggingFace(TOKEN), Order(backend="hf", device="cpu-basic", minutes=30)
    handle = engine.submit(run, order)
    assert engine.submit(run, order) == handle, "never paid twice"
    wait_for(lambda: any("record" in row for row in engine.events(handle, 0)[0]), "it trains")
    assert alarm.read_text() == "1560", "a tenth of its time and a minute before its end"
    (job,) = hub.jobs.values()
    assert job.asked["timeoutSeconds"] == 1800
    job.process.send_signal(signal.SIGALRM)
    wait_for(lambda: engine.status(handle).state == "done", "it ends by itself")
    told = [row["state"] for row in engine.events(handle, 0)[0] if "state" in row]
    assert told[-1]["state"] == "stopped" and "time was up" in told[-1]["error"]
    engine.fetch(handle, run.path)
    assert run.has_model()


def test_what_can_be_rented_has_a_price_or_a_reason(hub):
    cpu, gpu = HuggingFace(TOKEN).devices()
    assert (cpu.name, round(cpu.price, 2)) == ("cpu-basic", 0.01)
    assert (gpu.name, round(gpu.price, 2)) == ("t4-small", 0.4) and "1 x T4" in gpu.detail
    assert "Sign in" in HuggingFace(False).devices()[0].why_not
    assert "login" in HuggingFace("hf_wrong").devices()[0].why_not
    hub.stop()
    assert "could not be reached" in HuggingFace(TOKEN).devices()[0].why_not


def test_refusals_are_sentences_and_cost_nothing(hub):
    run = create_run(tiny())
    order = Order(backend="hf", device="cpu-basic", minutes=5)
    with pytest.raises(BackendError, match="signed in"):
        HuggingFace(False).submit(run, order)
    with pytest.raises(HubError, match="login"):
        HuggingFace("hf_wrong").submit(run, order)
    with pytest.raises(HubError, match="no flavor moon"):
        HuggingFace(TOKEN).submit(run, order.model_copy(update={"device": "moon"}))
    with pytest.raises(HubError):
        HuggingFace("hf_bob").status("alice/job0")
    assert not hub.jobs
    hub.stop()
    with pytest.raises(Unreachable):
        HuggingFace(TOKEN).status("alice/job0")


def test_a_log_that_is_begun_again_tells_nothing_twice():
    readings, may_begin = iter((["a", "b"], ["a", "b", "c"])), threading.Event()

    def read():
        may_begin.wait()
        lines = next(readings)
        yield from lines
        if len(lines) == 2:
            raise ConnectionError

    stream = LogStream(read)
    stream.ended.wait = lambda seconds: False  # it would wait a while before it tries again
    may_begin.set()
    wait_for(stream.ended.is_set, "the log is read to its end")
    assert stream.lines == ["a", "b", "c"]


def test_a_job_installs_the_versions_of_the_requirements():
    text = (Path(__file__).parents[2] / "requirements.txt").read_text()
    assert set(JOB_REQUIREMENTS) <= {line.split("#")[0].strip() for line in text.splitlines()}


def test_the_installed_client_still_takes_what_is_given_to_it():
    taken = inspect.signature(HfApi.run_job).parameters
    given = {
        "image",
        "command",
        "env",
        "secrets",
        "flavor",
        "timeout",
        "name",
        "labels",
        "namespace",
    }
    assert given <= set(taken)
    assert {"labels", "namespace", "timeout"} <= set(inspect.signature(HfApi.list_jobs).parameters)
