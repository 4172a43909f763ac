"""aecore.hub against a loopback Hub, through the real huggingface_hub client."""

from __future__ import annotations

import errno
import functools
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from aecore.errors import AecoreError, CheckpointError, HubError
from aecore.hub.client import HUB_TIMEOUT
from aecore.hub.pull import pull_run
from aecore.hub.push import push_model, push_run
from aecore.hub.repositories import name_of_token, search_models
from aecore.hub.spaces import publish_explorer
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, RunConfig
from aecore.model.variants import VARIANTS, configure
from aecore.model.weights import write_tensors
from aecore.runs import previews
from aecore.runs.foreign import FOREIGN_FILE_LIMITS, list_file_sizes, strip_local_paths
from aecore.runs.listing import create_run
from aecore.runs.records import EpochRecord, MetricsRecord
from aecore.runs.run import Run
from tests.hub.loopback import File, Handler, LoopbackError, LoopbackHub, Repo, front_matter

os.environ |= {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


ROOT = Path(__file__).resolve().parents[2]
REPO, EVIL, TOKEN = "alice/vae-digits", "mallory/evil", "hf_alice"
SHAPE = (1, 8, 8)


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    users = {TOKEN: "alice", "hf_bob": "bob", "hf_reader": "alice"}
    with LoopbackHub(users, read_only={"hf_reader"}) as loopback:
        use(monkeypatch, loopback.url, tmp_path)
        yield loopback


def use(monkeypatch: pytest.MonkeyPatch, url: str, tmp_path: Path) -> None:
    """A Hub, an empty cache and no login, whatever ran before."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def make_run(folder: Path, variant: str = "vae", data: str = "digits", **settings: Any) -> Run:
    """A run as the trainer leaves it, without the training."""
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


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run")


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in list_file_sizes(folder)}


def names(loopback: LoopbackHub, repo: str = REPO) -> set[str]:
    return set(loopback.repos[repo].at("main").files) - {".gitattributes"}


def plant(loopback: LoopbackHub, run: Run, **files: bytes) -> None:
    """A stranger's repository: a sound run, with some files replaced."""
    kept = {"config.json", "model.safetensors"}
    for name, data in ({n: d for n, d in content(run.path).items() if n in kept} | files).items():
        loopback.put_file(EVIL, name, data)


def refusal(call: Callable[[], object], kind: type[AecoreError] = HubError) -> str:
    """The sentence that a call fails with; no token is in it or in its traceback."""
    with pytest.raises(AecoreError) as caught:
        call()
    assert type(caught.value) is kind, caught.value
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(token in shown for token in (TOKEN, "hf_bob", "hf_wrong", "hf_reader"))
    text = str(caught.value)
    assert "\n" not in text and "http://" not in text and len(text) < 600
    return text


# -- there and back


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


def test_a_pulled_run_is_as_the_one_that_was_pushed(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    got = Run(pull_run(REPO, out=tmp_path / "deep" / "er"))
    assert got.config() == run.config()
    assert got.epochs() == run.epochs() and got.test_metrics() == run.test_metrics()
    assert [epoch for epoch, _ in got.previews()] == [0, 2]
    state = got.state()
    assert (state.state, state.epoch, state.epochs) == ("done", 2, run.config().training.epochs)
    assert REPO in (got.path / "README.md").read_text()
    assert not any(path.is_symlink() for path in got.path.rglob("*"))
    assert set(content(got.path)) - {"state.json"} == names(loopback)
    assert [path.name for path in got.path.parent.iterdir()] == ["er"]


def test_a_push_is_one_commit_of_the_public_files_only(loopback: LoopbackHub, run: Run) -> None:
    before = content(run.path)
    push_run(run, REPO, token=TOKEN)
    assert names(loopback) == {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
        "README.md",
        "previews/00000.safetensors",
        "previews/00002.safetensors",
    }
    assert sum(path.endswith("/commit/main") for _, path in loopback.requests) == 1
    after = content(run.path)
    assert REPO in after.pop("README.md").decode()
    assert after == before


def test_a_later_push_leaves_nothing_of_the_earlier_run(loopback: LoopbackHub, run: Run) -> None:
    push_run(run, REPO, token=TOKEN)
    loopback.put_file(REPO, "notes.txt", b"mine")
    model = Autoencoder(run.config().model)
    push_model(model, REPO, token=TOKEN)
    assert names(loopback) == {"config.json", "model.safetensors", "README.md", "notes.txt"}


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
        plant(loopback, run, **{"config.json": json.dumps(values).encode()})
        got = Run(pull_run(EVIL, out=tmp_path / f"out{i}")).config().data
        assert got is not None and got.name in ("passwd.csv", "secrets.csv", "root", "data", ".ssh")


# -- who may


def test_private_repositories_are_for_their_owner_only(loopback: LoopbackHub, run: Run) -> None:
    push_run(run, REPO, token=TOKEN, private=True)
    assert loopback.repos[REPO].private
    assert pull_run(REPO, token=TOKEN).is_dir()
    for token in (None, False, "hf_bob"):
        assert "does not exist" in refusal(lambda token=token: pull_run(REPO, token=token))


def test_a_public_repository_does_not_quietly_take_a_private_push(
    loopback: LoopbackHub, run: Run
) -> None:
    push_run(run, REPO, token=TOKEN)
    assert "is public already" in refusal(lambda: push_run(run, REPO, token=TOKEN, private=True))


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
        assert "does not accept this login" in refusal(call)


@pytest.mark.parametrize("token", ["", "hf_alice\r\nX: hf_wrong", "hf_alicé", "hf_alice hf_bob"])
def test_text_that_is_no_token_is_never_sent_or_shown(
    token: str, loopback: LoopbackHub, run: Run
) -> None:
    for call in (
        lambda: name_of_token(token),
        lambda: pull_run(REPO, token=token),
        lambda: search_models(token=token),
    ):
        assert "The token is" in refusal(call)
    assert loopback.requests == []


def test_pushing_needs_a_login_that_may_write_there(loopback: LoopbackHub, run: Run) -> None:
    assert "needs a login" in refusal(lambda: push_run(run, REPO, token=False))
    assert "does not accept this login" in refusal(
        lambda: push_run(run, REPO)
    )  # the machine has none
    for token in ("hf_bob", "hf_reader"):
        text = refusal(lambda token=token: push_run(run, REPO, token=token))
        assert "may not write to alice" in text
    assert REPO not in loopback.repos


def test_a_token_tells_its_name_and_no_token_tells_nothing(loopback: LoopbackHub) -> None:
    assert name_of_token(TOKEN) == "alice"
    assert name_of_token("hf_bob\n") == "bob"
    assert "login" in refusal(name_of_token)


# -- what is found


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


# -- what is refused


@pytest.mark.parametrize(
    "repo", ["vae", "a/b/c", "../x", "a/..", "a b/c", "a/", "", "a/b--c", "a/b\n", "a/b.git"]
)
def test_what_is_no_repository_is_refused_without_asking(repo: str, loopback: LoopbackHub) -> None:
    assert "is no repository" in refusal(lambda: pull_run(repo))
    assert loopback.requests == []


@pytest.mark.parametrize("revision", ["", "../main", "a b", "x" * 300, "-f", "main\n"])
def test_what_is_no_revision_is_refused_without_asking(
    revision: str, loopback: LoopbackHub
) -> None:
    assert "is no revision" in refusal(lambda: pull_run(REPO, revision=revision))
    assert loopback.requests == []


def test_missing_repositories_and_revisions_are_named(loopback: LoopbackHub, run: Run) -> None:
    for token in (TOKEN, None, False):
        text = refusal(lambda token=token: pull_run("alice/none", token=token))
        assert "alice/none does not exist on 127.0.0.1, or is private" in text
    push_run(run, REPO, token=TOKEN)
    assert "has no revision 'v9'" in refusal(lambda: pull_run(REPO, revision="v9"))


def test_a_repository_with_pickled_weights_only_is_refused(loopback: LoopbackHub, run: Run) -> None:
    loopback.put_file(EVIL, "pytorch_model.bin", pickle.dumps({"weight": 1}))
    loopback.put_file(EVIL, "config.json", (run.path / "config.json").read_bytes())
    assert "holds no aecore model" in refusal(lambda: pull_run(EVIL))
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
    assert Run(out).state().state == "done" and "pytorch_model.bin" not in content(out)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_is_too_large_is_refused_before_it_is_downloaded(
    name: str, loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    plant(loopback, run)
    monkeypatch.setitem(FOREIGN_FILE_LIMITS, name, 100)
    assert f"{name} of {EVIL} has" in refusal(lambda: pull_run(EVIL))
    assert not any("resolve" in path for _, path in loopback.requests)


def test_records_and_previews_that_are_too_large_stay_there(
    loopback: LoopbackHub, run: Run, tmp_path: Path, monkeypatch: Any
) -> None:
    push_run(run, REPO, token=TOKEN)
    monkeypatch.setitem(FOREIGN_FILE_LIMITS, "metrics.jsonl", 10)
    monkeypatch.setattr(previews, "MAX_PREVIEWS", 1)
    assert set(content(pull_run(REPO, out=tmp_path / "out"))) == {
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
    plant(loopback, run, **{"config.json": hostile_configs()[name]})
    before = set(tmp_path.iterdir())
    text = refusal(lambda: pull_run(EVIL, out=tmp_path / "out"), CheckpointError)
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
    plant(loopback, run, **{"model.safetensors": hostile_weights()[name]})
    for out in (None, tmp_path / "out"):
        text = refusal(lambda out=out: pull_run(EVIL, out=out), CheckpointError)
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
    plant(
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
    text = refusal(lambda: push_run(run, REPO, token=TOKEN), CheckpointError)
    assert text.startswith("run/model.safetensors")
    (run.path / "model.safetensors").unlink()
    assert "has no model.safetensors" in refusal(
        lambda: push_run(run, REPO, token=TOKEN), CheckpointError
    )
    (run.path / "config.json").write_text("{}")
    refusal(lambda: push_run(run, REPO, token=TOKEN), CheckpointError)
    assert loopback.requests == []


def test_a_model_of_another_library_is_not_replaced(loopback: LoopbackHub, run: Run) -> None:
    loopback.put_file("alice/bert", "README.md", b"---\nlibrary_name: transformers\n---\n")
    text = refusal(lambda: push_run(run, "alice/bert", token=TOKEN))
    assert "another library, transformers" in text


# -- where it goes


def test_a_folder_that_is_taken_is_left_alone(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    loopback.requests.clear()
    (tmp_path / "file").write_text("mine")
    for out in (run.path, tmp_path / "file"):
        assert "exists already" in refusal(lambda out=out: pull_run(REPO, out=out))
    assert loopback.requests == [] and (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert Run(pull_run(REPO, out=tmp_path / "empty")).has_model()


def test_a_full_disk_leaves_no_half_a_run(
    loopback: LoopbackHub, run: Run, tmp_path: Path, monkeypatch: Any
) -> None:
    push_run(run, REPO, token=TOKEN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    assert "The disk is full" in refusal(lambda: pull_run(REPO, out=tmp_path / "new" / "out"))
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named_as_such(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    (tmp_path / "file").write_text("mine")
    assert "cannot be kept here" in refusal(lambda: pull_run(REPO, out=tmp_path / "file" / "out"))


def test_a_cached_model_is_there_without_a_network(
    loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    from huggingface_hub import constants

    push_run(run, REPO, token=TOKEN)
    sha = pull_run(REPO, revision="main").name
    loopback.stop()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull_run(REPO, revision=sha).name == sha
    assert "is not in the Hub's cache" in refusal(lambda: pull_run("alice/other"))


# -- when the Hub is not well


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "too many requests"),
        (500, "a problem of its own"),
        (503, "a problem"),
        (402, "refused (No credit)"),
    ],
)
def test_what_the_hub_says_becomes_a_sentence(
    status: int, words: str, loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    refused: list[str] = []
    slept: list[float] = []

    def refuse(self: Handler, path: str) -> None:
        refused.append(path)
        raise LoopbackError(status, "No credit")

    monkeypatch.setattr(Handler, "dispatch", refuse)
    monkeypatch.setattr(time, "sleep", slept.append)
    for call in (lambda: pull_run(REPO), lambda: push_run(run, REPO, token=TOKEN), search_models):
        assert words in refusal(call)
    assert 3 <= len(refused) <= 4 and sum(slept) < 15, (
        "nothing is asked again and again; a push asks for two things"
    )


def test_an_answer_that_is_no_hubs_becomes_a_sentence(
    loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    from tests.hub.loopback import Reply

    for body in (b"<html>Log in to the guest network</html>", b"[1]", b"{}", b"null"):
        monkeypatch.setattr(Handler, "dispatch", lambda self, path, body=body: Reply(body))
        for call in (
            lambda: pull_run(REPO),
            lambda: push_run(run, REPO, token=TOKEN),
            lambda: name_of_token(TOKEN),
        ):
            refusal(call)


def every_call(run: Run) -> tuple[Callable[[], object], ...]:
    return (
        lambda: pull_run(REPO),
        lambda: push_run(run, REPO, token=TOKEN),
        lambda: push_model(Autoencoder.load(run.path), REPO, token=TOKEN),
        search_models,
        lambda: name_of_token(TOKEN),
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "nonsense", "ftp://x"]
)
def test_a_hub_that_is_not_there_is_told_within_seconds(
    url: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, url, tmp_path)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for call in every_call(run):
        slept.clear()
        refusal(call)
        assert sum(slept) < 15, "between all tries"


def test_a_hub_that_never_answers_is_given_up(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one silence: a call that waited for more would wait for ever."""
    assert HUB_TIMEOUT <= 10
    for module in ("client", "repositories", "spaces", "pull"):
        monkeypatch.setattr(f"aecore.hub.{module}.HUB_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        use(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        for call in every_call(run):
            assert "127.0.0.1 could not be reached" in refusal(call)
            assert 1 <= count_connections(silent) <= 2, "a push asks for two things"


def count_connections(server: socket.socket) -> int:
    """How many have come since one looked last; none of them has had an answer."""
    for count in range(100):
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("too many")


def test_importing_the_library_does_not_import_the_client() -> None:
    code = "import sys, aecore.hub.pull, aecore.hub.push; assert not {'huggingface_hub', 'streamlit'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=600)


def test_a_config_without_data_stays_as_it_is(tmp_path: Path) -> None:
    config = RunConfig(model=configure("vae", SHAPE).model)
    assert strip_local_paths(config) == config
    save_file({}, tmp_path / "x")  # a file of no tensors is no preview
    assert list_file_sizes(tmp_path) == {"x": (tmp_path / "x").stat().st_size}


# -- publish: the explorer as a static Space


def test_an_explorer_is_published_as_a_static_space_that_links_to_its_model(
    loopback: LoopbackHub, tmp_path: Path
):
    run = make_run(tmp_path / "run")
    push_run(run, REPO, token=TOKEN)
    assert "Explore it" not in loopback.repos[REPO].at("main").files["README.md"].data.decode()
    address = publish_explorer(run, REPO, token=TOKEN)
    assert address == f"{loopback.url}/spaces/{REPO}"
    space = loopback.spaces[REPO]
    files = {name: file.data for name, file in space.at("main").files.items()}
    assert space.sdk == "static" and not space.private
    written = {
        "README.md",
        "index.html",
        "explorer.js",
        "style.css",
        "model.bin",
        "model.bin.js",
        "pca.bin",
        "pca.bin.js",
    }
    assert set(files) == written | {".gitattributes"}
    head = front_matter(files["README.md"].decode())
    assert head["sdk"] == "static" and head["app_file"] == "index.html" and head["models"] == [REPO]
    assert f"https://huggingface.co/{REPO}" in files["index.html"].decode()
    card = loopback.repos[REPO].at("main").files["README.md"].data.decode()
    assert f"[Explore it in the browser]({address})" in card
    push_run(run, REPO, token=TOKEN)  # and a later push keeps the link
    assert address in loopback.repos[REPO].at("main").files["README.md"].data.decode()


def test_publishing_again_replaces_the_page_and_leaves_no_old_map(
    loopback: LoopbackHub, tmp_path: Path
):
    run = make_run(tmp_path / "run")
    publish_explorer(run, REPO, token=TOKEN, maps=("pca", "tsne"), private=True)
    assert "tsne.bin" in loopback.spaces[REPO].at("main").files and loopback.spaces[REPO].private
    assert REPO not in loopback.repos
    publish_explorer(run, REPO, token=TOKEN, private=True)
    assert "tsne.bin" not in loopback.spaces[REPO].at("main").files


def test_a_space_of_somebody_else_is_left_alone(loopback: LoopbackHub, tmp_path: Path):
    run = make_run(tmp_path / "run")
    with pytest.raises(HubError, match="may not write to bob"):
        publish_explorer(run, "bob/page", token=TOKEN)
    loopback.spaces[REPO] = Repo(REPO, sdk="static")
    loopback.spaces[REPO].commit("main", {"game.js": File(b"", lfs=False)})
    with pytest.raises(HubError, match="holds something else"):
        publish_explorer(run, REPO, token=TOKEN)
    with pytest.raises(HubError, match="Publishing needs a login"):
        publish_explorer(run, REPO, token=False)
    assert set(loopback.spaces[REPO].at("main").files) == {"game.js"}


def test_a_private_models_page_is_not_made_public(loopback: LoopbackHub, tmp_path: Path):
    run = make_run(tmp_path / "run")
    push_run(run, REPO, token=TOKEN, private=True)
    with pytest.raises(HubError, match="is private, and its page would show its codes to all"):
        publish_explorer(run, REPO, token=TOKEN)
    assert REPO not in loopback.spaces
    publish_explorer(run, REPO, token=TOKEN, private=True)
    assert loopback.spaces[REPO].private
