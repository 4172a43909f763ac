"""Several runs in the process of a command: what ends one of them, and what ends all."""

from __future__ import annotations

import signal

import pytest
from helpers import tiny

from aecore.cli import foreground
from aecore.cli.foreground import train_runs
from aecore.cli.parser import main
from aecore.errors import RunError
from aecore.files import REMOTE_FILE
from aecore.runs.listing import create_run
from aecore.runs.sweep import create_sweep

WILD = {"optimizer": "sgd", "lr": 100.0, "epochs": 30}


def states_of(runs):
    return [run.state().state for run in runs]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGALRM])
def test_a_signal_ends_the_run_and_begins_no_other(signum, monkeypatch):
    runs = [create_run(tiny(latent_dim=latent_dim)) for latent_dim in (2, 3)]
    monkeypatch.setattr(foreground, "show_record", lambda *record: signal.raise_signal(signum))
    train_runs(runs)
    assert states_of(runs) == ["stopped", "queued"]


def test_a_run_that_fails_leaves_the_later_ones_alone():
    wild, tame = create_run(tiny(training=WILD)), create_run(tiny(latent_dim=3))
    with pytest.raises(RunError, match=f"{wild.id}: The training diverged"):
        train_runs([wild, tame])
    assert states_of([wild, tame]) == ["failed", "done"]


def test_a_sweep_is_resumed_here_but_for_what_others_train(capsys):
    runs = create_sweep([tiny(latent_dim=2), tiny(latent_dim=3)], 1, name="grid")
    (runs[0].path / REMOTE_FILE).write_text("{}")
    with runs[1].lock():
        assert main(["resume", "grid"]) == 0
        assert runs[0].state().state == "done" and not (runs[0].path / REMOTE_FILE).exists()
        assert not runs[1].epochs()
        assert main(["resume", "grid"]) == 1
    assert "done, or are being trained already" in capsys.readouterr().err
