"""Training in the process of the command: progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from aecore.cli.output import print_metrics
from aecore.errors import AecoreError, RunError
from aecore.files import REMOTE_FILE
from aecore.model.config import RunConfig, TrainConfig
from aecore.runs.records import (
    EpochRecord,
    KnobRecord,
    MetricsRecord,
    PretrainRecord,
    PriorRecord,
    Record,
)
from aecore.runs.run import Run
from aecore.runs.sweep import create_sweep, explain_apart, group_by_seed


def train_here(run: Run, queued: bool = False, signals: list[int] | None = None) -> None:
    """Trains to the end in this process; SIGTERM, SIGALRM and Ctrl-C keep the best model.

    A `queued` run that was stopped on its way from the queue is refused. `signals` is the list of
    `collect_signals` where the caller collects them.
    """
    from aecore.training.trainer import fit

    signals = collect_signals() if signals is None else signals
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one prints
        list(fit(run, lambda: bool(signals)))
        return
    state, total = run.state(), (run.config().training or TrainConfig()).epochs
    is_terminal = sys.stderr.isatty()
    with (
        printed_log(),
        tqdm(total=total, initial=state.epoch, unit="epoch", disable=not is_terminal) as bar,
    ):
        for record in fit(run, lambda: bool(signals), print_progress, queued):
            show_record(record, total, bar)
    tell_end(run, signals)
    print_metrics(run.test_metrics())


def train_seeds(config: RunConfig, count: int) -> None:
    """Trains a config at so many seeds, as a sweep: together where its model allows that."""
    runs = create_sweep([config], count)
    print(f"{runs[0].config().sweep}: {count} seeds of {config.model.variant}", flush=True)
    if obstacle := explain_apart(config):
        print(f"Runs {obstacle} train one after another.", flush=True)
    train_runs(runs)


def train_runs(runs: Sequence[Run]) -> None:
    """Trains what is left of runs: those of one shape together, the others one after another.

    A signal ends them all, and a failure only the runs that it concerns. RunError where nothing is
    left to train, and in the end where some failed.
    """
    from aecore.training.together import arrange_groups

    left = [run for run in runs if run.state().state != "done" and not run.is_locked()]
    if not left:
        raise RunError("All its runs are done, or are being trained already.")
    signals = collect_signals()
    errors: list[str] = []
    for group in arrange_groups(left):
        if signals:
            break
        try:
            train_group_here(group, signals)
        except AecoreError as error:
            errors.append(str(error) if len(group) > 1 else f"{group[0].id}: {error}")
    if errors:
        raise RunError(" ".join(errors))


def train_group_here(group: Sequence[Run], signals: list[int]) -> None:
    """Trains a run alone, or several together, in this process, wherever they were before."""
    for run in group:
        (run.path / REMOTE_FILE).unlink(missing_ok=True)  # from now on it is here
    if len(group) > 1:
        train_together_here(group, signals=signals)
    else:
        train_here(group[0], signals=signals)


def train_together_here(
    runs: Sequence[Run], queued: bool = False, signals: list[int] | None = None
) -> None:
    """Trains runs of one shape together to their ends in this process; signals are as there.

    Where all are done, prints the mean and the deviation of their metrics.
    """
    from aecore.training.together import fit_together

    signals = collect_signals() if signals is None else signals
    epochs = (runs[0].config().training or TrainConfig()).epochs
    done, total = sum(run.state().epoch for run in runs), epochs * len(runs)
    is_terminal = sys.stderr.isatty()
    try:
        with (
            printed_log(),
            tqdm(total=total, initial=done, unit="epoch", disable=not is_terminal) as bar,
        ):
            for run, record in fit_together(runs, lambda: bool(signals), print_progress, queued):
                show_record(record, epochs, bar, f"{run.id}  ")
    finally:
        for run in runs:
            tell_end(run, signals)
    for group in group_by_seed(runs):
        print_metrics({name: str(estimate) for name, estimate in group.metrics().items()})


def tell_end(run: Run, signals: Sequence[int]) -> None:
    """Prints how a run ended, and notes in it where its time was up."""
    if signal.SIGALRM in signals and run.state().state == "stopped":
        run.write_state(error="Its time was up; the best model so far is kept. Resume it to go on.")
    state = run.state()
    print(f"{run.id}: {state.state} after {state.epoch} of {state.epochs} epochs, in {run.path}")


class BarHandler(logging.Handler):
    """Prints what is logged, above a bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record))


@contextmanager
def printed_log() -> Iterator[None]:
    """Prints what the trainer logs."""
    log, handler = logging.getLogger("aecore.training"), BarHandler()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)


def collect_signals() -> list[int]:
    """Returns a list to which every signal is added that asks this process to end from now on."""
    signals: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):  # the last: its time is up
        signal.signal(signum, lambda number, _: signals.append(number))
    return signals


def show_record(record: Record, total: int, bar: tqdm, label: str = "") -> None:
    """Prints a record as a line behind a label, or moves the bar where there is one."""
    if isinstance(record, MetricsRecord):
        return
    if bar.disable:
        print(label + format_record(record, total), flush=True)
    elif isinstance(record, EpochRecord):
        bar.set_postfix(loss=f"{record.loss:.4g}")
        bar.update()


def format_record(
    record: EpochRecord | PretrainRecord | PriorRecord | KnobRecord, total: int
) -> str:
    """Returns a record as a plain line; `total` is the number of epochs of the run."""
    if isinstance(record, KnobRecord):
        moves = ", ".join(f"{path} {value:g}" for path, value in record.knobs.items())
        return f"epoch {record.epoch}/{total}  from step {record.step} on: {moves}"
    if isinstance(record, PretrainRecord):
        parts = [f"layer {record.layer} epoch {record.epoch}", f"loss {record.loss:.4f}"]
    else:
        place = "prior epoch" if isinstance(record, PriorRecord) else "epoch"
        number = record.epoch if isinstance(record, PriorRecord) else f"{record.epoch}/{total}"
        parts = [f"{place} {number}", f"loss {record.loss:.4f}"]
        if record.validation_loss is not None:
            parts.append(f"validation {record.validation_loss:.4f}")
    return "  ".join([*parts, f"{record.seconds:.1f} s"])


def print_progress(activity: str, share: float) -> None:
    """Prints on a terminal how far a download is."""
    if sys.stderr.isatty():
        end = "\n" if share >= 1 else ""
        print(f"\r{activity} {share:4.0%}", end=end, file=sys.stderr, flush=True)
