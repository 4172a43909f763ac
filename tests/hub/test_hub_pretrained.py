"""Autoencoders of diffusers on the Hub: pulled by their name into runs that are read-only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from aecore.cli.parser import main
from aecore.errors import CheckpointError, ConfigError
from aecore.hub.pretrained import ShownPictures
from aecore.hub.pull import pull_run
from aecore.hub.push import push_run
from aecore.model.autoencoder import Autoencoder
from aecore.runs import foreign
from aecore.runs.listing import runs_folder
from aecore.runs.run import Run
from bench.published import BARE_KL, SMALL_KL, SMALL_TINY, draw_weights
from tests.hub.loopback import LoopbackHub
from tests.hub.pushed_runs import REPO, TOKEN, catch_refusal, read_folder

TINY, LATENT_DIFFUSION = "bob/tiny", "bob/latent-diffusion"
WEIGHTS = "diffusion_pytorch_model.safetensors"
CARD = b"---\nlicense: creativeml-openrail-m\n---\n\n# Weights\n"
SMALL = ShownPictures((3, 32, 32))


def publish(
    loopback: LoopbackHub, repo: str, config: dict[str, Any], folder: str = "", **files: bytes
) -> None:
    """Put a random checkpoint of this layout into a repository, with some files replaced."""
    head = f"{folder}/" if folder else ""
    own = {"config.json": json.dumps(config).encode(), WEIGHTS: save(draw_weights(config))}
    for name, data in (own | files).items():
        loopback.put_file(repo, head + name, data)
    loopback.put_file(repo, "README.md", CARD)


def list_downloads(loopback: LoopbackHub) -> set[str]:
    """Return the names of the files that were asked for."""
    asked = [path for method, path in loopback.requests if method == "GET" and "resolve" in path]
    return {path.split("/resolve/")[1].partition("/")[2] for path in asked}


@pytest.mark.parametrize("config", [SMALL_TINY, SMALL_KL, BARE_KL], ids=["tiny", "kl", "bare"])
def test_a_repository_is_pulled_by_its_name(
    config: dict[str, Any], loopback: LoopbackHub, tmp_path: Path
) -> None:
    publish(loopback, TINY, config)
    for name in ("diffusion_pytorch_model.bin", "evil.py", "taesd_encoder.safetensors"):
        loopback.put_file(TINY, name, b"not taken")
    run = Run(pull_run(TINY, out=tmp_path / "out", pictures=SMALL))
    assert set(read_folder(run.path)) >= {"config.json", "model.safetensors", "README.md"}
    assert list_downloads(loopback) <= {"config.json", WEIGHTS}
    network = run.config().model.network
    assert (network.source, network.license) == (TINY, "creativeml-openrail-m")
    assert network.revision == loopback.repos[TINY].at("main").sha
    card = (run.path / "README.md").read_text()
    assert "license: creativeml-openrail-m" in card and f"[{TINY}](https://hugg" in card
    assert Autoencoder.load(run.path).reconstruct(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_the_command_line_pulls_it_for_pictures_of_a_size(
    loopback: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(loopback, TINY, SMALL_TINY)
    assert main(["pull", TINY, "--side", "32"]) == 0
    run = Run(runs_folder() / "bob--tiny")
    assert str(run.path) in capsys.readouterr().out
    assert run.config().model.input_shape == (3, 32, 32) and run.state().state == "done"
    assert main(["evaluate", run.id]) != 0
    assert "names no pictures. Pull it again with --data" in capsys.readouterr().err


def test_of_a_whole_diffusion_model_the_autoencoder_is_pulled(
    loopback: LoopbackHub, tmp_path: Path
) -> None:
    publish(loopback, LATENT_DIFFUSION, SMALL_KL, "vae")
    publish(loopback, LATENT_DIFFUSION, SMALL_TINY, "small")
    loopback.put_file(LATENT_DIFFUSION, "model_index.json", b"{}")
    loopback.put_file(LATENT_DIFFUSION, f"unet/{WEIGHTS}", b"not taken")
    found = Run(pull_run(LATENT_DIFFUSION, out=tmp_path / "found"))
    assert found.config().model.network.kind == "autoencoder_kl"
    assert list_downloads(loopback) == {"vae/config.json", f"vae/{WEIGHTS}"}
    named = Run(pull_run(LATENT_DIFFUSION, out=tmp_path / "named", subfolder="small"))
    assert named.config().model.network.kind == "autoencoder_tiny"
    text = catch_refusal(lambda: pull_run(LATENT_DIFFUSION, out=tmp_path / "no", subfolder="unet"))
    assert "has no autoencoder in unet: no config.json with" in text


def test_python_loads_it_by_its_name_and_keeps_it(loopback: LoopbackHub) -> None:
    publish(loopback, TINY, SMALL_TINY)
    first = Autoencoder.from_pretrained(TINY)
    assert first.config.input_shape == (3, 64, 64)
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(Autoencoder.from_pretrained(TINY).encode(x), first.encode(x))
    assert pull_run(TINY) == pull_run(TINY)


def test_half_precision_alone_is_taken(loopback: LoopbackHub, tmp_path: Path) -> None:
    weights = {name: tensor.half() for name, tensor in draw_weights(SMALL_TINY).items()}
    loopback.put_file(TINY, "config.json", json.dumps(SMALL_TINY).encode())
    loopback.put_file(TINY, "diffusion_pytorch_model.fp16.safetensors", save(weights))
    taken: list[int] = []
    run = Run(pull_run(TINY, out=tmp_path / "out", reserve=taken.append))
    assert taken[0] >= (run.path / "model.safetensors").stat().st_size
    assert run.config().model.network.license == ""
    assert "licence: not stated" in (run.path / "README.md").read_text()


def test_pickled_weights_alone_are_refused(loopback: LoopbackHub, tmp_path: Path) -> None:
    loopback.put_file(TINY, "config.json", json.dumps(SMALL_KL).encode())
    loopback.put_file(TINY, "diffusion_pytorch_model.bin", b"\x80\x04")
    text = catch_refusal(lambda: pull_run(TINY, out=tmp_path / "out"))
    assert "as a pickle alone (diffusion_pytorch_model.bin), which may run code" in text
    assert list_downloads(loopback) == set() and not (tmp_path / "out").exists()


def test_weights_beyond_the_limit_are_not_downloaded(
    loopback: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(loopback, TINY, SMALL_TINY)
    monkeypatch.setitem(foreign.FOREIGN_FILE_LIMITS, "model.safetensors", 100)
    text = catch_refusal(lambda: pull_run(TINY, out=tmp_path / "out"))
    assert f"{WEIGHTS} of {TINY} has" in text and "the limit is 100" in text
    assert list_downloads(loopback) == set()


def test_sizes_that_are_not_listed_are_asked_for(loopback: LoopbackHub, tmp_path: Path) -> None:
    publish(loopback, LATENT_DIFFUSION, SMALL_TINY, "vae")
    loopback.lists_sizes = False
    assert Run(pull_run(LATENT_DIFFUSION, out=tmp_path / "out")).has_model()
    loopback.tells_sizes = False
    text = catch_refusal(lambda: pull_run(LATENT_DIFFUSION, out=tmp_path / "other"))
    assert "does not say how large vae/config.json" in text


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"config.json": b"{"}, "cannot be read as JSON"),
        ({"config.json": b"[]"}, "holds None, which is no autoencoder that is known here"),
        ({WEIGHTS: b"\x08\0\0\0\0\0\0\0{}      "}, "do not belong together"),
        ({WEIGHTS: b"torn"}, "is torn or no safetensors file"),
    ],
)
def test_unsound_checkpoints_leave_nothing_behind(
    files: dict[str, bytes], text: str, loopback: LoopbackHub, tmp_path: Path
) -> None:
    publish(loopback, TINY, SMALL_TINY, **files)
    refusal = catch_refusal(lambda: pull_run(TINY, out=tmp_path / "out"), CheckpointError)
    assert text in refusal and str(tmp_path) not in refusal
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".pull-*"))


def test_among_strangers_nothing_stays_in_the_cache(
    loopback: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    publish(loopback, TINY, SMALL_TINY)
    pull_run(TINY, out=tmp_path / "out", pictures=SMALL)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_pictures_that_do_not_suit_it_are_refused_by_their_shape(
    loopback: LoopbackHub, tmp_path: Path
) -> None:
    publish(loopback, TINY, SMALL_TINY)
    shown = ShownPictures((1, 28, 28))
    text = catch_refusal(lambda: pull_run(TINY, out=tmp_path / "out", pictures=shown), ConfigError)
    assert "AutoencoderTiny takes pictures in colour" in text and "got (1, 28, 28)" in text


def test_pictures_are_for_pretrained_models_alone(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    text = catch_refusal(lambda: pull_run(REPO, out=tmp_path / "out", pictures=SMALL))
    assert text == f"{REPO} holds a run with data of its own. Name no pictures for it."


def test_it_is_not_pushed_in_someone_elses_name(loopback: LoopbackHub, tmp_path: Path) -> None:
    publish(loopback, TINY, SMALL_TINY)
    pulled = Run(pull_run(TINY, out=tmp_path / "out", pictures=SMALL))
    text = catch_refusal(lambda: push_run(pulled, REPO, token=TOKEN))
    assert f"holds the weights of {TINY}, which are on the Hub already" in text
    model = Autoencoder.load(pulled.path)
    text = catch_refusal(lambda: model.push_to_hub(REPO, token=TOKEN))
    assert f"The model holds the weights of {TINY}" in text
    assert REPO not in loopback.repos
