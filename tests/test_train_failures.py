"""Training that fails says why in a sentence, and never loses the best weights."""

from __future__ import annotations

import math
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from helpers import tiny, trained, weights_of
from safetensors.torch import load_file

from aecore.errors import CheckpointError, ConfigError, DataError, RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.weights import write_tensors
from aecore.runs.listing import create_run
from aecore.runs.run import Run
from aecore.training.devices import pick_device
from aecore.training.failures import is_out_of_memory
from aecore.training.trainer import fit


@pytest.mark.parametrize("damage", [b"", b"torn", None])
def test_a_damaged_position_is_named_and_the_model_kept(damage):
    run, seen = create_run(tiny()), []
    for record in fit(run, lambda: bool(seen)):
        seen.append(record)
    path = run.path / "resume.safetensors"
    if damage is None:
        write_tensors(path, load_file(path))  # whole, but silent on where it stood
    else:
        path.write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"resume\.safetensors"):
        list(fit(run))
    assert run.state().state == "failed" and "resume.safetensors" in run.state().error
    Autoencoder.load(run.path)


def is_finite_on_disk(run):
    return all(t.isfinite().all() for t in load_file(run.path / "model.safetensors").values())


def test_a_loss_that_is_no_number_fails_with_a_sentence_and_keeps_the_best_weights():
    run = create_run(tiny(training={"optimizer": "sgd", "lr": 100, "epochs": 30}))
    with pytest.raises(RunError, match="tenth of the learning rate"):
        for record in fit(run):
            assert math.isfinite(record.loss)
    state = run.state()
    assert state.state == "failed" and "diverged" in state.error and "100" in state.error
    assert is_finite_on_disk(run)
    assert Autoencoder.load(run.path).reconstruct(torch.rand(2, 1, 8, 8)).isfinite().all()
    assert all(
        math.isfinite(value)
        for record in run.epochs()
        for value in record.to_row().values()
        if value != "epoch"
    )


def test_weights_that_blow_up_in_the_last_step_of_an_epoch_are_not_kept():
    config = tiny(
        data={"limit": 2, "validation_fraction": 0.0},
        training={"optimizer": "sgd", "lr": 100},
        likelihood={"kind": "gaussian", "variance": 3e-37},
    )
    run = create_run(config)
    with pytest.raises(
        RunError, match=r"diverged in epoch 1: loss \d"
    ):  # the loss before the only step is a number
        list(fit(run))
    assert is_finite_on_disk(run)


def test_a_pretraining_that_diverges_fails_with_a_sentence_and_no_broken_model():
    config = tiny(
        network={
            "kind": "mlp",
            "hidden": (16, 16, 16, 16),
            "activation": "relu",
            "code_activation": "relu",
        },
        likelihood={"kind": "gaussian", "variance": 1e-37},
        training={"lr": 100, "pretrain_epochs": 3},
    )
    run = create_run(config)
    with pytest.raises(RunError, match="diverged"):
        list(fit(run))
    assert run.state().state == "failed"
    assert not run.has_model() or is_finite_on_disk(run)


def test_a_cross_entropy_on_values_that_are_no_probabilities_is_refused():
    config = tiny(data={"name": "iris"}, input_shape=(4,), likelihood={"kind": "bernoulli"})
    run = create_run(config)
    with pytest.raises(ConfigError, match="minmax"):
        list(fit(run))
    assert run.state().state == "failed"
    fine = tiny(
        data={"name": "iris"}, input_shape=(4,), likelihood={"kind": "bernoulli"}, scaling="minmax"
    )
    assert trained(fine).state().state == "done"


def test_data_that_is_gone_or_has_changed_is_named(tmp_path):
    import numpy

    path = tmp_path / "own.npz"
    numpy.savez(path, x=numpy.random.rand(50, 6).astype("float32"))
    config = tiny(data={"name": str(path)}, input_shape=(6,))
    trained(config)
    numpy.savez(path, x=numpy.random.rand(50, 7).astype("float32"))
    run = create_run(config)
    with pytest.raises(RunError, match=r"\(7,\).*\(6,\)"):
        list(fit(run))
    path.unlink()
    with pytest.raises(DataError, match="are not here"):
        list(fit(run))
    assert run.state().state == "failed" and "are not here" in run.state().error


def test_a_very_long_error_still_fits_the_state():
    run = create_run(tiny(data={"name": "/" + "x" * 4000}))
    with pytest.raises(DataError):
        list(fit(run))
    assert run.state().state == "failed"


def test_an_unforeseen_error_is_told_in_the_folder_too(monkeypatch):
    monkeypatch.setattr(Autoencoder, "loss", lambda *_: 1 / 0)
    run = create_run(tiny())
    with pytest.raises(ZeroDivisionError):
        list(fit(run))
    assert run.state().state == "failed" and "ZeroDivisionError" in run.state().error


def test_memory_that_ran_out_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)  # 4 PB
    assert type(caught.value) is RuntimeError, "its type alone tells nothing"
    for error in (caught.value, torch.OutOfMemoryError("CUDA out of memory"), MemoryError()):
        assert is_out_of_memory(error)
    for error in (RuntimeError("can't allocate"), OSError("DefaultCPUAllocator: can't allocate")):
        assert not is_out_of_memory(error)


def test_a_model_without_its_history_cannot_be_trained(tmp_path):
    from helpers import model

    model().save(tmp_path)
    with pytest.raises(RunError, match="without its data"):
        list(fit(Run(tmp_path)))


def test_a_device_that_is_not_there_is_named_with_those_that_are():
    assert pick_device("cpu").type == "cpu"
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(RunError, match=r"auto, .*cpu"):
        pick_device(missing)


FULL_DISK = """
import resource, sys
from aecore.cli.parser import main
from aecore.runs.listing import find_run

run = find_run(sys.argv[1])
size = (run.path / "model.safetensors").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
sys.exit(main(["resume", str(run.path)]))
"""


def test_a_file_that_cannot_grow_fails_the_run_and_keeps_the_old_model(forked):
    run, seen = create_run(tiny(training={"epochs": 5})), []
    for record in fit(run, lambda: len(seen) >= 2):
        seen.append(record)
    before = weights_of(run)
    project = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(run.path)],
        capture_output=True,
        text=True,
        cwd=project,
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert run.state().state == "failed" and "cannot be written" in run.state().error
    assert weights_of(run) == before
    Autoencoder.load(run.path)
    list(fit(run))
    assert weights_of(run) == weights_of(
        trained(tiny(training={"epochs": 5}))
    )  # once there is room again


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True
    ).returncode:
        pytest.skip("only root may mount a small disk; the limit on file sizes is tested above")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill_disk(path):
    """A file that takes all the room there is."""
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 500):
            pass


def test_a_full_disk_fails_the_run_keeps_the_old_model_and_the_run_goes_on_when_there_is_room(
    small_disk,
):
    config = tiny(training={"epochs": 6})
    run, kept = create_run(config, small_disk / "run"), []
    with pytest.raises(RunError, match="cannot be written"):
        for record in fit(run):
            if record.epoch == 3:
                fill_disk(small_disk / "filler")
            kept.append(weights_of(run))
    assert len(kept) == 3
    assert weights_of(run) == kept[-1]
    Autoencoder.load(run.path)
    assert run.state().state in ("failed", "lost")
    (small_disk / "filler").unlink()
    list(fit(run))
    assert weights_of(run) == weights_of(trained(config)) and len(run.epochs()) == 6


def test_a_contraction_of_a_batch_normalised_encoder_is_refused():
    with pytest.raises(ConfigError, match="use norm layer"):
        tiny(network={"kind": "mlp", "norm": "batch"}, penalties=({"kind": "contractive"},))


def test_tables_are_not_binarised():
    config = tiny({"name": "iris", "binarise": "static"}, input_shape=(4,))
    with pytest.raises(DataError, match="no pixels"):
        list(fit(create_run(config)))
