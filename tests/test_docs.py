"""The README's commands run, as forks of this process; test_package.py runs its Python blocks."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.cli.parser import main
from aecore.model.parts.bottlenecks.base import BottleneckBase

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def list_commands(text=README):
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("python -m aecore")]


def run_program(arguments, tmp_path):
    environment = {**os.environ, "AECORE_RUNS": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("line", [c for c in list_commands() if "mnist" not in c])
def test_every_command_of_the_readme_runs_as_it_stands(line, tmp_path, forked):
    done = run_program(shlex.split(line)[1:], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """A folder with the files that docs/data.md has in its commands."""
    monkeypatch.chdir(tmp_path)
    cities, grades = ["Oslo", "Rome"] * 20, [1, 2, 3, 2] * 10
    people = pd.DataFrame({"city": cities, "grade": grades, "height.cm": np.arange(40) / 4 + 150})
    people.to_csv("people.csv", index=False)
    np.savez("digits.npz", x=np.zeros((5, 28, 28), np.uint8), y=[0, 1, 2, 1, 0])


@pytest.mark.parametrize("line", list_commands((ROOT / "docs" / "data.md").read_text()))
def test_every_command_on_your_own_data_does_what_is_said(line, own_files, capsys):
    assert main(shlex.split(line)[3:]) == 0, capsys.readouterr().err
    assert "--to" not in line or Path(line.split()[-1]).stat().st_size > 0


def test_the_bottleneck_of_the_guide_is_one_as_it_stands(monkeypatch):
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    module = ModuleType("binary")
    monkeypatch.setitem(sys.modules, "binary", module)
    exec(next(block for block in blocks if "class Binary(" in block), module.__dict__)
    options = module.Binary()
    expected = inspect.signature(BottleneckBase.build)
    assert inspect.signature(type(options).build) == expected
    code = options.build(3)(torch.tensor([[-2.0, 0.5, 3.0]]), options.sample_count)
    assert code.z.tolist() == [[[-1, 1, 1]]] and code.cost.tolist() == [[0]]


def test_every_file_that_the_readme_names_is_there():
    named = re.findall(r"\]\((docs/[^)]+)\)", README)
    named += re.findall(r"`((?:aecore|ui|bench|tests|pages)/[\w/.]*)`", README)
    assert named
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_the_shipped_models_stay_small_and_hold_only_what_is_needed():
    files = [file for file in (ROOT / "checkpoints").glob("mnist-*/**/*") if file.is_file()]
    assert sum(file.stat().st_size for file in files if "maps" not in file.parts) < 15_000_000
    assert {file.name for file in files} >= {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
        "README.md",
    }
