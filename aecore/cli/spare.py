"""`python -m aecore.cli.spare RUNS PIPE`: a trainer that imports first, and then gets its run.

See `aecore.backends.spare`, whose supervisor starts it. It writes the name of a run into the pipe.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from aecore.backends.spare import MAX_NAME_BYTES
from aecore.backends.trainers import limit_run_minutes, take_output
from aecore.cli.parser import main as run_command
from aecore.files import LOG_FILE

TRAINER_MODULES = (
    "aecore.cli.foreground",
    "aecore.training.trainer",
    "aecore.training.together",
    "sklearn.decomposition",  # for networks that begin as PCA
)


def main(root: Path, pipe: int) -> int:
    """Trains the run of the folder that the pipe names; returns the exit status.

    0 as well where the supervisor ends without one.
    """
    for module in TRAINER_MODULES:
        import_module(module)
    name = os.read(pipe, MAX_NAME_BYTES).decode()
    if not name:
        return 0
    os.close(pipe)
    take_output(root / name / LOG_FILE)
    limit_run_minutes()
    return run_command(["resume", str(root / name), "--queued"])


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2])))
