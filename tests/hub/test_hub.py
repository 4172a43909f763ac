"""Runs and models go to the Hub and back, found again and open to those who may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from aecore.errors import LoginError
from aecore.hub.pull import pull_run
from aecore.hub.push import push_model, push_run
from aecore.hub.repositories import name_of_token, search_models
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.parts.networks.ensemble import EnsembleEncoder
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.progress import listen_to_progress
from aecore.runs.foreign import list_file_sizes, strip_local_paths
from aecore.runs.listing import create_run
from aecore.runs.run import Run
from aecore.tasks.anomaly import plan_detector, score_anomalies
from aecore.training.trainer import fit
from tests.hub.loopback import LoopbackHub
from tests.hub.pushed_runs import (
    EVIL,
    REPO,
    ROOT,
    SHAPE,
    TOKEN,
    catch_refusal,
    list_remote_files,
    make_run,
    plant_run,
    read_folder,
)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pushed_run_reconstructs_the_same_bits_when_pulled(
    variant: str, loopback: LoopbackHub, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", variant)
    address = push_run(run, REPO, token=TOKEN)
    assert address.startswith(f"{loopback.url}/{REPO}/commit/")
    out = pull_run(REPO, out=tmp_path / "pulled")
    x = torch.rand(5, *SHAPE)
    ours, theirs = (Autoencoder.load(path).reconstruct(x) for path in (run.path, out))
    assert torch.equal(ours, theirs)


def test_a_pulled_ensemble_scores_the_same_bits_and_knows_its_rows(
    loopback: LoopbackHub, tmp_path: Path
) -> None:
    x = torch.randn(40, 5)
    np.savez(tmp_path / "rows.npz", x=x.numpy(), x_test=x[:2].numpy())
    sizes = {"network.members": 3, "training.epochs": 1, "training.passes": 2}
    config = plan_detector(str(tmp_path / "rows.npz"), {**sizes, "training.device": "cpu"})
    run = create_run(config, tmp_path / "run")
    list(fit(run))
    push_run(run, REPO, token=TOKEN)
    pulled = Autoencoder.load(pull_run(REPO, out=tmp_path / "pulled"))
    mine = Autoencoder.load(run.path)
    assert pulled.config.network == mine.config.network
    assert torch.equal(score_anomalies(pulled, x), score_anomalies(mine, x))
    assert isinstance(pulled.encoder, EnsembleEncoder)
    assert 0 < pulled.encoder.find_seen(x).sum() < 3 * len(x)  # each member saw some of the rows


def test_a_pulled_run_is_as_the_one_that_was_pushed(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    shares: list[float] = []
    with listen_to_progress(shares.append):
        got = Run(pull_run(REPO, out=tmp_path / "deep" / "er"))
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1, "files of the same content are sent once"
    assert got.config() == run.config()
    assert got.epochs() == run.epochs() and got.test_metrics() == run.test_metrics()
    assert [epoch for epoch, _ in got.previews()] == [0, 2]
    state = got.state()
    assert (state.state, state.epoch, state.epochs) == ("done", 2, run.config().training.epochs)
    assert REPO in (got.path / "README.md").read_text()
    assert not any(path.is_symlink() for path in got.path.rglob("*"))
    assert set(read_folder(got.path)) - {"state.json"} == list_remote_files(loopback)
    assert [path.name for path in got.path.parent.iterdir()] == ["er"]


def test_a_push_is_one_commit_of_the_public_files_only(loopback: LoopbackHub, run: Run) -> None:
    before = read_folder(run.path)
    push_run(run, REPO, token=TOKEN)
    assert list_remote_files(loopback) == {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
        "README.md",
        "previews/00000.safetensors",
        "previews/00002.safetensors",
    }
    assert sum(path.endswith("/commit/main") for _, path in loopback.requests) == 1
    after = read_folder(run.path)
    assert REPO in after.pop("README.md").decode()
    assert after == before


def test_a_later_push_leaves_nothing_of_the_earlier_run(loopback: LoopbackHub, run: Run) -> None:
    push_run(run, REPO, token=TOKEN)
    loopback.put_file(REPO, "notes.txt", b"mine")
    model = Autoencoder(run.config().model)
    push_model(model, REPO, token=TOKEN)
    assert list_remote_files(loopback) == {
        "config.json",
        "model.safetensors",
        "README.md",
        "notes.txt",
    }


def test_an_unchanged_push_answers_with_the_commit_that_is_there(
    loopback: LoopbackHub, run: Run
) -> None:
    first = push_run(run, REPO, token=TOKEN)
    assert push_run(run, REPO, token=TOKEN).split("/")[-1] == first.split("/")[-1]


def test_a_model_without_a_run_goes_there_and_back(loopback: LoopbackHub, monkeypatch: Any) -> None:
    model = Autoencoder(configure("conv-vae", (3, 16, 16)).model).eval()
    monkeypatch.setenv("HF_TOKEN", TOKEN)  # the machine's own login
    model.push_to_hub(REPO)
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(Autoencoder.from_pretrained(REPO).reconstruct(x), model.reconstruct(x))


def test_weights_of_more_than_10_mb_go_there_and_back(
    loopback: LoopbackHub, tmp_path: Path
) -> None:
    config = configure("stacked", (3, 32, 32))
    model = Autoencoder(config.model)
    push_model(model, REPO, token=TOKEN)
    out = pull_run(REPO, out=tmp_path / "out")
    assert (out / "model.safetensors").stat().st_size > 10_000_000
    assert (
        sum(method == "PUT" for method, _ in loopback.requests) == 1
    )  # through LFS; the small ones are not
    got = load_file(out / "model.safetensors")
    assert all(torch.equal(got[name], tensor) for name, tensor in model.state_dict().items())


def test_the_snippet_on_the_card_runs_as_it_stands(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    text = loopback.repos[REPO].at("main").files["README.md"].data.decode()
    code = text.split("```python\n")[1].split("```")[0]
    env = os.environ | {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(4, 1, 8, 8) squared error ")


def test_a_pinned_revision_gives_the_older_model(loopback: LoopbackHub, tmp_path: Path) -> None:
    old = push_run(make_run(tmp_path / "a", latent_dim=3), REPO, token=TOKEN).split("/")[-1]
    push_run(make_run(tmp_path / "b", latent_dim=5), REPO, token=TOKEN)
    assert Autoencoder.from_pretrained(REPO).config.latent_dim == 5
    assert Autoencoder.from_pretrained(REPO, revision=old).config.latent_dim == 3


def test_folders_of_this_machine_do_not_reach_the_hub(
    loopback: LoopbackHub, tmp_path: Path, monkeypatch: Any
) -> None:
    for i, (name, shown) in enumerate(
        {
            "/home/alice/secret-project/faces.zip": "faces.zip",
            "C:\\Users\\alice\\secret-project\\faces": "faces",
            "~/secret-project/mnist/": "./mnist",
        }.items()
    ):
        push_run(make_run(tmp_path / f"run{i}", data=name), REPO, token=TOKEN)
        files = loopback.repos[REPO].at("main").files
        assert json.loads(files["config.json"].data)["data"]["name"] == shown
        small = b"".join(
            file.data for path, file in files.items() if not path.endswith(".safetensors")
        )
        assert b"secret-project" not in small and b"alice/secret" not in small
        assert str(tmp_path).encode() not in small
        assert b"ylecun" not in small


def test_a_pulled_config_cannot_point_into_this_machine(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    for i, name in enumerate(("/etc/passwd.csv", "../../secrets.csv", "~root", "..", "~/.ssh")):
        values = json.loads((run.path / "config.json").read_text())
        values["data"]["name"] = name
        plant_run(loopback, run, **{"config.json": json.dumps(values).encode()})
        got = Run(pull_run(EVIL, out=tmp_path / f"out{i}")).config().data
        assert got is not None and got.name in ("passwd.csv", "secrets.csv", "root", "data", ".ssh")


def test_private_repositories_are_for_their_owner_only(loopback: LoopbackHub, run: Run) -> None:
    push_run(run, REPO, token=TOKEN, private=True)
    assert loopback.repos[REPO].private
    assert pull_run(REPO, token=TOKEN).is_dir()
    for token in (None, False, "hf_bob"):
        assert "does not exist" in catch_refusal(lambda token=token: pull_run(REPO, token=token))


def test_a_public_repository_does_not_quietly_take_a_private_push(
    loopback: LoopbackHub, run: Run
) -> None:
    push_run(run, REPO, token=TOKEN)
    assert "is public already" in catch_refusal(
        lambda: push_run(run, REPO, token=TOKEN, private=True)
    )


@pytest.mark.parametrize("token", ["hf_wrong", " hf_wrong\n"])
def test_a_wrong_token_is_refused_in_a_sentence(
    token: str, loopback: LoopbackHub, run: Run
) -> None:
    push_run(run, REPO, token=TOKEN)
    for call in (
        lambda: pull_run(REPO, token=token),
        lambda: push_run(run, REPO, token=token),
        lambda: push_model(Autoencoder.load(run.path), REPO, token=token),
        lambda: search_models(token=token),
        lambda: name_of_token(token),
    ):
        assert "does not accept this login" in catch_refusal(call, LoginError)


@pytest.mark.parametrize("token", ["", "hf_alice\r\nX: hf_wrong", "hf_alicé", "hf_alice hf_bob"])
def test_text_that_is_no_token_is_never_sent_or_shown(
    token: str, loopback: LoopbackHub, run: Run
) -> None:
    for call in (
        lambda: name_of_token(token),
        lambda: pull_run(REPO, token=token),
        lambda: search_models(token=token),
    ):
        assert "The token is" in catch_refusal(call)
    assert loopback.requests == []


def test_pushing_needs_a_login_that_may_write_there(loopback: LoopbackHub, run: Run) -> None:
    assert "needs a login" in catch_refusal(lambda: push_run(run, REPO, token=False))
    assert "does not accept this login" in catch_refusal(
        lambda: push_run(run, REPO), LoginError
    )  # the machine has none
    for token in ("hf_bob", "hf_reader"):
        text = catch_refusal(lambda token=token: push_run(run, REPO, token=token))
        assert "may not write to alice" in text
    assert REPO not in loopback.repos


def test_a_token_tells_its_name_and_no_token_tells_nothing(loopback: LoopbackHub) -> None:
    assert name_of_token(TOKEN) == "alice"
    assert name_of_token("hf_bob\n") == "bob"
    assert "login" in catch_refusal(name_of_token, LoginError)


def test_models_are_found_by_library_and_name(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    push_run(make_run(tmp_path / "b", "sparse-l1"), "bob/sparse", token="hf_bob")
    push_run(run, "alice/hidden", token=TOKEN, private=True)
    loopback.put_file("bob/bert", "README.md", b"---\nlibrary_name: transformers\n---\n")
    assert [(f.repo, f.author, f.variant) for f in search_models()] == [
        ("bob/sparse", "bob", "sparse-l1"),
        (REPO, "alice", "vae"),
    ]
    assert [f.repo for f in search_models("DIGITS")] == [REPO]
    assert len(search_models(limit=1)) == 1
    assert {f.repo for f in search_models(token=TOKEN)} == {"bob/sparse", REPO, "alice/hidden"}
    assert all(f.updated is not None and f.updated.year > 2000 for f in search_models())


def test_a_hostile_card_cannot_name_a_strange_variant(loopback: LoopbackHub) -> None:
    loopback.put_file(EVIL, "README.md", b'---\ntags: [aecore, "aecore-variant:<b>x</b>"]\n---\n')
    assert [f.variant for f in search_models()] == [""]


def test_importing_the_library_does_not_import_the_client() -> None:
    code = (
        "import sys, aecore.hub.pull, aecore.hub.push; "
        "assert not {'huggingface_hub', 'streamlit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=600)


def test_a_config_without_data_stays_as_it_is(tmp_path: Path) -> None:
    config = RunConfig(model=configure("vae", SHAPE).model)
    assert strip_local_paths(config) == config
    save_file({}, tmp_path / "x")  # a file of no tensors is no preview
    assert list_file_sizes(tmp_path) == {"x": (tmp_path / "x").stat().st_size}
