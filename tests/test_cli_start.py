"""What `aecore` prints without computing anything, it prints without importing what computes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from aecore.cli.parser import build_parser

HEAVY = [
    "torch",
    "torchvision",
    "scipy",
    "pandas",
    "pyarrow",
    "sklearn",
    "PIL",
    "tqdm",
    "streamlit",
]
# runs command after command in one process, and prints after which a heavy module was there
SCRIPT = """
import contextlib, io, json, sys
from aecore.cli.parser import main

for arguments in json.loads(sys.argv[1]):
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
    imported = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
    print(json.dumps([status, output.getvalue(), imported]))
    if imported:
        break
"""


def call_in_turn(*commands: list[str]) -> list[tuple[int, str]]:
    """Returns (status, output) of each; fails at the first that imports something heavy."""
    script = [sys.executable, "-c", SCRIPT, json.dumps(commands), json.dumps(HEAVY)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for command, (_, _, imported) in zip(commands, answers, strict=False):
        assert not imported, f"aecore {' '.join(command)} imports {', '.join(imported)}"
    return [(status, output) for status, output, _ in answers]


@pytest.fixture(scope="module")
def names():
    """The names of all commands."""
    (commands,) = (action for action in build_parser()._actions if action.choices)
    return list(commands.choices)


def test_help_is_printed_without_what_computes(names):
    answers = call_in_turn(["--help"], *([name, "--help"] for name in names))
    assert all(status == 0 and "usage: aecore" in output for status, output in answers)
    assert len(answers) == len(names) + 1 and all(name in answers[0][1] for name in names)


def test_lists_are_printed_without_what_computes(own_runs):
    commands = [[name, *json] for name in ("variants", "data", "runs") for json in ([], ["--json"])]
    answers = call_in_turn(*commands)
    assert all(status == 0 and output.count("\n") for status, output in answers)


def test_wrong_usage_is_explained_without_what_computes(own_runs):
    answers = call_in_turn(
        [],
        ["nonsense"],
        ["train"],
        ["train", "vae", "--epochs", "ten"],
        ["train", "vae", "--device", "abacus"],
        ["sweep", "vae", "--on", "the-moon"],
        ["export", "mnist-vae", "--to", "paper", "out"],
    )
    assert all(status == 2 and "usage: aecore" in output for status, output in answers)


def test_names_of_nothing_are_refused_without_what_computes(names, own_runs):
    of_runs = ["resume", "stop", "evaluate", "sample", "interpolate"]
    answers = call_in_turn(
        ["train", "vea"],
        ["train", "vae", "--set", "beta"],
        ["sweep", "vae", "vea"],
        ["data", "--to", "out.npz"],
        ["push", "nowhere", "me/it"],
        ["export", "nowhere", "--to", "onnx", "out"],
        ["apply", "nowhere", "file.csv", "--to", "out.csv"],
        ["compress", "nowhere.png"],
        *([name, "nowhere"] for name in of_runs),
    )
    assert all(status == 1 and output.startswith("aecore: ") for status, output in answers)
