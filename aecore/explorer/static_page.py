"""A run as a page that needs no server: the explorer, the network and a map of its codes, in a folder.

It opens from a disk and from any web server, and asks nobody for anything. A free static Space can hold it.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from aecore.analysis.card import describe_variant, format_card_title
from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import (
    Projection,
    decoding_errors,
    fit_principal_plane,
    preserved_neighbour_shares,
    project_codes,
)
from aecore.analysis.projection_job import PROJECTION_LIMITS
from aecore.data.stand_in import load_data_or_stand_in
from aecore.errors import CheckpointError, ConfigError
from aecore.explorer.bundle import bundle_modules, read_styles
from aecore.explorer.packs import MapInputs, encode_map_pack, encode_model_pack, pack_saved_epochs
from aecore.files import write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.runs.foreign import strip_local_paths
from aecore.runs.run import Run

PAGE_POINTS = 10_000
EPOCH_VALUES, FEWEST = (
    4000,
    50,
)  # of codes that are tracked over the epochs; with fewer points than that there is no map
MAP_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MODEL_PACK = "model.bin"
FIRST_LETTER = 0x3400  # from here on 32,768 letters are no control, quote or half of a pair


PAGE_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
</head>
<body>
<main>
<h1>{title}</h1>
<p>{summary}</p>
<p>Every point is an input, placed by its code. <strong>Move over the map: what the model decodes there appears beside
it.</strong> Everything runs in this browser, and nothing leaves it.</p>
<div id="choices" aria-live="polite"></div>
<div class="explorer-root"></div>
<noscript>The explorer needs JavaScript.</noscript>
</main>
<footer>{footer}</footer>
<script type="application/json" id="about">{about}</script>
<script src="explorer.js"></script>
</body>
</html>
"""


class ExportedPage(NamedTuple):
    """What was written."""

    folder: Path
    size: int  # bytes, of all files
    remark: str  # what a reader should know of the data; empty for the run's own


def export_static_page(
    run: Run,
    out: Path,
    *,
    points: int = PAGE_POINTS,
    maps: Sequence[Projection] = ("pca",),
    thumbnails: bool = False,
    repo: str = "",
) -> ExportedPage:
    """Write the page of a run to `out`, which is made, or empty, or holds an older page.

    `points` of the test set are on each of the `maps`. `thumbnails` puts the inputs themselves on it: only where
    the data's licence allows that. `repo` is the model's repository on the Hub, to link to. Raises ConfigError for
    an impossible wish, CheckpointError and DataError where model or data are unsound or not at hand.
    """
    if points < 2:
        raise ConfigError(f"A map needs 2 points or more, got {points}.")
    if unknown := [name for name in maps if name not in MAP_NAMES]:
        raise ConfigError(
            f"There is no map {unknown[0]!r} here. Choose of: {', '.join(MAP_NAMES)}."
        )
    model = Autoencoder.load(run.path)
    found, remark = load_data_or_stand_in(run.config())
    x = found.test.x[:points]
    z = encode_in_chunks(model, x)
    errors = decoding_errors(model, x, z)
    if not (z.isfinite().all() and errors.isfinite().all()):
        raise CheckpointError(
            f"The codes of {run.id} overflow: its weights are unsound. Train it again."
        )
    shown = MapInputs(found, "test", z.numpy(), errors.numpy())
    files = {MODEL_PACK: encode_model_pack(model, shown, inputs=thumbnails, compact=True)}
    titles = {f"{name}.bin": MAP_NAMES[name] for name in dict.fromkeys(maps)}
    for name in dict.fromkeys(maps):
        files[f"{name}.bin"] = encode_projected_map(run, shown, name, thumbnails, not remark)
    return write_page_files(run, out, files, titles, remark, repo)


def zip_static_page(run: Run, *, thumbnails: bool = False) -> bytes:
    """The page of a run as a .zip; raises what `export` does."""
    with tempfile.TemporaryDirectory(prefix="aecore-page-") as name:
        made, buffer = export_static_page(run, Path(name), thumbnails=thumbnails), io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(made.folder.iterdir()):
                archive.write(path, f"{run.id}/{path.name}")
        return buffer.getvalue()


def encode_projected_map(
    run: Run, shown: MapInputs, method: Projection, thumbnails: bool, own: bool
) -> bytes:
    """A map's pack, with saved epochs where the data is the run's `own`. ConfigError for more points than it takes."""
    count = min(len(shown.z), PROJECTION_LIMITS.get(method, len(shown.z)))
    if count < len(shown.z):
        raise ConfigError(
            f"{MAP_NAMES[method]} takes at most {count:,} points. Give --points {count} or fewer."
        )
    config, plane, epochs = run.config().model, None, {}
    if method == "pca":
        plane = fit_principal_plane(shown.z)
        positions = plane.positions(shown.z)
        share = positions.var(0) / max(float(shown.z.var(0).sum()), 1e-12)
        axes = [f"component {i + 1}, {part:.0%} of the variance" for i, part in enumerate(share)]
        epochs = pack_saved_epochs(run, config.latent_dim, config.input_shape) if own else {}
        if epochs:
            count = EPOCH_VALUES // config.latent_dim
            epochs = epochs | {"epochs.z": epochs["epochs.z"][:, :count]} if count >= FEWEST else {}
        if not thumbnails:
            epochs.pop("epochs.x", None)
    else:
        positions = project_codes(torch.from_numpy(shown.z), method)
        axes = [f"{MAP_NAMES[method]} {i + 1}" for i in range(2)]
    preserved = (
        preserved_neighbour_shares(shown.z, positions) if 2 < len(shown.z) <= PAGE_POINTS else None
    )
    return encode_map_pack(
        run,
        shown,
        positions,
        name=MAP_NAMES[method],
        axes=axes,
        plane=plane,
        preserved=preserved,
        colour="error" if shown.labels is None else "class",
        total=len(shown.found.test.x),
        epochs=epochs,
        compact=True,
    )


def write_page_files(
    run: Run, out: Path, files: dict[str, bytes], maps: dict[str, str], remark: str, repo: str
) -> ExportedPage:
    """All files of the page."""
    config = strip_local_paths(run.config())
    footer = ["Made with Autoencoder Lab."]
    if repo:
        footer.insert(
            0,
            f'The model: <a href="https://huggingface.co/{html.escape(repo)}">{html.escape(repo)}</a>.',
        )
    if remark:
        footer.insert(0, html.escape(remark))
    data = json.dumps({"model": MODEL_PACK, "maps": maps}).replace("<", "\\u003c")
    page = PAGE_HTML.format(
        title=html.escape(format_card_title(config)),
        summary=html.escape(describe_variant(config)[0]),
        footer=" ".join(footer),
        about=data,
    )
    texts = {
        "index.html": page,
        "explorer.js": bundle_modules("page"),
        "style.css": read_styles("explorer", "page"),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (
            strange := {path.name for path in out.iterdir()}
            - set(texts)
            - {"README.md"}
            - list_pack_names()
        ):
            raise ConfigError(
                f"{out} holds other files, such as {sorted(strange)[0]}. Give a new or empty folder."
            )
        for name, text in texts.items():
            write_text_file(out / name, text)
        for name, data in files.items():
            packed = gzip.compress(data, 9, mtime=0)
            (out / name).write_bytes(packed)
            (out / f"{name}.js").write_bytes(encode_as_script(packed))
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    return ExportedPage(out, sum(path.stat().st_size for path in out.iterdir()), remark)


def encode_as_script(data: bytes) -> bytes:
    """The bytes as a script that calls pack(text, their number): what a page may read from a disk.

    In UTF-16 a letter of two bytes holds 15 bits, and its mark at the beginning outranks what a server says.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    letters = (
        np.pad(bits, (0, -len(bits) % 15)).reshape(-1, 15) @ (1 << np.arange(14, -1, -1))
        + FIRST_LETTER
    )
    return b"\xff\xfe" + b"".join(
        [
            'pack("'.encode("utf-16-le"),
            letters.astype("<u2").tobytes(),
            f'", {len(data)})\n'.encode("utf-16-le"),
        ]
    )


def list_pack_names() -> set[str]:
    """Packs that an older export left in the folder."""
    names = [MODEL_PACK, *(f"{name}.bin" for name in MAP_NAMES)]
    return {whole for name in names for whole in (name, f"{name}.js")}
