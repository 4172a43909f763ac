"""Hostile, broken and oversized repositories are refused and leave nothing behind."""

from __future__ import annotations

import functools
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from aecore.backends.huggingface import job_repo_name
from aecore.errors import CheckpointError
from aecore.hub.datasets import fetch_hub_dataset
from aecore.hub.pull import pull_run
from aecore.hub.push import push_run
from aecore.hub.spaces import publish_explorer
from aecore.model.autoencoder import Autoencoder
from aecore.model.variants.fitting import configure
from aecore.runs import previews
from aecore.runs.foreign import FOREIGN_FILE_LIMITS
from aecore.runs.run import Run
from aecore.runs.uploads import UploadedData
from tests.hub.loopback import LoopbackHub
from tests.hub.pushed_runs import (
    EVIL,
    REPO,
    SHAPE,
    TOKEN,
    catch_refusal,
    plant_run,
    read_folder,
)


@pytest.mark.parametrize("repo", ["vae", "a/b/c", "../x", "a/..", "a/", "", "a/b--c", "a/b.git"])
def test_what_is_no_repository_is_refused_without_asking(repo: str, loopback: LoopbackHub) -> None:
    assert "is no repository" in catch_refusal(lambda: pull_run(repo))
    assert loopback.requests == []


@pytest.mark.parametrize(
    ("repo", "what"),
    [("al ice/vae", "a space"), ("alice/vae\n", "a space"), ("a/v%e", "'%'"), ("a/ö", "'ö'")],
)
def test_a_name_with_a_strange_character_is_refused_with_its_name(
    repo: str, what: str, loopback: LoopbackHub, run: Run
) -> None:
    for call in (
        lambda: pull_run(repo),
        lambda: push_run(run, repo, token=TOKEN),
        lambda: publish_explorer(run, repo, token=TOKEN),
        lambda: job_repo_name(repo, "run"),
        lambda: fetch_hub_dataset(repo, UploadedData(run.path)),
    ):
        text = catch_refusal(call)
        assert f"has {what} in it; names have letters, digits, - _ and ." in text
    assert loopback.requests == []


def test_sizes_that_a_listing_does_not_state_are_asked_for(
    loopback: LoopbackHub, run: Run, tmp_path: Path, monkeypatch: Any
) -> None:
    push_run(run, REPO, token=TOKEN)
    loopback.lists_sizes = False
    pulled = read_folder(pull_run(REPO, out=tmp_path / "out"))
    assert {"metrics.jsonl", "README.md", "previews/00002.safetensors"} <= set(pulled)
    monkeypatch.setitem(FOREIGN_FILE_LIMITS, "model.safetensors", 100)
    size = (run.path / "model.safetensors").stat().st_size
    text = catch_refusal(lambda: pull_run(REPO, out=tmp_path / "other"))
    assert f"has {size:,} bytes; the limit is 100" in text


def test_a_size_that_cannot_be_had_is_said(loopback: LoopbackHub, run: Run) -> None:
    plant_run(loopback, run)
    loopback.lists_sizes = loopback.tells_sizes = False
    text = catch_refusal(lambda: pull_run(EVIL))
    assert text.startswith(f"The Hub does not say how large config.json of {EVIL} is")
    assert not [path for method, path in loopback.requests if "resolve" in path and method == "GET"]


@pytest.mark.parametrize("revision", ["", "../main", "a b", "x" * 300, "-f", "main\n"])
def test_what_is_no_revision_is_refused_without_asking(
    revision: str, loopback: LoopbackHub
) -> None:
    assert "is no revision" in catch_refusal(lambda: pull_run(REPO, revision=revision))
    assert loopback.requests == []


def test_missing_repositories_and_revisions_are_named(loopback: LoopbackHub, run: Run) -> None:
    for token in (TOKEN, None, False):
        text = catch_refusal(lambda token=token: pull_run("alice/none", token=token))
        assert "alice/none does not exist on 127.0.0.1, or is private" in text
    push_run(run, REPO, token=TOKEN)
    assert "has no revision 'v9'" in catch_refusal(lambda: pull_run(REPO, revision="v9"))


def test_a_repository_with_pickled_weights_only_is_refused(loopback: LoopbackHub, run: Run) -> None:
    loopback.put_file(EVIL, "pytorch_model.bin", pickle.dumps({"weight": 1}))
    loopback.put_file(EVIL, "config.json", (run.path / "config.json").read_bytes())
    assert "holds no aecore model" in catch_refusal(lambda: pull_run(EVIL))
    assert not any("resolve" in path for _, path in loopback.requests)


def test_only_the_files_of_a_run_are_downloaded(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    strange = (
        "pytorch_model.bin",
        "evil.py",
        "state.json",
        "resume.safetensors",
        "previews/x.safetensors",
        "a.pkl",
    )
    for name in strange:
        loopback.put_file(REPO, name, b"evil")
    out = pull_run(REPO, out=tmp_path / "out")
    asked = {
        path.split("/resolve/")[1].split("/", 1)[1]
        for _, path in loopback.requests
        if "resolve" in path
    }
    assert not asked & set(strange)
    assert Run(out).state().state == "done" and "pytorch_model.bin" not in read_folder(out)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_is_too_large_is_refused_before_it_is_downloaded(
    name: str, loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    plant_run(loopback, run)
    monkeypatch.setitem(FOREIGN_FILE_LIMITS, name, 100)
    assert f"{name} of {EVIL} has" in catch_refusal(lambda: pull_run(EVIL))
    assert not any("resolve" in path for _, path in loopback.requests)


def test_records_and_previews_that_are_too_large_stay_there(
    loopback: LoopbackHub, run: Run, tmp_path: Path, monkeypatch: Any
) -> None:
    push_run(run, REPO, token=TOKEN)
    monkeypatch.setitem(FOREIGN_FILE_LIMITS, "metrics.jsonl", 10)
    monkeypatch.setattr(previews, "MAX_PREVIEWS", 1)
    assert set(read_folder(pull_run(REPO, out=tmp_path / "out"))) == {
        "config.json",
        "model.safetensors",
        "README.md",
        "state.json",
    }


@functools.cache
def hostile_configs() -> dict[str, bytes]:
    values = json.loads(configure("vae", SHAPE).model_dump_json())

    def with_model(**changes: Any) -> bytes:
        return json.dumps(values | {"model": values["model"] | changes}).encode()

    return {
        "giant input": with_model(input_shape=[1000, 1_000_000, 1_000_000]),
        "giant code": with_model(latent_dim=10**9),
        "giant layers": with_model(network={"kind": "mlp", "hidden": [16384] * 16}),
        "many layers": with_model(network={"kind": "mlp", "hidden": [1] * 10_000}),
        "huge integer": b'{"model": {"latent_dim": ' + b"9" * 9000 + b"}}",
        "infinity": b'{"model": {"latent_dim": 1e999}}',
        "negative": with_model(input_shape=[-1, 8, 8]),
        "extra field": json.dumps(values | {"trust_remote_code": True}).encode(),
        "another library": b'{"model_type": "bert", "architectures": ["BertModel"]}',
        "another shape": with_model(latent_dim=7),
        "another network": with_model(network={"kind": "conv", "channels": [8]}),
        "deep": b"[" * 40_000 + b"]" * 40_000,
        "no JSON": b"\x80\x04K\x01.",
        "not UTF-8": b"\xff\xfe{}",
        "a list": b"[1]",
        "empty": b"",
        "null": b"null",
    }


@pytest.mark.parametrize("name", hostile_configs())
def test_a_hostile_config_is_refused_and_leaves_nothing(
    name: str, loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    plant_run(loopback, run, **{"config.json": hostile_configs()[name]})
    before = set(tmp_path.iterdir())
    text = catch_refusal(lambda: pull_run(EVIL, out=tmp_path / "out"), CheckpointError)
    assert text.startswith(f"{EVIL}/")
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "cache"}


@functools.cache
def hostile_weights() -> dict[str, bytes]:
    torch.manual_seed(3)
    tensors = Autoencoder(configure("vae", SHAPE, examples=1438).model).state_dict()
    name = next(iter(n for n, t in tensors.items() if t.dim() == 2))
    whole = save(tensors)
    return {
        "wrong shape": save(tensors | {name: tensors[name].t().contiguous()}),
        "wrong dtype": save(tensors | {name: tensors[name].double()}),
        "not a number": save(tensors | {name: torch.full_like(tensors[name], float("nan"))}),
        "infinite": save(tensors | {name: torch.full_like(tensors[name], float("inf"))}),
        "missing": save({n: t for n, t in tensors.items() if n != name}),
        "extra": save(tensors | {"extra": torch.zeros(1)}),
        "many empty": save({f"t{i}": torch.zeros(0) for i in range(20_000)}),
        "pickle": pickle.dumps({"weight": [1.0]}),
        "truncated": whole[:-10],
        "longer": whole + b"x",
        "giant header": (2**63).to_bytes(8, "little") + b"{}",
        "empty": b"",
    }


@pytest.mark.parametrize("name", hostile_weights())
def test_hostile_weights_are_refused_and_leave_nothing(
    name: str, loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    plant_run(loopback, run, **{"model.safetensors": hostile_weights()[name]})
    for out in (None, tmp_path / "out"):
        text = catch_refusal(lambda out=out: pull_run(EVIL, out=out), CheckpointError)
        assert text.startswith(f"{EVIL}/model.safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "run"}


def test_hostile_records_and_previews_are_left_out(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    good = {"kind": "epoch", "epoch": 1, "loss": 2.0, "seconds": 1.0}
    rows = [
        good,
        {**good, "epoch": "1"},
        {**good, "epoch": -1},
        {**good, "loss": {"a": 1}},
        {"kind": "epoch"},
    ]
    lines = [json.dumps(row).encode() for row in rows]
    lines += [
        b"[" * 100_000,
        b"[" * 9_000,
        b'{"kind":"epoch","epoch":2,"loss":NaN,"seconds":1}',
        b"\xff",
        b"7",
    ]
    lines += [b'{"kind":"test","se":1e999}', b'{"kind":"test","se":"<b>"}', b'{"kind":["epoch"]}']
    small = torch.rand(2, 1, 4, 4)
    plant_run(
        loopback,
        run,
        **{
            "metrics.jsonl": b"\n".join(lines),
            "previews/00001.safetensors": pickle.dumps([1]),
            "previews/00002.safetensors": save({"x": small, "reconstruction": small + 0.1}),
            "previews/00003.safetensors": save({"x": torch.rand(2, *SHAPE)}),
            "previews/00004.safetensors": (run.path / "previews/00000.safetensors").read_bytes(),
        },
    )
    got = Run(pull_run(EVIL, out=tmp_path / "out"))
    assert [record.to_row() for record in got.records()] == [good]
    assert got.epochs() == got.records() and got.test_metrics() == {}
    assert [epoch for epoch, _ in got.previews()] == [4]
    assert got.state().epoch == 1


def test_a_broken_run_is_not_pushed(loopback: LoopbackHub, run: Run, tmp_path: Path) -> None:
    (run.path / "model.safetensors").write_bytes(b"torn")
    text = catch_refusal(lambda: push_run(run, REPO, token=TOKEN), CheckpointError)
    assert text.startswith("run/model.safetensors")
    (run.path / "model.safetensors").unlink()
    assert "has no model.safetensors" in catch_refusal(
        lambda: push_run(run, REPO, token=TOKEN), CheckpointError
    )
    (run.path / "config.json").write_text("{}")
    catch_refusal(lambda: push_run(run, REPO, token=TOKEN), CheckpointError)
    assert loopback.requests == []


def test_a_model_of_another_library_is_not_replaced(loopback: LoopbackHub, run: Run) -> None:
    loopback.put_file("alice/bert", "README.md", b"---\nlibrary_name: transformers\n---\n")
    text = catch_refusal(lambda: push_run(run, "alice/bert", token=TOKEN))
    assert "another library, transformers" in text
