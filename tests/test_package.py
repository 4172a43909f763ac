"""The package by itself: built as a wheel, unpacked, and used outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from aecore.model.config import VERSION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def run_outside(tmp_path_factory):
    """A function that runs Python on a wheel of the package, in a folder where no checkout is."""
    folder = tmp_path_factory.mktemp("outside")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=600)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    (folder / "work").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}
    environment.pop("AECORE_RUNS", None)

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", *arguments]
        done = subprocess.run(
            command,
            cwd=folder / "work",
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_has_the_command_and_knows_its_version(run_outside):
    assert "usage: aecore" in run_outside("-m", "aecore", "--help")
    assert PROJECT["project"]["scripts"]["aecore"] == "aecore.cli.parser:main"


def test_every_python_block_of_the_readme_runs_by_itself_outside_the_checkout(run_outside):
    assert SNIPPETS
    run_outside("-c", f"for block in {SNIPPETS!r}: exec(block, {{}})")


def test_the_model_that_travels_in_the_wheel_is_found_by_its_name(run_outside):
    code = "from aecore.runs.listing import find_run; print(find_run('mnist-conv-vae').path)"
    assert "site" in run_outside("-c", code)


def test_the_sample_inputs_travel_in_the_wheel(run_outside):
    code = "from aecore.data.sample_inputs import read_sample; print(read_sample('mnist').x.shape)"
    assert run_outside("-c", code).strip() == "(2000, 1, 28, 28)"


def test_importing_the_package_loads_neither_torch_nor_the_app(run_outside):
    code = "import sys, aecore; print({'torch', 'pydantic', 'streamlit', 'ui'} & set(sys.modules))"
    assert run_outside("-c", code).strip() == "set()"


def test_the_lists_of_what_is_needed_agree():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {line.split("#")[0].strip() for line in lines} - {""}
    project = PROJECT["project"]
    assert listed == {*project["dependencies"], *project["optional-dependencies"]["app"]}


def test_the_citation_names_this_version():
    assert f"version: {VERSION}\n" in (ROOT / "CITATION.cff").read_text()
