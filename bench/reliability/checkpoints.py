"""Run folders that were spoiled, as a pull, a copy or a full disk leaves them, or a stranger."""

from __future__ import annotations

import functools
import json
import logging
import os
import random
import shutil
import struct
import tempfile
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError

from aecore.files import CONFIG_FILE, ESTIMATOR_FILE, LOG_FILE, OWNER_FILE, REMOTE_FILE
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit
from bench.reliability.part import Outcome, Part
from bench.reliability.run_visit import visit_run
from bench.reliability.sandbox import Verdict, try_case
from bench.reliability.scratch import compare_trees, record_tree
from bench.reliability.spoiled_runs import FILES, SPOILERS, draw_name

BASES = (  # variant, data, settings
    ("vae", "digits", {}),
    ("vanilla", "breast-cancer", {}),
    ("stacked", "digits", {"training.pretrain_epochs": 1}),
    ("vq-vae", "digits", {}),
    ("k-sparse", "digits", {}),
    ("conv-vae", "digits", {}),
    ("denoising-gaussian", "circles", {}),
)
OTHER_FILES = {
    OWNER_FILE: {"owner": "a" * 32, "published": True},
    REMOTE_FILE: {"backend": "ray", "device": "cpu"},
    ESTIMATOR_FILE: {
        "estimator": "AnomalyDetector",
        "parameters": {"epochs": 1},
        "n_features_in_": 2,
        "feature_names_in_": None,
        "offset_": 1.0,
    },
}


def run_checkpoints(seed: int, cases: range) -> Outcome:
    """Spoils a run folder in each case, and looks at it as the pages do."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="aecore-reliability-") as name:
        root = Path(name)
        bases = train_bases(root / "bases")
        for number in cases:
            text, verdict, changed = try_checkpoint(seed, number, bases, root / "case")
            fault = verdict.text if verdict.kind == "broken" else changed
            outcome.add(
                "broken" if fault else verdict.kind, f"{number}: {text}: {fault}" * bool(fault)
            )
            outcome.see_peak("s", verdict.seconds)
            outcome.see_peak("GB of memory", verdict.memory / 1e9)
    return outcome


def train_bases(folder: Path) -> list[Path]:
    """Trains a few small runs, and warms what every case needs."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    torch.set_num_threads(1)
    bases = []
    for variant, data, settings in BASES:
        few = {"training.epochs": 2, "data.limit": 400, "latent_dim": 4, **settings}
        latent_dim = few.pop("latent_dim")
        config = plan_run(variant, data, latent_dim=latent_dim, settings=few)
        run = create_run(config, folder / variant)
        list(fit(run))
        for file, values in OTHER_FILES.items():
            (run.path / file).write_text(json.dumps(values))
        (run.path / LOG_FILE).write_text("epoch 1\n")
        spare = folder / f"spare-{variant}"
        spare.mkdir()
        assert not visit_run(run.path, spare).startswith("look_at_model"), "a sound run is refused"
        bases.append(run.path)
    return bases


def try_checkpoint(
    seed: int, number: int, bases: list[Path], case: Path
) -> tuple[str, Verdict, str]:
    """Returns what was spoiled, how the visit ended, and what was written outside the folder."""
    rng = random.Random(f"checkpoints {seed} {number}")
    shutil.rmtree(case, ignore_errors=True)
    outside, base = case / "outside", rng.choice(bases)
    make_outside(outside, base)
    folder = case / "runs" / draw_name(rng)
    shutil.copytree(base, folder)
    spoiled = [spoil_run(rng, folder, outside) for _ in range(rng.choice((1, 1, 2)))]
    before = record_tree(outside)
    verdict = try_case(functools.partial(visit_alone, folder, case))
    changed = compare_trees(before, record_tree(outside))
    return f"{base.name} with {' and '.join(spoiled)}", verdict, changed


def spoil_run(rng: random.Random, folder: Path, outside: Path) -> str:
    """Spoils a run in one way; what is spoiled already may be left as it is."""
    spoil = rng.choice(SPOILERS)
    try:
        return spoil(rng, folder, outside)
    except (OSError, ValueError, KeyError, SafetensorError, struct.error) as error:
        return f"{spoil.__name__} ended by {type(error).__name__}"


def visit_alone(folder: Path, case: Path) -> str:
    """Visits a run in the forked process, whose settings are those of a public Space."""
    spare = case / "spare"
    for name in ("spare", "tmp", "home"):
        (case / name).mkdir()
    os.environ.update(
        AECORE_PUBLIC="1",
        AECORE_RUNS=str(folder.parent),
        AECORE_CACHE=str(case / "home"),
        HOME=str(case / "home"),
        TMPDIR=str(case / "tmp"),
    )
    tempfile.tempdir = None
    return visit_run(folder, spare)


def make_outside(outside: Path, base: Path) -> None:
    """Makes what must stay as it is: files that links lead to, good ones and a letter."""
    outside.mkdir(parents=True)
    for name in FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, outside / Path(name).name)
    (outside / "letter.txt").write_text("private\n")
    (outside / "00001.safetensors").write_bytes(b"kept")
    os.mkfifo(outside / "fifo")
    assert (outside / CONFIG_FILE).is_file()


PART = Part(
    "checkpoints",
    "Run folders with bytes changed, files torn, missing, huge or replaced by links, FIFOs, "
    "sockets and folders; wild weights, hostile configs and states, headers and previews that "
    "lie, records without end, odd names. Each is listed, shown, loaded, measured, mapped, sampled "
    "from, pulled, pushed, resumed and written to.",
    1000,
    20,
    run_checkpoints,
)
