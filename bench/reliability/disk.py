"""A disk that gets full in the middle of things: one sentence, nothing lost, and on it goes."""

from __future__ import annotations

import functools
import io
import logging
import os
import random
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from aecore.analysis.projection_job import ProjectionJob
from aecore.errors import AecoreError
from aecore.explorer.static_page import zip_static_page
from aecore.files import RESUME_FILE, WEIGHTS_FILE
from aecore.hub.client import explain_hub_errors
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.foreign import adopt_run_folder
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from aecore.runs.uploads import create_upload, guess_settings
from aecore.training.trainer import fit
from bench.reliability.part import Outcome, Part
from bench.reliability.sandbox import try_case
from bench.reliability.small_disk import fill_disk, mount_small_disk

DISK_BYTES = 20_000_000
NO_DISK = "no small disk can be mounted here"
STOP_AFTER = 2  # epochs, before the disk gets full
ROOM = (0, 4_096, 20_000, 100_000, 400_000, 1_500_000)  # bytes that are left


def train_on(run: Run, runs: Path) -> str:
    """Resumes the run; its folder is on the full disk."""
    list(fit(run))
    return ""


def begin_another(run: Run, runs: Path) -> str:
    """Starts a new run on the full disk."""
    list(fit(create_run(run.config())))
    return ""


def pull_copy(run: Run, runs: Path) -> str:
    """Takes in a run from elsewhere, as a pull does."""
    with explain_hub_errors("user/name"):
        adopt_run_folder(run.path, runs / "pulled", "user/name")
    return ""


def bring_table(run: Run, runs: Path) -> str:
    """Brings a table of 1 MB."""
    upload = create_upload()
    rows = "\n".join(f"{i},{i % 7},{i * 0.37}" for i in range(60_000))
    with upload.receiving("table.csv") as file:
        file.write(f"a,b,c\n{rows}\n".encode())
    upload.save(guess_settings(upload))
    return ""


def export_page(run: Run, runs: Path) -> str:
    """Makes the page of a run, whose draft is on the full disk."""
    content = zip_static_page(run)
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    return ""


def begin_map(run: Run, runs: Path) -> str:
    """Starts the process of a slow map, which cannot write, and is ended."""
    job = ProjectionJob(run, "tsne", 2, "test", 20, "digits")
    job.start()
    job.cancel()
    return ""


def rename_states(run: Run, runs: Path) -> str:
    """Replaces state.json again and again; the last one is whole, whatever fits."""
    for epoch in range(20):
        try:
            run.write_state(epoch=epoch, note="x" * 200)
        except OSError:
            break
    assert run.saved_state() is not None
    return ""


ACTIONS: tuple[Callable[[Run, Path], str], ...] = (
    train_on,
    train_on,
    begin_another,
    pull_copy,
    bring_table,
    export_page,
    begin_map,
    rename_states,
)


def run_disk(seed: int, cases: range) -> Outcome:
    """Fills the disk in each case, does something, frees it and goes on."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    torch.set_num_threads(1)
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="aecore-reliability-") as name:
        root = Path(name)
        config = plan_run("vae", "digits", settings={"training.epochs": 5, "data.limit": 300})
        whole, begun = create_run(config, root / "whole"), create_run(config, root / "begun")
        list(fit(whole))
        list(fit(begun, stop=lambda: (begun.saved_state() or begun.state()).epoch >= STOP_AFTER))
        expected = (whole.path / WEIGHTS_FILE).read_bytes()
        for number in cases:
            rng = random.Random(f"disk {seed} {number}")
            action, room = ACTIONS[number % len(ACTIONS)], rng.choice(ROOM)
            case = functools.partial(try_full_disk, begun.path, root, action, room, expected)
            verdict = try_case(case, seconds=60)
            label = f"{number}: {action.__name__} with {room:,} bytes: {verdict.text}"
            is_broken = verdict.kind == "broken" and NO_DISK not in verdict.text
            outcome.add(verdict.kind, label if is_broken else "")
            if verdict.text and not is_broken and len(outcome.notes) < len(ACTIONS):
                outcome.notes.append(f"{action.__name__} was told: {verdict.text}")
    return outcome


def try_full_disk(
    begun: Path, root: Path, action: Callable[[Run, Path], str], room: int, expected: bytes
) -> str:
    """Acts on a full disk, in the forked process; returns the sentence that was given."""
    disk = root / "disk"
    disk.mkdir(exist_ok=True)
    if not mount_small_disk(disk, DISK_BYTES):
        raise RuntimeError(NO_DISK)
    runs = disk / "runs"
    (disk / "tmp").mkdir()
    os.environ.update(AECORE_RUNS=str(runs), TMPDIR=str(disk / "tmp"), HOME=str(disk))
    tempfile.tempdir = None
    run = Run(shutil.copytree(begun, runs / "begun"))
    config, before = run.config(), list_files(run.path)
    filler, sentence = fill_disk(disk, room), ""
    try:
        action(run, runs)
    except AecoreError as error:
        sentence = str(error)
        assert "\n" not in sentence, f"more than a sentence: {sentence}"
    filler.unlink()
    check_whole(run, config, before, runs)
    if action is not train_on or run.state().state != "done":
        list(fit(run))
    assert (run.path / WEIGHTS_FILE).read_bytes() == expected, "other weights after resuming"
    return sentence.replace(str(disk), "")


def check_whole(run: Run, config: RunConfig, before: set[str], runs: Path) -> None:
    """Raises AssertionError where something was lost, torn or left over."""
    assert before <= list_files(run.path), "files were lost"
    assert run.config() == config and run.saved_state() is not None
    Autoencoder.load(run.path)
    assert (run.path / RESUME_FILE).stat().st_size, "the position was lost"
    assert len(run.epochs()) >= STOP_AFTER, "records were lost"
    left = [path for path in runs.rglob(".*") if path.name not in (".own", ".slots")]
    assert not left, f"left over: {[path.name for path in left]}"
    assert not list((runs.parent / "tmp").iterdir()), "temporary files are left"


def list_files(folder: Path) -> set[str]:
    """Returns the names of the files in a folder."""
    return {path.name for path in folder.iterdir()}


PART = Part(
    "disk",
    "A disk of 20 MB with a begun run gets full, up to a few bytes or kilobytes; then a run goes "
    "on, another begins, one is pulled, a table is brought, a page or a map is made, states are "
    "written. *Refused* was told so in one sentence. Afterwards all files are whole, no draft is "
    "left, and once there is room the run ends with the weights of one that was not disturbed.",
    40,
    6,
    run_disk,
)
