"""Runs to push, strangers' repositories, and the sentences of refusals, for tests of aecore.hub."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aecore.errors import AecoreError, HubError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.model.variants.fitting import configure
from aecore.model.weights import write_tensors
from aecore.runs.foreign import list_file_sizes
from aecore.runs.listing import create_run
from aecore.runs.records import EpochRecord, MetricsRecord
from aecore.runs.run import Run
from tests.hub.loopback import LoopbackHub

ROOT = Path(__file__).resolve().parents[2]
REPO, EVIL, TOKEN = "alice/vae-digits", "mallory/evil", "hf_alice"
SHAPE = (1, 8, 8)


def use_hub(monkeypatch: pytest.MonkeyPatch, url: str, tmp_path: Path) -> None:
    """Point the client at a Hub, with an empty cache and no login, whatever ran before."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def make_run(folder: Path, variant: str = "vae", data: str = "digits", **settings: Any) -> Run:
    """Write a run as the trainer leaves it, without the training."""
    torch.manual_seed(3)
    config = configure(variant, SHAPE, examples=1438, data=DataConfig(name=data), **settings)
    run = create_run(config, folder)
    model = Autoencoder(config.model)
    model.save(run.path, config)
    for epoch, loss in enumerate((30.5, 20.25), start=1):
        run.append(EpochRecord(epoch=epoch, seconds=0.5, lr=1e-3, loss=loss))
    run.append(MetricsRecord({"se": 12.5, "psnr": 7.1, "parameters": 1234}))
    (run.path / "previews").mkdir()
    x = torch.rand(8, *SHAPE)
    for epoch in (0, 2):
        write_tensors(
            run.path / f"previews/{epoch:05d}.safetensors", {"x": x, "reconstruction": x + 0.1}
        )
    (run.path / "resume.safetensors").write_bytes(b"private")
    (run.path / "run.lock").write_text("1")
    run.write_state(state="done", epoch=2)
    return run


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder, by their path in it."""
    return {name: (folder / name).read_bytes() for name in list_file_sizes(folder)}


def list_remote_files(loopback: LoopbackHub, repo: str = REPO) -> set[str]:
    """Return the names of the files on main, but for the Hub's own."""
    return set(loopback.repos[repo].at("main").files) - {".gitattributes"}


def plant_run(loopback: LoopbackHub, run: Run, **files: bytes) -> None:
    """Put a sound run, with some files replaced, into a stranger's repository."""
    kept = {"config.json", "model.safetensors"}
    sound = {name: data for name, data in read_folder(run.path).items() if name in kept}
    for name, data in (sound | files).items():
        loopback.put_file(EVIL, name, data)


def catch_refusal(call: Callable[[], object], kind: type[AecoreError] = HubError) -> str:
    """Return the sentence that a call fails with; no token is in it or in its traceback."""
    with pytest.raises(AecoreError) as caught:
        call()
    assert type(caught.value) is kind, caught.value
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(token in shown for token in (TOKEN, "hf_bob", "hf_wrong", "hf_reader"))
    text = str(caught.value)
    assert "\n" not in text and "http://" not in text and len(text) < 600
    return text
