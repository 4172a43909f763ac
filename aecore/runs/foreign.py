"""What a run folder from elsewhere may hold: which files, how large, and how it becomes a run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from aecore.data.catalog import CATALOG
from aecore.errors import CheckpointError, HubError
from aecore.files import CARD_FILE, CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, write_text_file
from aecore.hub.client import explain_hub_errors
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import MAX_PARAMETERS, RunConfig
from aecore.model.weights import MAX_CONFIG_BYTES, read_config, read_tensors
from aecore.runs.records import parse_record
from aecore.runs.run import Run

FOREIGN_FILE_LIMITS = {
    CONFIG_FILE: MAX_CONFIG_BYTES,
    WEIGHTS_FILE: 4 * MAX_PARAMETERS + 20_000_000,
    METRICS_FILE: 50_000_000,
    CARD_FILE: 1_000_000,
}
PREVIEW_NAME = re.compile(r"previews/[0-9]{1,9}\.safetensors")
DTYPES = {"U8": torch.uint8, "F32": torch.float32, "F16": torch.float16}  # of previews
MAX_PREVIEWS, MAX_PREVIEW_BYTES = 1100, 200_000_000


def choose_files_to_take(repo: str, sizes: Mapping[str, int | None]) -> list[str]:
    """Which files of a listing to take. HubError where there is no model, or one that is too large.

    Records, card and previews that are too large are left where they are.
    """
    if CONFIG_FILE not in sizes or WEIGHTS_FILE not in sizes:
        raise HubError(
            f"{repo} holds no aecore model (no {CONFIG_FILE} with {WEIGHTS_FILE}). Was it pushed by aecore?"
        )
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if (size := sizes[name]) is None or size > FOREIGN_FILE_LIMITS[name]:
            raise HubError(
                f"{name} of {repo} has {size or 0:,} bytes; the limit is {FOREIGN_FILE_LIMITS[name]:,}."
            )
    names = [
        n
        for n, limit in FOREIGN_FILE_LIMITS.items()
        if (size := sizes.get(n)) is not None and size <= limit
    ]
    previews = [name for name in sizes if PREVIEW_NAME.fullmatch(name)]
    small = sum(sizes[name] or 0 for name in previews) <= MAX_PREVIEW_BYTES
    return names + previews if small and len(previews) <= MAX_PREVIEWS else names


def adopt_run_folder(snapshot: Path, out: Path, repo: str) -> Path:
    """A verified snapshot as a run of its own in `out`, put there in one step."""
    config = strip_local_paths(read_config(snapshot))
    with explain_hub_errors(repo):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=out.parent) as name:
            draft = Path(name) / "run"  # two levels down, where no listing of runs looks
            draft.mkdir()
            copy_files(snapshot, draft, choose_files_to_take(repo, list_file_sizes(snapshot)))
            write_text_file(draft / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
            rows = keep_sound_records(draft / METRICS_FILE)
            keep_sound_previews(draft, config.model.input_shape)
            epochs = config.training.epochs if config.training else 0
            done = max((row["epoch"] for row in rows if row["kind"] == "epoch"), default=epochs)
            Run(draft).write_state(state="done", epoch=done, epochs=epochs, since=time.time())
            os.rename(draft, out)
    return out


def keep_sound_records(path: Path) -> list[dict[str, Any]]:
    """Rewrite a stranger's metrics.jsonl with the lines that are flat, finite records; returns them."""
    if not path.exists():
        return []
    rows = [
        row
        for line in path.read_bytes().splitlines()
        if (row := parse_foreign_record(line)) is not None
    ]
    write_text_file(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows


def parse_foreign_record(line: bytes) -> dict[str, Any] | None:
    """One record as the trainer writes them, or None."""
    row = parse_record(line)
    if row is None or row["kind"] == "test":
        return row
    epoch = row.get("epoch")
    counted = type(epoch) is int and 0 <= epoch <= 100_000
    return row if counted and {"loss", "seconds"} <= set(row) else None


def keep_sound_previews(folder: Path, shape: tuple[int, ...]) -> None:
    """Delete previews that are not a few examples of this shape with their reconstructions, and perhaps codes."""
    for name in list_file_sizes(folder):
        if not PREVIEW_NAME.fullmatch(name):
            continue
        try:
            with safe_open(folder / name, "pt") as file:
                names = list(file.keys())
                header = {key: file.get_slice(key) for key in names}
                shapes = {key: tuple(part.get_shape()) for key, part in header.items()}
                dtypes = {key: DTYPES[part.get_dtype()] for key, part in header.items()}
            if (
                shapes["x"][1:] != shape
                or shapes["reconstruction"] != shapes["x"]
                or len(shapes.get("z", (0, 0))) != 2
            ):
                raise CheckpointError(f"{name} holds other examples than the config says.")
            expected = {"x", "reconstruction"} | ({"z"} if "z" in shapes else set())
            read_tensors(
                folder / name,
                {k: torch.empty(shapes[k], dtype=dtypes[k], device="meta") for k in expected},
            )
        except (CheckpointError, SafetensorError, OSError, KeyError, IndexError, RuntimeError):
            (folder / name).unlink()


def strip_local_paths(config: RunConfig) -> RunConfig:
    """The same run; data named by a path are named by its last part, never by that of a catalog's set."""
    if config.data is None or config.data.name in CATALOG:
        return config
    last = re.split(r"[\\/]+", config.data.name.rstrip("\\/"))[-1].lstrip("~")
    name = "data" if last in ("", ".", "..") else f"./{last}" if last in CATALOG else last
    return config.model_copy(update={"data": config.data.model_copy(update={"name": name})})


def verify_model_loads(folder: Path, name: str) -> None:
    """CheckpointError, about `name`, where the folder's model does not load."""
    try:
        Autoencoder.load(folder)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(folder), name)) from error


def list_file_sizes(folder: Path) -> dict[str, int | None]:
    """Each file below `folder` by its path from there, with its size."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def copy_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy those of the named files that exist, as real files."""
    for name in names:
        if (source / name).is_file():
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, target / name)
