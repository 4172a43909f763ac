"""Run folders from elsewhere: which files are taken, how large, and how they become a run here."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aecore.data.catalog import CATALOG
from aecore.errors import CheckpointError, HubError
from aecore.files import (
    CARD_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    WEIGHTS_FILE,
    is_plain_file,
    write_text_file,
)
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import MAX_PARAMETERS, DataConfig, RunConfig
from aecore.model.config_file import MAX_CONFIG_BYTES
from aecore.model.weights import read_config
from aecore.runs.drafts import PULL_DRAFT, open_draft_folder
from aecore.runs.ownership import claim_folder
from aecore.runs.previews import choose_preview_files, keep_sound_previews
from aecore.runs.record_file import RecordFile
from aecore.runs.records import EpochRecord, KnobRecord, MetricsRecord, Record, encode_record
from aecore.runs.run import Run
from aecore.runs.uploads import find_upload_of_path

FOREIGN_FILE_LIMITS = {
    CONFIG_FILE: MAX_CONFIG_BYTES,
    WEIGHTS_FILE: 4 * MAX_PARAMETERS + 20_000_000,
    METRICS_FILE: 50_000_000,
    CARD_FILE: 1_000_000,
}
MAX_FOREIGN_EPOCHS = 100_000


def choose_files_to_take(repo: str, sizes: Mapping[str, int | None]) -> list[str]:
    """Returns which files of a listing {path: bytes} to take.

    Records, card and previews that are too large are left out. HubError where there is no model, or
    one that is too large.
    """
    if CONFIG_FILE not in sizes or WEIGHTS_FILE not in sizes:
        raise HubError(
            f"{repo} holds no aecore model (no {CONFIG_FILE} with {WEIGHTS_FILE}). "
            "Was it pushed by aecore?"
        )
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        check_foreign_size(repo, name, sizes[name], FOREIGN_FILE_LIMITS[name])
    names = [name for name in FOREIGN_FILE_LIMITS if _is_bearable(name, sizes.get(name))]
    return names + choose_preview_files(sizes)


def check_foreign_size(repo: str, name: str, size: int | None, limit: int) -> None:
    """Raises HubError for a file of a repository that is too large, or of unknown size."""
    if size is None:
        raise HubError(
            f"The Hub does not say how large {name} of {repo} is, so it was not downloaded. "
            "Try again later."
        )
    if size > limit:
        raise HubError(f"{name} of {repo} has {size:,} bytes; the limit is {limit:,}.")


def _is_bearable(name: str, size: int | None) -> bool:
    return size is not None and size <= FOREIGN_FILE_LIMITS[name]


def adopt_run_folder(snapshot: Path, out: Path, repo: str, owner: str = "") -> Path:
    """Copies a verified snapshot to `out` as a run of that owner, which appears in one step."""
    config = strip_local_paths(read_config(snapshot))
    with open_adopted_folder(out, owner) as draft:
        names = choose_files_to_take(repo, list_file_sizes(snapshot))
        copy_files(snapshot, draft, names, follow_links=True)  # of the Hub's cache
        write_text_file(draft / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
        records = keep_sound_records(draft / METRICS_FILE)
        keep_sound_previews(draft, config.model.input_shape)
        epochs = config.training.epochs if config.training else 0
        trained = [record.epoch or 0 for record in records if isinstance(record, EpochRecord)]
        done = max(trained, default=epochs)
        Run(draft).write_state(state="done", epoch=done, epochs=epochs, since=time.time())
    return out


@contextmanager
def open_adopted_folder(out: Path, owner: str = "") -> Iterator[Path]:
    """Gives an empty folder that becomes the run `out` of that owner at the end, in one step."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_draft_folder(PULL_DRAFT, out.parent) as folder:
        draft = folder / "run"  # where no listing of runs looks
        draft.mkdir()
        yield draft
        claim_folder(draft, owner)
        os.rename(draft, out)


def keep_sound_records(path: Path) -> list[Record]:
    """Rewrites a stranger's metrics.jsonl with the records that are sound; returns these."""
    if not os.path.lexists(path):
        return []
    records = [record for record in RecordFile().read(path) if _is_complete(record)]
    write_text_file(path, b"".join(map(encode_record, records)).decode())
    return records


def _is_complete(record: Record) -> bool:
    """Returns whether a record has what every record of its kind has."""
    if isinstance(record, MetricsRecord):
        return True
    if record.epoch is None or not 0 <= record.epoch <= MAX_FOREIGN_EPOCHS:
        return False
    if isinstance(record, KnobRecord):
        return record.step >= 0
    return record.loss is not None and record.seconds is not None


def strip_local_paths(config: RunConfig) -> RunConfig:
    """Returns the config with data at a path named by its last part, never like a catalog's set."""
    if config.data is None or config.data.name in CATALOG:
        return config
    name = cut_folders(config.data.name)
    if name in CATALOG:
        name = f"./{name}"
    return config.model_copy(update={"data": config.data.model_copy(update={"name": name})})


def cut_folders(path: str) -> str:
    """Returns the last part of a path of any system; `data` where it has none."""
    name = re.split(r"[\\/]+", path.rstrip("\\/"))[-1].lstrip("~")
    return "data" if name in ("", ".", "..") else name


def name_data(data: DataConfig) -> str:
    """Returns what people call a data set: its name in the catalog, or of a file, never a path."""
    if data.name in CATALOG:
        return data.name
    upload = find_upload_of_path(data.name)
    return upload.name if upload and upload.source else cut_folders(data.name)


def verify_model_loads(folder: Path, name: str) -> None:
    """Loads the folder's model once; CheckpointError, about `name`, where that fails."""
    with name_in_errors(folder, name):
        Autoencoder.load(folder)


@contextmanager
def name_in_errors(folder: Path, name: str) -> Iterator[None]:
    """Lets a CheckpointError be about `name`, not about a folder of this machine."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(folder), name)) from error


def list_file_sizes(folder: Path) -> dict[str, int | None]:
    """Returns the size in bytes of each file below `folder`, by its path from there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def copy_files(
    source: Path, target: Path, names: Iterable[str], follow_links: bool = False
) -> None:
    """Copies those of the named files that exist; what links lead to with `follow_links`."""
    for name in names:
        if is_plain_file(source / name, follow_links):
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, target / name)
