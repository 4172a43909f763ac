"""The other side, inside a job and beside the trainer: it tells the run's news in the log and delivers the result.

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
from aecore.backends.package import PACKAGE_FOLDER, encode_file_lines, is_wanted_file
from aecore.backends.slots import RESTARTS, trainer_command
from aecore.files import LOG_FILE, METRICS_FILE, PREVIEWS_FOLDER
from aecore.runs.previews import is_preview_name
from aecore.runs.run import FINAL_STATES, Run
from aecore.training.ranks import end_with_parent

LOOK_SECONDS = 0.5
DELIVER_SECONDS = 120.0  # between two deliveries to the Hub: a job may be ended without a word
LAST_ORDERS = 0.9  # share of a job's time after which the trainer is stopped
SIGNAL_SECONDS = 1.0  # an engine may signal the trainer, too; torchrun must not be told twice
LOG_PREVIEW = 200_000  # bytes of a preview that may go by the log


def print_news(row: dict[str, Any]) -> None:
    """One line of news."""
    sys.stdout.write(NEWS_MARK + json.dumps(row) + "\n")
    sys.stdout.flush()


class Narrator:
    """Tells what changes in a run folder."""

    def __init__(self, run: Run):
        self.run = run
        self.state = ""
        self.read = self.size()
        self.seen = {path.name for _, path in run.previews()}

    def size(self) -> int:
        path = self.run.path / METRICS_FILE
        return path.stat().st_size if path.exists() else 0

    def tell(self) -> None:
        """The state if it is another, new records, new previews."""
        self.tell_records()
        for _, path in self.run.previews():
            if path.name not in self.seen and path.stat().st_size < LOG_PREVIEW:
                deliver_by_log(self.run.path, f"{PREVIEWS_FOLDER}/{path.name}")
            self.seen.add(path.name)
        state = self.run.saved_state()
        if state and (text := state.model_dump_json(exclude={"since"})) != self.state:
            self.state = text
            print_news({"state": json.loads(text)})

    def tell_records(self) -> None:
        if self.size() <= self.read:
            return
        with open(self.run.path / METRICS_FILE, "rb") as file:
            file.seek(self.read)
            whole = file.read().rpartition(b"\n")
        self.read += len(whole[0]) + len(whole[1])
        for line in whole[0].splitlines():
            print_news({"record": json.loads(line)})


def deliver_by_log(folder: Path, name: str) -> None:
    for line in encode_file_lines(folder, name):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def deliver_to_log(run: Run) -> None:
    """The whole result, in lines."""
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path).as_posix()
        if path.is_file() and is_wanted_file(name) and not is_preview_name(name):
            deliver_by_log(run.path, name)


def deliver_to_hub(run: Run, repo: str, last: bool = False) -> None:
    """The whole result, as one commit; the last one takes the package away."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ["HF_TOKEN"])
    names = [
        path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()
    ]
    wanted = [name for name in names if is_wanted_file(name)]
    api.upload_folder(
        repo_id=repo,
        folder_path=run.path,
        allow_patterns=wanted,
        commit_message="Trained by a job",
        delete_patterns="job.zip" if last else None,
    )


def start_trainer(run: Run, processes: int) -> subprocess.Popen[bytes]:
    """The trainer: one process, or several under torchrun. It does not outlive this one."""
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


def listen_for_signals() -> list[tuple[float, int]]:
    """From now on: when which signal came."""
    told: list[tuple[float, int]] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(signum, lambda number, _: told.append((time.monotonic(), number)))
    return told


def watch_trainer(
    run: Run,
    process: subprocess.Popen[bytes],
    told: list[tuple[float, int]],
    deliver: Callable[[], None] | None,
    alone: bool,
) -> int:
    """Tell the news until the trainer, `alone` or under torchrun, has ended; its exit status. It hears of a signal."""
    narrator, delivered = Narrator(run), time.monotonic()
    while process.poll() is None:
        narrator.tell()
        if told and time.monotonic() - told[0][0] > SIGNAL_SECONDS and takes_signals(run):
            process.send_signal(
                signal.SIGALRM if alone and told[0][1] == signal.SIGALRM else signal.SIGTERM
            )
            told[0] = (math.inf, 0)
        if deliver and time.monotonic() - delivered > DELIVER_SECONDS:
            deliver()
            delivered = time.monotonic()
        time.sleep(LOOK_SECONDS)
    narrator.tell()
    return int(process.returncode)


def takes_signals(run: Run) -> bool:
    """Whether the trainer takes signals: before that they would end it without a word."""
    state = run.saved_state()
    return state is not None and state.state == "running"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--processes", type=int, default=1, help="0: one for each GPU")
    options.add_argument(
        "--minutes", type=int, default=0, help="when the engine ends the job; 0 never"
    )
    options.add_argument("--hub", metavar="USER/NAME")
    chosen = options.parse_args()
    run, told = Run(Path(PACKAGE_FOLDER).resolve()), listen_for_signals()
    if chosen.minutes:
        signal.alarm(
            max(3, round(chosen.minutes * 60 * LAST_ORDERS) - 60)
        )  # in time to save and to deliver
    processes = chosen.processes or max(1, torch.cuda.device_count())
    process = start_trainer(run, processes)
    deliver = (lambda: deliver_to_hub(run, chosen.hub)) if chosen.hub else None
    status = watch_trainer(run, process, told, deliver, alone=processes == 1)
    state = run.saved_state()
    if state is None or state.state not in FINAL_STATES:  # it died without a word
        reason = f"signal {-status}" if status < 0 else f"exit status {status}"
        print_news(
            {
                "state": {"state": "failed", "error": f"The trainer died ({reason})."},
                "log": run.log_tail()[-4000:],
            }
        )
    deliver_to_hub(run, chosen.hub, last=True) if chosen.hub else deliver_to_log(run)
    return 0 if state is not None and state.state in ("done", "stopped") else 1


if __name__ == "__main__":
    sys.exit(main())
