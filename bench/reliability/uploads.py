"""Files that visitors bring: odd, torn, of few bytes and much content."""

from __future__ import annotations

import functools
import logging
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from aecore.analysis.pictures import draw_grid
from aecore.data.describe import holds_table
from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.data.splits import as_float
from aecore.data.tables.filling import make_frame
from aecore.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.runs.uploads import (
    UploadedData,
    create_upload,
    guess_settings,
    list_uploads,
)
from aecore.tasks.compress import compress_examples, expand_file
from bench.reliability import odd_pictures, odd_tables
from bench.reliability.part import Outcome, Part
from bench.reliability.run_visit import describe_fault, send_to_browser
from bench.reliability.sandbox import Verdict, try_case
from bench.reliability.scratch import compare_trees, record_tree
from ui.data.columns import describe_column
from ui.data.preview import SHOWN_PICTURES, SHOWN_ROWS
from ui.kit.cache import load_cached_data, load_cached_table

MODEL = "mnist-vae"  # whose compressed files are opened
COPIED = 1_000_000  # bytes of a file at a time

Maker = Callable[[random.Random, Path], Path]


def make_packed(rng: random.Random, folder: Path) -> Path:
    """Writes a file that Compress wrote, spoiled."""
    model = load_packing_model()
    x = torch.rand(rng.choice((1, 20)), *model.config.input_shape)
    data = odd_tables.spoil_packed(rng, compress_examples(model, x))
    return odd_pictures.write_file(folder, "packed.aez", data)


@functools.cache
def load_packing_model() -> Autoencoder:
    """Returns the model of the compressed files."""
    return Autoencoder.load(MODEL)


MAKERS: tuple[Maker, ...] = (  # those that stand twice are drawn twice as often
    odd_pictures.make_odd_picture,
    odd_pictures.make_odd_picture,
    odd_pictures.make_huge_picture,
    odd_pictures.make_bomb_chunks,
    odd_pictures.make_odd_heic,
    odd_pictures.make_odd_tiff,
    odd_pictures.make_odd_metadata,
    odd_pictures.make_archive_of_archives,
    odd_pictures.make_small_zip,
    odd_pictures.make_small_zip,
    odd_pictures.make_lying_zip,
    odd_pictures.make_lying_zip,
    odd_pictures.make_crowded_zip,
    odd_pictures.make_heavy_zip,
    odd_pictures.make_nested_zip,
    odd_tables.make_odd_csv,
    odd_tables.make_odd_csv,
    odd_tables.make_odd_csv,
    odd_tables.make_large_csv,
    odd_tables.make_odd_parquet,
    odd_tables.make_odd_parquet,
    odd_tables.make_dense_parquet,
    odd_tables.make_picture_parquet,
    odd_tables.make_odd_npz,
    odd_tables.make_odd_npz,
    odd_tables.make_dense_npz,
    odd_tables.make_odd_npy,
    odd_tables.make_odd_npy,
    odd_tables.make_large_npy,
    make_packed,
    make_packed,
)
ODD_NAMES = (
    "{}",
    "a b {}",
    "\u202e{}",
    "<img src=x>{}",
    "../{}",
    "=1+1{}",
    "x" * 150 + "{}",
    "é{}",
)


def run_uploads(seed: int, cases: range) -> Outcome:
    """Brings a file in each case, and looks at it as the Data page does."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    torch.set_num_threads(1)
    load_packing_model()
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="aecore-reliability-") as name:
        for number in cases:
            text, verdict, changed = try_upload(seed, number, Path(name) / "case")
            fault = verdict.text if verdict.kind == "broken" else changed
            told = f"{number}: {text}: {fault}" if fault else ""
            outcome.add("broken" if fault else verdict.kind, told)
            outcome.see_peak("s", verdict.seconds)
            outcome.see_peak("GB of memory", verdict.memory / 1e9)
    return outcome


def try_upload(seed: int, number: int, case: Path) -> tuple[str, Verdict, str]:
    """Returns what was brought, how that ended, and what was written outside the set's folder."""
    rng = random.Random(f"uploads {seed} {number}")
    shutil.rmtree(case, ignore_errors=True)
    for name in ("brought", "runs", "tmp", "home"):
        (case / name).mkdir(parents=True)
    make = rng.choice(MAKERS)
    pattern = rng.choice(ODD_NAMES if rng.random() < 0.1 else ODD_NAMES[:1])
    file = make_apart(make, rng, case / "brought")
    name = pattern.format(file.name)
    label = f"{make.__name__} ({file.stat().st_size:,} bytes)"
    before = record_tree(case / "brought")
    verdict = try_case(functools.partial(visit_upload, file, name, case))
    return label, verdict, compare_trees(before, record_tree(case / "brought"))


def make_apart(make: Maker, rng: random.Random, folder: Path) -> Path:
    """Writes a file in a process of its own: what that takes of memory is no case's."""
    drafts, ready = folder / "drafts", folder / "ready"
    for place in (drafts, ready):
        place.mkdir()
    pid = os.fork()
    if not pid:
        try:
            path = make(rng, drafts)
            path.rename(ready / path.name)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return next(ready.iterdir())


def visit_upload(file: Path, name: str, case: Path) -> str:
    """Brings a file in the forked process, on a public Space, and shows it."""
    os.environ.update(
        AECORE_PUBLIC="1",
        AECORE_RUNS=str(case / "runs"),
        AECORE_CACHE=str(case / "home"),
        HOME=str(case / "home"),
        TMPDIR=str(case / "tmp"),
    )
    tempfile.tempdir = None
    try:
        upload = bring_file(file, name)
        if file.suffix == ".aez":
            assert upload.source is not None
            x = expand_file(load_packing_model(), upload.source.read_bytes())
            send_to_browser(draw_grid(x[:SHOWN_PICTURES]))
        else:
            show_upload(upload)
    except AecoreError as error:
        str(error).encode()
        return str(error)
    except Exception as error:
        raise RuntimeError(describe_fault("upload", error)) from error
    return ""


def bring_file(file: Path, name: str) -> UploadedData:
    """Stores a file as the route of uploads does."""
    upload = create_upload()
    with upload.receiving(name) as out, open(file, "rb") as content:
        shutil.copyfileobj(content, out, COPIED)
    if name.lower().endswith(IMAGE_SUFFIXES):  # one picture alone is no set
        for i in range(3):
            with upload.receiving(f"good-{i}.png") as out:
                out.write(odd_pictures.encode_picture(random.Random(i)))
    return upload


def show_upload(upload: UploadedData) -> None:
    """Reads a set and shows it, as the Data page does; deletes it."""
    upload.save(guess_settings(upload))
    config = upload.config()
    dataset = load_cached_data(config)
    send_to_browser([*dataset.notes, *dataset.classes[:50], upload.name])
    source = Path(config.name)
    assert upload.size() and upload in list_uploads()
    if holds_table(source):
        table = load_cached_table(config)
        rows = [describe_column(column) for column in table.columns]
        send_to_browser([pd.DataFrame(rows), make_frame(table, SHOWN_ROWS)])
    elif dataset.kind == "image":
        send_to_browser(draw_grid(as_float(dataset.train.x[:SHOWN_PICTURES]), 8))
    else:
        rows_shown = dataset.train.x[:SHOWN_ROWS].numpy()
        send_to_browser(pd.DataFrame(rows_shown, columns=list(dataset.columns)))
    upload.delete()


PART = Part(
    "uploads",
    "Files that visitors bring to a public Space: archives of 100,000 members and in archives, "
    "torn HEIC, TIFF of many bands, metadata that makes no sense, bombs and pictures "
    "of few bytes and many pixels, Parquet and .npz that decode to gigabytes, headers that lie, "
    "compressed files that lie, tables of odd encodings, quotes, columns and cells, torn files. "
    "Each is stored, guessed, read and previewed as on the Data page, or refused with a sentence.",
    600,
    20,
    run_uploads,
)
