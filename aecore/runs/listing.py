"""The runs that there are: where they live, how one is created, found and listed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.errors import CheckpointError, RunError
from aecore.files import CONFIG_FILE, SHIPPED_FOLDER, write_text_file
from aecore.limits import is_public
from aecore.model.training import TrainConfig
from aecore.runs.run import START_SECONDS, Run
from aecore.runs.storage_probe import check_storage

if TYPE_CHECKING:
    from aecore.model.config import RunConfig

# The beginnings of the names of shipped runs, in the order of listings; as in .gitignore
SHIPPED_PREFIXES = (
    "mnist-",
    "digits-",
    "breast-cancer-",
    "swiss-roll-",
    "s-curve-",
    "circles-",
    "photos-",
)


def runs_folder() -> Path:
    """Returns the folder where runs live: $AECORE_RUNS, or checkpoints/ in the current folder."""
    return Path(os.environ.get("AECORE_RUNS", "checkpoints"))


def create_run(config: RunConfig, folder: Path | None = None) -> Run:
    """Creates a run folder, queued. RunError where `folder` is taken or cannot be written."""
    path = folder or runs_folder() / make_run_id(config)
    try:
        path.mkdir(parents=True, exist_ok=False)
    except FileExistsError as error:
        if folder is None and path.is_dir():  # many runs of one minute may draw the same letters
            return create_run(config)
        raise RunError(
            f"{path} exists already. Choose another folder, or resume that run."
        ) from error
    except OSError as error:
        raise RunError(
            f"{path} cannot be made: {error.strerror}. Choose another folder."
        ) from error
    try:
        check_storage(path)
    except RunError:
        with suppress(OSError):
            path.rmdir()
        raise
    run = Run(path)
    epochs = (config.training or TrainConfig()).epochs
    try:
        write_text_file(path / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
        run.write_state(state="queued", epochs=epochs, since=time.time())
    except OSError as error:  # most often a full disk
        shutil.rmtree(path, ignore_errors=True)
        raise RunError(f"{path} cannot be made: {error.strerror or error}.") from error
    return run


def create_shared_run(config: RunConfig, folder: Path | None, first: bool) -> Run:
    """Returns the run that several processes train in `folder`; the first one creates it if needed.

    RunError where there is no folder that all of them know, or where it holds another run.
    """
    if folder is None:
        raise RunError("Several processes need one folder to meet in. Give it with --out.")
    if first and not (folder / CONFIG_FILE).is_file():
        create_run(config, folder)
    deadline = time.monotonic() + START_SECONDS
    while not (folder / CONFIG_FILE).is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    run = Run(folder)
    if run.config() != config:
        raise RunError(f"{folder} holds a run of other settings. Choose another folder.")
    return run


def make_run_id(config: RunConfig) -> str:
    """Returns a new id: time, variant, data and four random letters, 1122-2105-vae-digits-3fa9."""
    source = Path(config.data.name if config.data else "model").stem.lower()
    data = re.sub(r"[^a-z0-9]+", "-", source)[:24].strip("-")
    return f"{datetime.now():%m%d-%H%M}-{config.model.variant}-{data}-{secrets.token_hex(2)}"


def name_pulled_run(name: str) -> str:
    """Returns an id for a run from elsewhere: the name, or among strangers one that is nobody's.

    So no visitor learns which names are taken.
    """
    return f"{name}-{secrets.token_hex(3)}" if is_public() else name


def find_run(name: str | Path) -> Run:
    """Returns the run of that id or folder; RunError lists what there is."""
    for path in (Path(name), runs_folder() / name, SHIPPED_FOLDER / name):
        with suppress(OSError):  # a name too long for a file
            if (path / CONFIG_FILE).is_file():
                return Run(path)
    known = ", ".join(run.id for run in list_runs()[:8]) or "none yet"
    with suppress(OSError, ValueError):
        if Path(name).is_dir():
            raise RunError(f"{name} is a folder without {CONFIG_FILE}, so no run. Known: {known}.")
    raise RunError(f"There is no run {str(name)[:80]!r} in {runs_folder()}. Known: {known}.")


def list_runs() -> list[Run]:
    """Returns every run: the user's newest first, then the shipped ones by name, each name once."""
    shipped = [path for path in _run_folders(SHIPPED_FOLDER) if is_shipped_run(path)]
    users = [path for path in _run_folders(runs_folder()) if not _leads_to_shipped_run(path)]
    users.sort(key=_time_created, reverse=True)
    taken = {path.name for path in users}
    others = [path for path in sorted(shipped, key=_shipped_order) if path.name not in taken]
    return [Run(path) for path in [*users, *others]]


def is_shipped_run(path: Path) -> bool:
    """Returns whether a run came with the code; its name begins with what it was trained on."""
    return path.name.startswith(SHIPPED_PREFIXES) and path.parent.resolve() == SHIPPED_FOLDER


def has_sound_config(run: Run) -> bool:
    """Returns whether the run's config is sound, so that listings can go past one that is not."""
    try:
        run.config()
    except CheckpointError:
        return False
    return True


def is_sweep(name: str) -> bool:
    """Returns True where a run says that it is of the sweep of this name."""
    for run in list_runs():
        with suppress(CheckpointError):
            if run.names().sweep == name:
                return True
    return False


def check_run_id(text: str) -> str:
    """Checks a run id from an address, which a stranger may have written: a name, never a path."""
    if text != Path(text).name or text.startswith("."):
        raise RunError(f"{text[:80]!r} is no run id.")
    return text


def _run_folders(parent: Path) -> list[Path]:
    folders = [path.parent for path in parent.glob(f"*/{CONFIG_FILE}")] if parent.is_dir() else []
    return [path for path in folders if path.name.isprintable()]  # the others cannot be shown


def _leads_to_shipped_run(path: Path) -> bool:
    """Returns True for a shipped run in the folder of runs, and for a link to one."""
    return is_shipped_run(path.resolve() if path.is_symlink() else path)


def _time_created(path: Path) -> float:
    try:
        return (path / CONFIG_FILE).stat().st_mtime
    except OSError:  # deleted a moment ago
        return 0.0


def _shipped_order(path: Path) -> tuple[int, str]:
    is_prefix = [path.name.startswith(prefix) for prefix in SHIPPED_PREFIXES]
    return is_prefix.index(True), path.name
