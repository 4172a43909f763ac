"""The command line: what each command prints, and a sentence with exit status 1 where it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from helpers import VAE, tiny, trained, weights_of
from PIL import Image

from aecore.cli.parser import main
from aecore.model.autoencoder import Autoencoder
from aecore.model.variants import VARIANTS
from aecore.runs.listing import SHIPPED_PREFIXES, create_run, find_run

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_signals():
    """Training in this process must not keep pytest from its Ctrl-C."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture
def call(capsys):
    """Run a command; its standard output. Fails where the command does."""

    def run(*arguments):
        assert main([str(a) for a in arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    """Run a command that cannot work; its one sentence."""

    def run(*arguments):
        assert main([str(a) for a in arguments]) == 1
        error = capsys.readouterr().err
        assert error.startswith("aecore: ") and error.count("\n") == 1 and "Traceback" not in error
        return error

    return run


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    return trained(tiny(**VAE), tmp_path_factory.mktemp("vae") / "vae")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tiny(), tmp_path_factory.mktemp("plain") / "plain")


# -- lists


def test_variants_and_data_are_listed_as_json_and_as_columns(call):
    rows = json.loads(call("variants", "--json"))
    assert [row["name"] for row in rows] == list(VARIANTS) and all(row["paper"] for row in rows)
    lines = call("variants").splitlines()
    assert lines[0].split()[:2] == ["name", "summary"] and len(lines) == len(VARIANTS) + 1
    sets = {row["name"]: row for row in json.loads(call("data", "--json"))}
    assert sets["digits"]["local"] is True and sets["mnist"]["sizes"] == [60000, 10000]
    assert "digits" in call("data")


def test_runs_are_listed_with_what_is_known_of_each_broken_ones_included(call, own_runs):
    own = [
        row
        for row in json.loads(call("runs", "--json"))
        if not row["id"].startswith(SHIPPED_PREFIXES)
    ]
    assert own == []
    done, queued = trained(), create_run(tiny())
    for name, text in (("broken", "{"), ("foreign", '{"model": 5}'), ("binary", "\udcff")):
        (own_runs / name).mkdir()
        (own_runs / name / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    (done.path / "state.json").write_bytes(b"\xff")
    rows = {row["id"]: row for row in json.loads(call("runs", "--json"))}
    assert {rows[name]["state"] for name in ("broken", "foreign", "binary")} == {"broken"}
    assert rows[done.id]["state"] == "done" and rows[done.id]["se"] == done.test_metrics()["se"]
    assert rows[queued.id]["state"] == "queued"
    table = call("runs")
    assert all(name in table for name in ("broken", done.id, queued.id, "psnr"))


def test_threads_sleep_while_they_wait_but_in_training_which_times_them(call, refused, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    refused("train", "vea")
    refused("resume", "nowhere")
    assert "OMP_WAIT_POLICY" not in os.environ
    call("variants")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


# -- train, resume, stop


def test_train_makes_a_run_with_the_options_given(call, tmp_path):
    out = call(
        "train",
        "vae",
        "--epochs",
        2,
        "--batch-size",
        50,
        "--latent-dim",
        3,
        "--lr",
        0.01,
        "--seed",
        4,
        "--device",
        "cpu",
        "--set",
        "data.limit=150",
        "--set",
        "network.hidden=[20,10]",
        "--set",
        "training.schedule=cosine",
        "--set",
        "bottleneck.samples=2",
        "--set",
        "corruption.kind=masking",
        "--out",
        tmp_path / "run",
    )
    run = find_run(tmp_path / "run")
    model, training = run.config().model, run.config().training
    assert (model.latent_dim, model.network.hidden, model.bottleneck.samples) == (3, (20, 10), 2)
    assert model.corruption.kind == "masking" and run.config().data.limit == 150
    assert (training.epochs, training.batch_size, training.lr, training.seed) == (2, 50, 0.01, 4)
    assert training.schedule == "cosine"
    assert "epoch 1/2" in out and "done after 2 of 2 epochs" in out and "nll_bound" in out
    assert call("stop", run.path).strip() == "run: done"


def test_resume_goes_on_with_a_stopped_run_and_not_with_a_finished_one(call, refused, plain):
    run = create_run(tiny())
    run.stop()
    assert "done after 3 of 3 epochs" in call("resume", run.id)
    assert weights_of(run) == weights_of(plain)
    assert "is done" in refused("resume", run.id)


def test_a_run_that_was_stopped_on_its_way_from_the_queue_is_not_begun(call):
    run = create_run(tiny())
    run.stop()
    assert call("resume", run.id, "--queued") == ""
    assert run.state().state == "stopped" and not run.has_model()


# -- evaluate, sample, interpolate


def test_evaluate_prints_what_the_metrics_say_as_text_and_as_json(call, vae):
    values = json.loads(call("evaluate", vae.path, "--json"))
    assert values["se"] == pytest.approx(vae.test_metrics()["se"], rel=1e-6)
    assert "iwae_bound" not in values
    tighter = json.loads(call("evaluate", vae.path, "--json", "--samples", 20))
    assert tighter["iwae_bound"] < tighter["nll_bound"]
    assert "iwae_bound" in call("evaluate", vae.path, "--samples", 3)
    train = json.loads(call("evaluate", vae.path, "--json", "--split", "train"))
    assert train["se"] != values["se"]


def test_evaluate_measures_what_the_trainer_measured(call):
    run = trained(tiny(data={"limit": 1400, "validation_fraction": 0.2}, training={"seed": 3}))
    assert "classifier_frechet" in run.test_metrics()
    values = json.loads(call("evaluate", run.id, "--json"))
    for name, value in run.test_metrics().items():
        assert values[name] == pytest.approx(value, rel=1e-4), name


def test_a_model_of_photographs_is_shown_on_others(capsys, tmp_path):
    out = tmp_path / "walk.png"
    assert main(["interpolate", "photos-codec", "--steps", "2", "--out", str(out)]) == 0
    assert "photographs that the model was trained on are not" in capsys.readouterr().err


def test_data_that_are_lost_are_named(refused, tmp_path):
    own = tmp_path / "own.npz"
    numpy.savez(own, x=numpy.random.rand(40, 8, 8).astype("float32"))
    run = trained(tiny(data={"name": str(own)}))
    own.unlink()
    assert f"The data of {run.id}, {own}, are not on this" in refused("evaluate", run.id)


def test_evaluate_takes_other_data_of_the_same_shape(call, refused, plain, tmp_path):
    numpy.savez(tmp_path / "own.npz", x=numpy.random.rand(40, 8, 8).astype("float32"))
    values = json.loads(call("evaluate", plain.path, "--json", "--data", tmp_path / "own.npz"))
    assert values["se"] > 1.3 * plain.test_metrics()["se"]
    assert "(N, 1, 8, 8), got shape (30, 4)" in refused("evaluate", plain.path, "--data", "iris")


def test_samples_come_as_a_picture_or_as_arrays(call, vae, plain, tmp_path):
    out = call("sample", vae.path, "-n", 6, "--out", tmp_path / "six.png")
    assert "6 examples from the prior" in out and str(tmp_path / "six.png") in out
    assert Image.open(tmp_path / "six.png").width > 3 * 56
    assert "Gaussian mixture" in call(
        "sample", plain.path, "-n", 5, "--seed", 3, "--out", tmp_path / "five.npz"
    )
    assert numpy.load(tmp_path / "five.npz")["x"].shape == (5, 1, 8, 8)


def test_samples_come_from_the_density_that_is_asked_for(call, refused, vae, plain, tmp_path):
    options = ("-n", 2, "--out", tmp_path / "two.npz", "--from")
    assert "a Gaussian fitted" in call("sample", vae.path, *options, "gaussian")
    assert "a normalising flow fitted" in call("sample", plain.path, *options, "flow")
    assert "drawn from 'fog'" in refused("sample", plain.path, *options, "fog")
    assert "no prior to sample from" in refused("sample", plain.path, *options, "prior")


def test_samples_repeat_with_their_seed(call, vae, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        call("sample", vae.path, "--seed", seed, "--out", tmp_path / f"{name}.npz")
    a, b, c = (numpy.load(tmp_path / f"{name}.npz")["x"] for name in "abc")
    assert (a == b).all() and (a != c).any()


def test_rows_of_a_table_are_written_as_arrays_and_the_message_says_where(call, tmp_path):
    run = trained(tiny(data={"name": "iris"}, input_shape=(4,), latent_dim=2, scaling="standard"))
    out = call("sample", run.path, "-n", 3, "--out", tmp_path / "rows.png")
    assert "rows.npz" in out and not (tmp_path / "rows.png").exists()
    assert numpy.load(tmp_path / "rows.npz")["x"].shape == (3, 4)


def test_an_interpolation_begins_and_ends_with_the_two_examples(call, plain, tmp_path):
    for path in ("linear", "spherical"):
        call(
            "interpolate",
            plain.path,
            "--between",
            3,
            5,
            "--steps",
            7,
            "--path",
            path,
            "--out",
            tmp_path / "way.npz",
        )
        x = torch.from_numpy(numpy.load(tmp_path / "way.npz")["x"])
        from aecore.data.splits import as_float
        from aecore.runs.plan import load_matching_data

        ends = Autoencoder.load(plain.path).reconstruct(
            as_float(load_matching_data(plain.config()).test.x[[3, 5]])
        )
        assert len(x) == 7 and torch.allclose(x[[0, -1]], ends, atol=1e-5)


# -- what cannot be


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "vea"], "no variant 'vea'"),
        (["train", "vae", "--data", "nowhere"], "no data set or path 'nowhere'"),
        (["train", "vae", "--epochs", "0"], "training.epochs"),
        (["train", "vae", "--latent-dim", "0"], "latent_dim"),
        (["train", "vae", "--lr", "nan"], "training.lr"),
        (["train", "vae", "--seed", "-1"], "training.seed"),
        (["train", "vae", "--set", "x"], "PART.FIELD=VALUE"),
        (["train", "vae", "--set", "=3"], "PART.FIELD=VALUE"),
        (["train", "vae", "--set", "x=3"], "no option x"),
        (["train", "vae", "--set", "network.hidden=[1e99]"], "network"),
        (["train", "conv", "--data", "iris"], "convolutional"),
        (["train", "conv", "--set", "training.pretrain_epochs=2"], "pretrain_epochs"),
        (["train", "vae", "--out", "/dev/null/run"], "cannot be made"),
        (["train", "vae", "--device", "mps"], "no mps device"),
        (["train", "k-sparse", "--set", "bottleneck.k=999"], "at most latent_dim, 128, got 999"),
        (["train", "vae", "--set", "bottleneck.bata=2"], "one can set: kind, beta"),
        (["train", "vae", "--set", "bottleneck.kind=foo"], "bottleneck.kind must be one of"),
        (["train", "vae", "--set", "network.hidden=abc"], "a list, such as [512, 256], got"),
        (["train", "vae", "--seeds", "0"], "1 or more, got 0"),
        (["sample", "mnist-vae", "--from", "prioor"], "prior, gaussian, mixture, flow, best"),
        (["evaluate", "/"], "is a folder without config.json"),
        (["resume", "nowhere"], "no run 'nowhere'"),
        (["stop", "nowhere"], "no run 'nowhere'"),
        (["evaluate", "n" * 5000], "no run"),
        (["evaluate", "nul\0byte"], "no run"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_one_sentence(refused, arguments, words):
    assert words in refused(*arguments)


def test_what_cannot_be_done_with_a_run_is_said_in_one_sentence(refused, vae, plain, tmp_path):
    assert "0 or more" in refused("evaluate", vae.path, "--samples", -1)
    assert "1 or more" in refused("sample", vae.path, "-n", 0)
    for seed in (-1, 2**32, 10**30):
        assert "seed" in refused("sample", plain.path, "--seed", seed)
        assert "seed" in refused("sample", vae.path, "--seed", seed)
    assert "cannot be written" in refused(
        "sample", vae.path, "--out", tmp_path / "no" / "folder.png"
    )
    assert "cannot be written" in refused(
        "sample", vae.path, "--out", tmp_path / "picture.nonsense"
    )
    assert "2 steps or more" in refused("interpolate", vae.path, "--steps", 1)
    assert "Count from 0" in refused("interpolate", vae.path, "--between", 0, 10**6)
    assert "exists already" in refused("train", "vae", "--out", vae.path)


@pytest.mark.parametrize("command", ["evaluate", "sample", "interpolate", "resume"])
def test_a_broken_run_is_said_to_be_so_by_every_command(refused, own_runs, command):
    run = trained()
    run.write_state(state="stopped")
    (run.path / "model.safetensors").write_bytes(b"torn")
    (run.path / "resume.safetensors").write_bytes(b"torn")
    assert "torn" in refused(command, run.id)
    (run.path / "config.json").write_text("{")
    assert "config.json" in refused(command, run.id)


def test_a_loss_that_diverges_ends_with_a_sentence(refused, tmp_path):
    sentence = refused(
        "train",
        "linear",
        "--lr",
        100,
        "--epochs",
        30,
        "--device",
        "cpu",
        "--set",
        "training.optimizer=sgd",
        "--set",
        "data.limit=200",
        "--out",
        tmp_path / "run",
    )
    assert "tenth of the learning rate" in sentence
    assert find_run(tmp_path / "run").state().state == "failed"


# -- as a process


def run_python(*arguments, **options):
    """`python -m aecore` as people call it."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "aecore", *arguments], cwd=PROJECT, env=environment, **options
    )


def test_a_process_exits_with_1_and_one_sentence_and_no_traceback():
    process = run_python("evaluate", "nowhere")
    out, error = process.communicate(timeout=600)
    assert process.returncode == 1 and out == ""
    assert error.startswith("aecore: There is no run 'nowhere'") and error.count("\n") == 1


def test_training_by_the_process_gives_the_bytes_of_training_in_python_and_stops_at_ctrl_c(
    tmp_path, forked
):
    process = run_python(
        "train",
        "vae",
        "--epochs",
        "100000",
        "--device",
        "cpu",
        "--set",
        "data.limit=200",
        "--out",
        str(tmp_path / "run"),
        start_new_session=True,
    )
    for line in process.stdout:
        if line.startswith("epoch 3/"):
            os.killpg(process.pid, signal.SIGINT)
            break
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0 and "Traceback" not in error
    run = find_run(tmp_path / "run")
    assert "stopped after" in out and run.state().state == "stopped" and run.state().epoch >= 3
    Autoencoder.load(run.path)
    reached, twin = len(run.epochs()), create_run(run.config())
    from aecore.training.trainer import fit

    for record in fit(twin, lambda: len(twin.epochs()) >= reached):
        assert record.loss == run.epochs()[record.epoch - 1].loss
    assert weights_of(twin) == weights_of(run)


def test_a_reader_who_had_enough_of_a_listing_sees_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    process = run_python("variants", "--json", stdout=writer)
    os.close(writer)
    _, error = process.communicate(timeout=600)
    assert "Traceback" not in error and "Exception" not in error
