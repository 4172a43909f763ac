"""The other side, inside a job and beside the trainer: reports in the log, delivers the result.

    python -m aecore.backends.job [--processes N] [--minutes M] [--hub user/name]

in the unpacked package. Each line that begins with `AE {` is for the one who sent the run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aecore.backends.base import NEWS_MARK
from aecore.backends.package import (
    PACKAGE_FILE,
    PACKAGE_FOLDER,
    encode_file_lines,
    is_wanted_file,
)
from aecore.backends.trainers import RESTARTS, trainer_command
from aecore.files import LOG_FILE, METRICS_FILE, PREVIEWS_FOLDER
from aecore.runs.previews import is_preview_name
from aecore.runs.run import Run
from aecore.runs.state import FINAL_STATES
from aecore.training.torchrun import end_with_parent

LOOK_SECONDS = 0.5
DELIVER_SECONDS = 120.0  # between two deliveries to the Hub: a job may be ended without a word
TRAINING_SHARE = 0.9  # of a job's time, after which the trainer is stopped
SIGNAL_SECONDS = 1.0  # an engine may signal the trainer, too; torchrun must not be told twice
MAX_LOGGED_PREVIEW = 200_000  # bytes of a preview that may go by the log
MAX_LOGGED_END = 4000  # characters of the trainer's own log that are reported when it dies


class Narrator:
    """Reports in the log what changes in a run folder."""

    def __init__(self, run: Run):
        self.run = run
        self.state = ""  # as last reported
        self.position = self.records_size()  # in metrics.jsonl, up to which it is reported
        self.previews = {path.name for _, path in run.previews()}

    def records_size(self) -> int:
        path = self.run.path / METRICS_FILE
        return path.stat().st_size if path.exists() else 0

    def tell(self) -> None:
        """Reports new records and previews, and the state if it is another."""
        self.tell_records()
        self.tell_previews()
        state = self.run.saved_state()
        text = state.model_dump_json(exclude={"since"}) if state else ""
        if state and text != self.state:
            self.state = text
            print_news({"state": json.loads(text)})

    def tell_records(self) -> None:
        if self.records_size() <= self.position:
            return
        with open(self.run.path / METRICS_FILE, "rb") as file:
            file.seek(self.position)
            lines, newline, _ = file.read().rpartition(b"\n")
        self.position += len(lines) + len(newline)
        for line in lines.splitlines():
            print_news({"record": json.loads(line)})

    def tell_previews(self) -> None:
        for _, path in self.run.previews():
            if path.name not in self.previews and path.stat().st_size < MAX_LOGGED_PREVIEW:
                deliver_by_log(self.run.path, f"{PREVIEWS_FOLDER}/{path.name}")
            self.previews.add(path.name)


class SignalRecorder:
    """Records when which signal came, from the moment that it is made."""

    def __init__(self) -> None:
        self.received: list[tuple[float, int]] = []
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(signum, self.record)

    def record(self, signum: int, _: object) -> None:
        self.received.append((time.monotonic(), signum))

    def due_signal(self) -> int | None:
        """Returns the first signal once it is old enough to be passed on; None before and after."""
        if not self.received or time.monotonic() - self.received[0][0] <= SIGNAL_SECONDS:
            return None
        return self.received[0][1]

    def mark_passed_on(self) -> None:
        self.received[0] = (math.inf, 0)


def start_trainer(run: Run, processes: int) -> subprocess.Popen[bytes]:
    """Starts the trainer, alone or as several under torchrun; it does not outlive this process."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
    environment |= {**RESTARTS, "OMP_WAIT_POLICY": "PASSIVE"}
    with open(run.path / LOG_FILE, "wb") as log:
        return subprocess.Popen(
            trainer_command(run.path, processes),
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,
        )


def watch_trainer(
    run: Run,
    process: subprocess.Popen[bytes],
    signals: SignalRecorder,
    deliver: Callable[[], None] | None,
    alone: bool,
) -> int:
    """Reports until the trainer, `alone` or under torchrun, has ended; returns its exit status.

    Signals that come are passed on to the trainer; `deliver` is called every two minutes.
    """
    narrator, delivered = Narrator(run), time.monotonic()
    while process.poll() is None:
        narrator.tell()
        signum = signals.due_signal()
        if signum is not None and takes_signals(run):
            is_alarm = alone and signum == signal.SIGALRM
            process.send_signal(signal.SIGALRM if is_alarm else signal.SIGTERM)
            signals.mark_passed_on()
        if deliver and time.monotonic() - delivered > DELIVER_SECONDS:
            deliver()
            delivered = time.monotonic()
        time.sleep(LOOK_SECONDS)
    narrator.tell()
    return int(process.returncode)


def takes_signals(run: Run) -> bool:
    """Returns True where the trainer takes signals: earlier they would end it without a word."""
    state = run.saved_state()
    return state is not None and state.state == "running"


def print_news(row: dict[str, Any]) -> None:
    """Prints one line of news."""
    sys.stdout.write(NEWS_MARK + json.dumps(row) + "\n")
    sys.stdout.flush()


def report_death(run: Run, status: int) -> None:
    """Reports that the trainer ended without saying why, with the end of its log."""
    reason = f"signal {-status}" if status < 0 else f"exit status {status}"
    state = {"state": "failed", "error": f"The trainer died ({reason})."}
    print_news({"state": state, "log": run.log_tail()[-MAX_LOGGED_END:]})


def deliver_by_log(folder: Path, name: str) -> None:
    """Prints one file of the run folder, in lines."""
    for line in encode_file_lines(folder, name):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def deliver_to_log(run: Run) -> None:
    """Prints the whole result, in lines."""
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path).as_posix()
        if path.is_file() and is_wanted_file(name) and not is_preview_name(name):
            deliver_by_log(run.path, name)


def deliver_to_hub(run: Run, repo: str, last: bool = False) -> None:
    """Pushes the whole result as one commit; the last one deletes the package."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ["HF_TOKEN"])
    names = [
        path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()
    ]
    api.upload_folder(
        repo_id=repo,
        folder_path=run.path,
        allow_patterns=[name for name in names if is_wanted_file(name)],
        commit_message="Trained by a job",
        delete_patterns=PACKAGE_FILE if last else None,
    )


def parse_job_options() -> argparse.Namespace:
    """Returns the options of this command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=1, help="0: one for each GPU")
    parser.add_argument(
        "--minutes", type=int, default=0, help="when the engine ends the job; 0 never"
    )
    parser.add_argument("--hub", metavar="USER/NAME")
    return parser.parse_args()


def main() -> int:
    """Trains the packaged run and delivers the result; exit status 0 where it ended well."""
    options = parse_job_options()
    run, signals = Run(Path(PACKAGE_FOLDER).resolve()), SignalRecorder()
    if options.minutes:  # in time to save and to deliver
        signal.alarm(max(3, round(options.minutes * 60 * TRAINING_SHARE) - 60))
    processes = options.processes or max(1, torch.cuda.device_count())
    process = start_trainer(run, processes)
    deliver = (lambda: deliver_to_hub(run, options.hub)) if options.hub else None
    status = watch_trainer(run, process, signals, deliver, alone=processes == 1)
    state = run.saved_state()
    if state is None or state.state not in FINAL_STATES:
        report_death(run, status)
    if options.hub:
        deliver_to_hub(run, options.hub, last=True)
    else:
        deliver_to_log(run)
    return 0 if state is not None and state.state in ("done", "stopped") else 1


if __name__ == "__main__":
    sys.exit(main())
