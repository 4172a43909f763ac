"""A run as a folder with a page that needs no server: explorer, network and map of its codes.

It opens from a disk and from any web server, and asks nobody for anything. A free static Space can
hold it.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import (
    Plane,
    Projection,
    decoding_errors,
    fit_principal_plane,
    preserved_neighbour_shares,
    project_codes,
)
from aecore.analysis.projection_job import PROJECTION_LIMITS
from aecore.analysis.units import measure_units
from aecore.data.splits import Dataset
from aecore.data.stand_in import load_data_or_stand_in
from aecore.errors import CheckpointError, ConfigError
from aecore.explorer.epochs import pack_saved_epochs
from aecore.explorer.packs import MapInputs, PackArrays, encode_map_pack, encode_model_pack
from aecore.explorer.page_texts import TRAINER_FILE, write_page_texts
from aecore.explorer.unit_pack import encode_unit_pack
from aecore.files import CARD_FILE, write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.progress import progress_part, track_progress
from aecore.runs.drafts import PAGE_DRAFT, open_draft_folder
from aecore.runs.foreign import strip_local_paths
from aecore.runs.run import Run
from aecore.runs.unit_names import read_unit_names

PAGE_POINTS = 10_000
PAGE_CODE_VALUES = 1_280_000  # of all codes on a page: wider ones are of fewer inputs
PAGE_INPUT_BYTES = 8_000_000  # at most so much of the inputs
TRAINABLE_INPUT_BYTES = 800_000  # where one can train, too: 1,000 digits of 28 x 28 pixels
EPOCH_VALUES = 4000  # of the codes that are tracked over the epochs
MIN_EPOCH_POINTS = 50  # with fewer tracked points there is no map of earlier epochs
MAP_NAMES: dict[Projection, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MODEL_PACK = "model.bin"
UNIT_PACK = "units.bin"
OTHER_FILES = {CARD_FILE}  # of a Space: the folder of a page may hold it, too
FIRST_LETTER = 0x3400  # from here on 32,768 letters are no control, quote or half of a pair
LETTER_BITS = 15


class ExportedPage(NamedTuple):
    """A page that was written."""

    folder: Path
    size: int  # bytes, of all files
    remark: str  # about data that stands in for the run's own; else empty


class PageMap(NamedTuple):
    """Where the inputs lie on one map of the page."""

    positions: np.ndarray  # (N, 2)
    axes: list[str]
    plane: Plane | None  # None where positions have no code


def export_static_page(
    run: Run,
    out: Path,
    *,
    points: int | None = None,
    maps: Sequence[Projection] = ("pca",),
    thumbnails: bool = False,
    trainable: bool = False,
    repo: str = "",
) -> ExportedPage:
    """Write the page of a run to `out`, which is created, or is empty, or holds an older page.

    `points` of the test set are on each of the `maps`: 10,000, or fewer of wide codes, where it is
    None. `thumbnails` puts the inputs themselves on
    it: only where the data's licence allows that. `repo` is the model's repository on the Hub, to
    link to. Raises ConfigError for impossible options, CheckpointError and DataError where model or
    data are unsound or missing.
    """
    check_page_options(points, maps)
    model = Autoencoder.load(run.path)
    points = points or min(PAGE_POINTS, PAGE_CODE_VALUES // model.config.latent_dim)
    dataset, remark = load_data_or_stand_in(run.config())
    with progress_part(0.0, 0.2):
        map_inputs = encode_map_inputs(run, model, dataset, points)
    room = TRAINABLE_INPUT_BYTES if trainable else PAGE_INPUT_BYTES
    packs = {
        MODEL_PACK: encode_model_pack(
            model, map_inputs, input_bytes=room if thumbnails else 0, compact=True
        )
    }
    with progress_part(0.4, 0.8):
        statistics = measure_units(model, map_inputs.x)
    is_sparse = model.config.bottleneck.is_sparse
    packs[UNIT_PACK] = encode_unit_pack(statistics, read_unit_names(run.path), is_sparse)
    titles = {f"{name}.bin": MAP_NAMES[name] for name in dict.fromkeys(maps)}
    with progress_part(0.8, 0.95):
        for name in track_progress(list(dict.fromkeys(maps))):
            pack = encode_projected_map(run, map_inputs, name, thumbnails, not remark)
            packs[f"{name}.bin"] = pack
    texts = write_page_texts(
        strip_local_paths(run.config()),
        {"model": MODEL_PACK, "maps": titles, "units": UNIT_PACK},
        remark=remark,
        repo=repo,
        trainable=trainable,
    )
    write_page_files(out, texts, packs)
    return ExportedPage(out, sum(path.stat().st_size for path in out.iterdir()), remark)


def zip_static_page(run: Run, *, thumbnails: bool = False, trainable: bool = False) -> bytes:
    """Return the page of a run as a .zip; raises what `export_static_page` does."""
    with open_draft_folder(PAGE_DRAFT) as folder:
        page = export_static_page(run, folder, thumbnails=thumbnails, trainable=trainable)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(page.folder.iterdir()):
                archive.write(path, f"{run.id}/{path.name}")
        return buffer.getvalue()


def list_optional_files() -> set[str]:
    """Return the names of all packs and scripts that some exports leave in the folder."""
    names = [MODEL_PACK, UNIT_PACK, *(f"{name}.bin" for name in MAP_NAMES)]
    return {TRAINER_FILE, *(file for name in names for file in (name, f"{name}.js"))}


# -- what is on the page


def check_page_options(points: int | None, maps: Sequence[str]) -> None:
    """Raise ConfigError for too few points or an unknown map."""
    if points is not None and points < 2:
        raise ConfigError(f"A map needs 2 points or more, got {points}.")
    unknown = [name for name in maps if name not in MAP_NAMES]
    if unknown:
        raise ConfigError(
            f"There is no map {unknown[0]!r} here. Choose of: {', '.join(MAP_NAMES)}."
        )


def encode_map_inputs(run: Run, model: Autoencoder, dataset: Dataset, points: int) -> MapInputs:
    """Encode the first test examples. CheckpointError where codes or their errors overflow."""
    x = dataset.test.x[:points]
    z = encode_in_chunks(model, x)
    errors = decoding_errors(model, x, z)
    if not (z.isfinite().all() and errors.isfinite().all()):
        raise CheckpointError(
            f"The codes of {run.id} overflow: its weights are unsound. Train it again."
        )
    return MapInputs(dataset, "test", z.numpy(), errors.numpy())


def encode_projected_map(
    run: Run, map_inputs: MapInputs, method: Projection, thumbnails: bool, is_own_data: bool
) -> bytes:
    """Return a map's pack, with saved epochs where the data is the run's own.

    ConfigError for more points than the projection takes.
    """
    z = map_inputs.z
    limit = PROJECTION_LIMITS.get(method, len(z))
    if limit < len(z):
        raise ConfigError(
            f"{MAP_NAMES[method]} takes at most {limit:,} points. Give --points {limit} or fewer."
        )
    projected = project_inputs(z, method)
    has_epochs = method == "pca" and is_own_data
    has_neighbours = 2 < len(z) <= PAGE_POINTS
    return encode_map_pack(
        run,
        map_inputs,
        projected.positions,
        name=MAP_NAMES[method],
        axes=projected.axes,
        plane=projected.plane,
        preserved=preserved_neighbour_shares(z, projected.positions) if has_neighbours else None,
        colour="error" if map_inputs.labels is None else "class",
        total=len(map_inputs.dataset.test.x),
        epochs=pack_page_epochs(run, thumbnails) if has_epochs else {},
        compact=True,
    )


def project_inputs(z: np.ndarray, method: Projection) -> PageMap:
    """Place codes (N, d) on a map."""
    if method != "pca":
        axes = [f"{MAP_NAMES[method]} {i + 1}" for i in range(2)]
        return PageMap(project_codes(torch.from_numpy(z), method), axes, None)
    plane = fit_principal_plane(z)
    positions = plane.positions(z)
    shares = positions.var(0) / max(float(z.var(0).sum()), 1e-12)
    axes = [f"component {i + 1}, {share:.0%} of the variance" for i, share in enumerate(shares)]
    return PageMap(positions, axes, plane)


def pack_page_epochs(run: Run, thumbnails: bool) -> PackArrays:
    """Return the saved epochs of a run, with as many codes as a page holds; {} for too few."""
    config = run.config().model
    epochs = pack_saved_epochs(run, config.latent_dim, config.input_shape)
    count = EPOCH_VALUES // config.latent_dim
    if not epochs or count < MIN_EPOCH_POINTS:
        return {}
    epochs["epochs.z"] = epochs["epochs.z"][:, :count]
    if not thumbnails:
        del epochs["epochs.x"]
    return epochs


# -- its files


def write_page_files(out: Path, texts: dict[str, str], packs: dict[str, bytes]) -> None:
    """Write texts, and each pack gzipped and as a script.

    ConfigError where `out` does not take them.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        check_page_folder(out, set(texts))
        for name, text in texts.items():
            write_text_file(out / name, text)
        for name, pack in packs.items():
            packed = gzip.compress(pack, 9, mtime=0)
            (out / name).write_bytes(packed)
            (out / f"{name}.js").write_bytes(encode_as_script(packed))
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written: {error.strerror or error}. Choose another folder."
        ) from error


def check_page_folder(out: Path, page_files: set[str]) -> None:
    """Raise ConfigError where a folder holds files that are no part of a page."""
    names = {path.name for path in out.iterdir()}
    foreign = names - page_files - OTHER_FILES - list_optional_files()
    if foreign:
        raise ConfigError(
            f"{out} holds other files, such as {sorted(foreign)[0]}. Give a new or empty folder."
        )


def encode_as_script(data: bytes) -> bytes:
    """Return bytes as a script that calls pack(text, count): a page may read that from a disk.

    In UTF-16 a letter of two bytes holds 15 bits, and its mark at the beginning outranks what a
    server says.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    groups = np.pad(bits, (0, -len(bits) % LETTER_BITS)).reshape(-1, LETTER_BITS)
    letters = groups @ (1 << np.arange(LETTER_BITS - 1, -1, -1)) + FIRST_LETTER
    before, after = 'pack("', f'", {len(data)})\n'
    return b"\xff\xfe" + b"".join(
        [before.encode("utf-16-le"), letters.astype("<u2").tobytes(), after.encode("utf-16-le")]
    )
