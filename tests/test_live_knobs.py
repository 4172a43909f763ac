"""Numbers that are moved while a run trains: applied, recorded, repeated after a kill, and kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import pytest
import torch
from helpers import VAE, digits, tiny, trained, weights_of
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import aecore.training.live_knobs as live_knobs
from aecore.analysis.card import format_card
from aecore.errors import CheckpointError, ConfigError, RunError
from aecore.files import KNOBS_FILE, REMOTE_FILE, WEIGHTS_FILE
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.knobs import compare_knobs, list_knobs, turn_knobs
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.knobs import request_knobs
from aecore.runs.listing import create_run
from aecore.runs.records import KnobRecord
from aecore.runs.run import Run
from aecore.training.optimizer import Optimizer
from aecore.training.ranks import Ranks
from aecore.training.run_writer import RunWriter
from aecore.training.trainer import fit
from aecore.training.update import GraphedUpdate, Objective

K = {"bottleneck": {"kind": "top_k", "k": 2}}
# 180 examples in batches of 64 are 3 steps an epoch; the trainer asks whether to stop before the
# first epoch, before each step, and before each further epoch
MOVES = {
    "k-lr": (tiny(**K, training={"epochs": 6}), {6: {"bottleneck.k": 3}, 9: {"training.lr": 0.01}}),
    "falling-k": (
        tiny(bottleneck={"kind": "top_k", "k": 1, "start": 4}, training={"epochs": 6}),
        {7: {"bottleneck.k": 2}},
    ),
    "beta-lr": (
        tiny(**VAE, training={"epochs": 6, "kl_warmup_epochs": 3, "early_stopping": 3}),
        {4: {"bottleneck.beta": 0.1, "training.lr": 0.004}, 12: {"bottleneck.beta": 4.0}},
    ),
    "noise-penalty": (
        tiny(
            corruption={"kind": "masking"},
            penalties=[{"kind": "l1"}],
            training={"epochs": 6, "optimizer": "sgd", "lr": 0.001},
        ),
        {8: {"corruption.fraction": 0.6}, 10: {"penalties.l1.weight": 0.0}},
    ),
}


class Killed(BaseException):
    """A kill at a known step, which no `except Exception` sees."""


@pytest.fixture(autouse=True)
def look_at_every_step(monkeypatch):
    monkeypatch.setattr(live_knobs, "LOOK_SECONDS", 0.0)


def train_moving(
    config: RunConfig | Run, moves: Mapping[int, Mapping[str, float]], kill: int | None = None
) -> Run:
    """Trains a run whose knobs are moved at these questions whether to stop, and maybe killed."""
    run = config if isinstance(config, Run) else create_run(config)
    questions = 0

    def ask() -> bool:
        nonlocal questions
        questions += 1
        if questions in moves:
            request_knobs(run, moves[questions])
        if questions == kill:
            raise Killed
        return False

    try:
        list(fit(run, ask))
    except Killed:
        assert kill is not None
    return run


@pytest.mark.parametrize(("config", "moves"), MOVES.values(), ids=MOVES)
def test_moved_killed_and_resumed_a_run_ends_byte_for_byte_as_one_that_was_not_killed(
    config, moves
):
    whole = train_moving(config, moves)
    assert weights_of(whole) != weights_of(trained(config)), "nothing was moved"
    assert whole.config() == config
    after_the_last = max(moves) + 1
    for kill in (after_the_last, after_the_last + 3):
        run = train_moving(config, moves, kill)
        list(fit(run))
        assert weights_of(run) == weights_of(whole), kill
        assert [r.loss for r in run.epochs()] == [r.loss for r in whole.epochs()]
        assert run.knob_moves() == whole.knob_moves(), "a move is repeated, not recorded again"
        assert run.test_metrics() == whole.test_metrics()


def test_a_kill_between_record_and_step_loses_no_move(monkeypatch):
    config, moves = MOVES["k-lr"]
    whole, append = train_moving(config, moves), Run.append

    def append_and_die(run: Run, record: object) -> None:
        append(run, record)
        if isinstance(record, KnobRecord):
            raise Killed

    run = create_run(config)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Run, "append", append_and_die)
        questions = iter(range(100))
        list(fit(run, lambda: next(questions) == 5 and request_knobs(run, moves[6]) is not None))
    assert [move.knobs for move in run.knob_moves()] == [moves[6]]
    # the same questions come again from the beginning of the second epoch on
    train_moving(run, {9 - 4: moves[9]})
    assert weights_of(run) == weights_of(whole)


def test_a_move_wanted_while_older_ones_are_repeated_waits_for_their_end():
    config, _ = MOVES["k-lr"]
    run = train_moving(config, {7: {"bottleneck.k": 3}}, kill=8)
    assert [(move.epoch, move.step) for move in run.knob_moves()] == [(2, 1)]
    train_moving(run, {2: {"bottleneck.k": 4}})  # at the first step of the second epoch
    assert [(m.epoch, m.step, m.knobs["bottleneck.k"]) for m in run.knob_moves()] == [
        (2, 1, 3),
        (2, 1, 4),
    ]
    assert Autoencoder.load(run.path).config.bottleneck.k == 4


def test_a_knob_that_acts_at_test_time_is_kept_with_the_weights_and_not_in_the_config(tmp_path):
    run = train_moving(*MOVES["k-lr"])
    model = Autoencoder.load(run.path)
    assert run.config().model.bottleneck.k == 2 and model.config.bottleneck.k == 3
    assert (model.encode(digits(20)) != 0).sum(1).max() == 3
    model.save(tmp_path / "same", run.config())
    assert (tmp_path / "same" / WEIGHTS_FILE).read_bytes() == weights_of(run)
    model.save(tmp_path / "own")
    assert Autoencoder.load(tmp_path / "own").config.bottleneck.k == 3
    with safe_open(tmp_path / "own" / WEIGHTS_FILE, "pt") as file:
        assert file.metadata() == {"aecore_format": "1"}, "the config of the folder says it"


@pytest.mark.parametrize(
    "text",
    [
        '{"bottleneck.k": 0}',
        '{"bottleneck.k": 5}',
        '{"bottleneck.k": "3"}',
        '{"bottleneck.k": NaN}',
        '{"bottleneck.by": 3}',
        '{"training.lr": 0.1}',
        "[3]",
        "{",
        "[" * 5000,
        json.dumps({"bottleneck.k": 3, "x" * 10_000: 3}),
    ],
)
def test_weights_with_forged_knobs_are_refused(text, tmp_path):
    config = tiny(**K)
    torch.manual_seed(0)
    Autoencoder(config.model).save(tmp_path, config)
    path = tmp_path / WEIGHTS_FILE
    save_file(load_file(path), path, metadata={"aecore_knobs": text})
    with pytest.raises(CheckpointError, match="knobs that do not fit"):
        Autoencoder.load(tmp_path)


FORGED = {
    "torn": '{"bottleneck.k": ',
    "huge": '{"bottleneck.k": 3, "x": "' + "x" * 20_000 + '"}',
    "no object": "[3]",
    "deep": "[" * 5000,
    "a word": '{"bottleneck.k": "three"}',
    "a flag": '{"bottleneck.k": true}',
    "a part": '{"bottleneck.k": 2.5}',
    "too small": '{"bottleneck.k": 0}',
    "too large": '{"bottleneck.k": 5}',
    "no number": '{"training.lr": NaN}',
    "not live": '{"training.epochs": 1}',
    "no name": '{"__class__": 1}',
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_a_forged_knobs_file_is_ignored_with_a_note(text):
    config = tiny(**K, training={"epochs": 1})
    run = create_run(config)
    (run.path / KNOBS_FILE).write_text(text)
    list(fit(run))
    assert run.state().state == "done" and "gnored" in run.state().note
    assert not run.knob_moves() and Autoencoder.load(run.path).config == config.model


def test_a_knobs_file_that_is_a_link_or_a_pipe_is_ignored():
    for make in (lambda path: path.symlink_to("/dev/zero"), os.mkfifo):
        run = create_run(tiny(**K, training={"epochs": 1}))
        make(run.path / KNOBS_FILE)
        list(fit(run))
        assert run.state().state == "done" and "ignored" in run.state().note


def test_forged_moves_in_the_records_are_left_out():
    run = create_run(tiny(**K, training={"epochs": 1}))
    with (run.path / "metrics.jsonl").open("w") as file:
        for row in (
            {"kind": "knob", "epoch": 1, "step": 0, "bottleneck.k": 99, "training.lr": 0.01},
            {"kind": "knob", "epoch": 1, "step": 0, "name": 1},
            {"kind": "knob", "epoch": 9, "step": 0, "bottleneck.k": 3},
            {"kind": "knob", "epoch": 1.5, "step": 0, "bottleneck.k": 3},
            {"kind": "knob", "bottleneck.k": 3},
        ):
            file.write(json.dumps(row) + "\n")
    list(fit(run))
    assert Autoencoder.load(run.path).config.bottleneck.k == 2
    assert run.epochs()[0].lr == 0.01, "what fits is repeated"


def test_only_a_run_that_trains_here_can_be_moved_and_only_within_bounds():
    run = create_run(tiny(**K))
    run.write_state(state="queued", processes=1)
    for values, complaint in (
        ({"bottleneck.k": 9}, "at most 4, got 9"),
        ({"bottleneck.beta": 1.0}, "no knob of this run. It has bottleneck.k"),
        ({"training.lr": 0.0}, "greater than 0"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            request_knobs(run, values)
    request_knobs(run, {"bottleneck.k": 3})
    request_knobs(run, {"training.lr": 0.5})
    wanted = json.loads((run.path / KNOBS_FILE).read_text())
    assert wanted == {"bottleneck.k": 3, "training.lr": 0.5}
    (run.path / REMOTE_FILE).write_text("{}")
    with pytest.raises(RunError, match="trains elsewhere"):
        request_knobs(run, {"bottleneck.k": 3})
    with pytest.raises(RunError, match="is done"):
        request_knobs(trained(), {"training.lr": 0.5})


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_whose_knobs_are_moved_is_as_one_built_so(variant):
    """The module of a part that keeps the value of a knob must take it over in `retune`."""
    config = configure(variant, (1, 8, 8), latent_dim=8)
    moved = turn_knobs(
        config, {path: move(knob.value) for path, knob in list_knobs(config).items()}
    )
    assert compare_knobs(config.model, moved.model).keys() | {"training.lr"} == set(
        list_knobs(config)
    )
    torch.manual_seed(0)
    model = Autoencoder(config.model)
    built = Autoencoder(moved.model)
    built.load_state_dict(model.state_dict())
    model.retune(moved.model)
    losses = []
    for each in (model, built):
        torch.manual_seed(1)
        losses.append(each.loss(digits(40)))
    assert all(torch.equal(a, b) for a, b in zip(*losses, strict=True))
    assert torch.equal(model.encode(digits(40)), built.encode(digits(40)))


def move(value: float) -> float:
    """Another value of a knob, within its bounds."""
    return value + 1 if isinstance(value, int) else value * 0.7 + 0.01


def test_a_recorded_step_is_recorded_anew_where_a_knob_was_moved():
    config = tiny(**VAE)
    model = Autoencoder(config.model)
    objective = Objective(model, config.training, binarises=False)
    update = GraphedUpdate(objective, Optimizer(model.parameters(), config.training), Ranks())
    batch = digits(8)
    recording = update.recording_for(batch)
    assert update.recording_for(batch) is recording
    model.retune(turn_knobs(config, {"bottleneck.beta": 2.0}).model)
    assert update.recording_for(batch) is not recording


def test_of_several_processes_all_follow_the_first_at_the_beginning_of_an_epoch():
    config, asked = tiny(**K), []

    class Second(Ranks):
        def __init__(self) -> None:
            super().__init__()
            self.world, self.rank = 2, 1

        def value_of_leader(self, value: float) -> float:
            asked.append(value)
            return {2: 3.0, 2e-3: 0.5}[value]

    run = create_run(config)
    knobs = live_knobs.LiveKnobs(run, config, Second(), RunWriter(run, False, None))
    assert not knobs.turn(1, 5) and not asked
    assert knobs.turn(1, 0)
    assert knobs.config.model.bottleneck.k == 3 and knobs.config.training.lr == 0.5


def test_the_card_says_what_was_moved_and_compares_with_no_bound_of_another_loss():
    config = tiny(**VAE, data={"name": "mnist"})
    config = config.model_copy(update={"model": config.model.model_copy(update={"latent_dim": 3})})
    metrics = {"nll_bound": 140.0}
    assert "Kingma" in format_card(config, metrics)
    card = format_card(config, metrics, moves=[KnobRecord(2, 7, {"bottleneck.beta": 4.0})])
    assert "- epoch 2, step 7: bottleneck.beta 4" in card and "Kingma" not in card
    many = [KnobRecord(2, i, {f"name {j}": 1.0 for j in range(100)}) for i in range(3)]
    card = format_card(config, metrics, moves=many)
    assert card.count("- epoch 2") == 100 and "- and 200 more" in card
