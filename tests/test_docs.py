"""The README's examples run, as forks of this process; the cards' example runs in a fresh one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def list_blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def list_commands():
    lines = [line for block in list_blocks("bash") for line in block.splitlines()]
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


@pytest.mark.parametrize("code", list_blocks("python"))
def test_every_python_block_of_the_readme_runs_as_it_stands(code, tmp_path, forked):
    done = run_program(["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [c for c in list_commands() if "mnist" not in c])
def test_every_command_of_the_readme_runs_as_it_stands(line, tmp_path, forked):
    done = run_program(shlex.split(line)[1:], tmp_path)
    assert done.returncode == 0, done.stderr


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
