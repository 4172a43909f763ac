"""A Ray cluster by its HTTP: real packages, jobs and followers; only the head is a stand-in."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from cluster import Cluster
from helpers import tiny, trained, wait_for, weights_of

from aecore.backends.base import Backend, Order, Unreachable, parse_news
from aecore.backends.launch import read_order, resume_run, start_run, stop_run
from aecore.backends.package import MAX_PACKAGE_BYTES, FileCollector, encode_file_lines, pack_run
from aecore.backends.ray import Ray, check_ray_address, explain_job_end
from aecore.backends.registry import BACKENDS, open_backend
from aecore.cli.parser import main
from aecore.errors import AecoreError, BackendError, RunError
from aecore.files import RESUME_FILE
from aecore.runs.listing import create_run
from aecore.runs.state import LIVE_STATES

LONG = {"training": {"epochs": 100_000, "previews": 5}}
SHORT = {"epochs": 8, "previews": 3}
TOKEN = "the-clusters-own-secret"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    with Cluster(tmp_path / "cluster", TOKEN) as head:
        monkeypatch.setenv("AECORE_RAY_ADDRESS", head.url)
        monkeypatch.setenv("AECORE_RAY_TOKEN", TOKEN)
        yield head


def send_order(config):
    """A run on its way to the cluster."""
    run = create_run(config)
    start_run(run, Order(backend="ray", device="cpu", label="CPU"))
    return run


def is_over(run):
    return run.state().state not in LIVE_STATES


def test_a_run_trained_on_a_cluster_ends_here_like_any_other(cluster, tmp_path):
    own = tmp_path / "mine" / "my digits.npz"
    own.parent.mkdir()
    shutil.copy(digits_file(tmp_path), own)
    run = send_order(tiny({"name": str(own)}, SHORT))
    wait_for(lambda: run.state().epoch >= 1, "its news arrive while it trains")
    wait_for(lambda: is_over(run), "it ends")
    assert run.state().state == "done", run.state()
    here = trained(tiny({"name": str(own)}, SHORT))
    assert weights_of(run) == weights_of(here)
    assert [row.loss for row in run.epochs()] == [row.loss for row in here.epochs()]
    assert run.test_metrics() == here.test_metrics() and len(run.previews()) == len(here.previews())
    assert run.config() == here.config(), "the data are still where they were"
    assert TOKEN not in "".join(
        path.read_text(errors="replace") for path in run.path.glob("*") if path.is_file()
    )


def digits_file(folder):
    import numpy
    from helpers import digits

    numpy.savez(folder / "digits.npz", x=digits(200).numpy())
    return folder / "digits.npz"


def test_a_run_on_a_cluster_is_stopped_resumed_lost_found_again_and_killed(cluster, forked):
    run = send_order(tiny(**LONG))
    wait_for(lambda: run.state().epoch >= 5, "it trains")
    stop_run(run)
    wait_for(lambda: is_over(run), "it stops")
    stood = run.state()
    assert stood.state == "stopped" and (run.path / RESUME_FILE).exists() and run.has_model()

    resume_run(run)
    wait_for(lambda: run.state().epoch > stood.epoch, "it goes on where it was")
    assert len(cluster.jobs) == 2

    os.kill(run.pid(), signal.SIGKILL)  # this machine was switched off
    wait_for(lambda: run.state().state == "lost", "nobody follows it")
    epoch = run.state().epoch
    resume_run(run)
    wait_for(lambda: run.state().epoch > epoch, "its news arrive again")
    assert len(cluster.jobs) == 2 and read_order(run).attempt == 2
    rows = run.epochs()
    assert [row.epoch for row in rows] == list(range(1, len(rows) + 1)), (
        "none is missing, none comes twice"
    )

    job = list(cluster.jobs.values())[1]
    os.killpg(job.pid, signal.SIGKILL)
    wait_for(lambda: is_over(run), "its end is noticed")
    assert run.state().state == "failed" and "killed (signal 9)" in run.state().error
    assert run.has_model(), "the best model that came is kept"


def test_a_job_that_cannot_train_says_why(cluster, forked):
    run = send_order(tiny(training={"lr": 100.0, "optimizer": "sgd", "epochs": 30}))
    wait_for(lambda: is_over(run), "it ends")
    assert run.state().state == "failed" and "diverged" in run.state().error


def test_only_what_is_there_can_be_ordered(tmp_path, monkeypatch):
    with Cluster(tmp_path, gpus=4) as head:
        monkeypatch.setenv("AECORE_RAY_ADDRESS", head.url)
        assert [device.name for device in Ray().devices()] == ["gpu:1", "gpu:4", "cpu"]
        with pytest.raises(BackendError, match="no gpu:8"):
            Ray().submit(create_run(tiny()), Order(backend="ray", device="gpu:8"))
        assert not head.jobs


def test_a_sweep_takes_the_only_device_of_a_cluster_and_asks_where_there_are_several(
    tmp_path, monkeypatch, capsys
):
    orders = []
    monkeypatch.setattr(
        "aecore.cli.commands.launch_runs", lambda runs, order, token: orders.append(order)
    )
    sweep = ["sweep", "vanilla", "--epochs", "1", "--seeds", "1", "--on", "ray"]
    with Cluster(tmp_path / "cores") as head:
        monkeypatch.setenv("AECORE_RAY_ADDRESS", head.url)
        assert main(sweep) == 0
        assert [(order.device, order.backend, order.minutes) for order in orders] == [
            ("cpu", "ray", 0)
        ]
    with Cluster(tmp_path / "gpus", gpus=4) as head:
        monkeypatch.setenv("AECORE_RAY_ADDRESS", head.url)
        assert main(sweep) == 1
        assert "Give --device one of what is there: gpu:1, gpu:4, cpu" in capsys.readouterr().err
        assert main([*sweep, "--device", "gpu:8"]) == 1
        assert "There is no --device 'gpu:8'." in capsys.readouterr().err
    monkeypatch.delenv("AECORE_RAY_ADDRESS")
    assert main(sweep) == 1 and "AECORE_RAY_ADDRESS" in capsys.readouterr().err
    assert len(orders) == 1


def test_every_backend_of_the_registry_opens_and_answers_as_the_contract_says(monkeypatch):
    monkeypatch.delenv("AECORE_RAY_ADDRESS", raising=False)
    methods = {name for name in vars(Backend) if not name.startswith("_")}
    assert methods == {"devices", "submit", "status", "events", "cancel", "fetch"}
    for name, entry in BACKENDS.items():
        backend = open_backend(name)
        assert all(callable(getattr(backend, method)) for method in methods), name
        assert backend.devices() and entry.label and entry.icon.startswith(":material/")
    assert [name for name, entry in BACKENDS.items() if entry.is_paid] == ["hf"]
    with pytest.raises(BackendError, match="Choose one of: local, ray, hf"):
        open_backend("elsewhere")


def test_a_cluster_that_cannot_be_used_says_why(cluster, monkeypatch):
    monkeypatch.setenv("AECORE_RAY_TOKEN", "wrong")
    assert "AECORE_RAY_TOKEN" in Ray().devices()[0].why_not
    with pytest.raises(BackendError, match="know this job"):
        monkeypatch.setenv("AECORE_RAY_TOKEN", TOKEN)
        Ray().status("never-was")
    monkeypatch.setenv("AECORE_RAY_ADDRESS", "http://127.0.0.1:9")
    assert "does not answer" in Ray().devices()[0].why_not
    with pytest.raises(Unreachable):
        Ray().status("x")
    monkeypatch.delenv("AECORE_RAY_ADDRESS")
    assert "AECORE_RAY_ADDRESS" in Ray().devices()[0].why_not


def test_another_machine_without_a_token_is_refused():
    for address in (
        "http://10.0.0.1:8265",
        "http://gpu-box:8265",
        "ftp://127.0.0.1",
        "",
        "http://me:pw@127.0.0.1:1",
    ):
        with pytest.raises(BackendError):
            check_ray_address(address, "")
    for address, token in (
        ("http://127.0.0.1:8265", ""),
        ("http://localhost:1", ""),
        ("https://gpu-box", "secret"),
    ):
        check_ray_address(address, token)


def test_the_reason_of_a_failure_is_one_sentence_without_the_news():
    log = (
        'failed with exit code 1, last available logs:\nAE {"record": {}}\n'
        "ModuleNotFoundError: No module named x\n"
    )
    assert explain_job_end(log, 1) == "The job failed: ModuleNotFoundError: No module named x"
    assert (
        explain_job_end("failed with exit code -9, last available logs", None)
        == "The job was killed (signal 9)."
    )
    assert explain_job_end("", 137) == "The job was killed (signal 9)."


def test_a_package_too_large_to_send_is_refused(tmp_path):
    large = tmp_path / "large.npz"
    with open(large, "wb") as file:
        file.truncate(MAX_PACKAGE_BYTES + 1)
    with pytest.raises(RunError, match="200 MB can be sent"):
        pack_run(create_run(tiny({"name": str(large)})))
    with pytest.raises(RunError, match="not here any more"):
        pack_run(create_run(tiny({"name": str(tmp_path / "gone.npz")})))


def test_files_come_by_a_log_whole_or_not_at_all_and_only_those_of_a_run(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir(), target.mkdir()
    (source / "model.safetensors").write_bytes(os.urandom(200_000))
    rows = list(parse_news(["noise", *encode_file_lines(source, "model.safetensors"), 'AE {"torn']))
    files = FileCollector(target)
    assert [files.add(row) for row in rows[:-1]] == [""] * (len(rows) - 1) and not list(
        target.iterdir()
    )
    assert files.add(rows[-1]) == "model.safetensors"
    assert (target / "model.safetensors").read_bytes() == (
        source / "model.safetensors"
    ).read_bytes()
    for name in (
        "../evil",
        "/etc/passwd",
        "config.json",
        "run.lock",
        "previews/../../x.safetensors",
    ):
        assert FileCollector(target).add({**rows[0], "file": name, "of": 1}) == ""
    assert (
        FileCollector(target).add({**rows[0], "data": "%%%"})
        == ""
        == FileCollector(target).add({"file": "README.md"})
    )
    assert [path.name for path in target.iterdir()] == ["model.safetensors"]


def test_an_order_that_is_torn_is_no_order():
    run = create_run(tiny())
    for text in ("", "{", '{"backend": "elsewhere", "device": "x"}'):
        (run.path / "remote.json").write_text(text)
        assert read_order(run) is None
    with pytest.raises(AecoreError):
        open_backend("ray").submit(run, Order(backend="ray", device="cpu"))
