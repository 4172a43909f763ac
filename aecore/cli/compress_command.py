"""The commands `compress` and `decompress`: a picture of any size as a small file, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from aecore.errors import ConfigError, DataError, RunError
from aecore.files import replace_file
from aecore.runs.listing import find_run, has_sound_config, list_runs
from aecore.runs.run import Run

PACKED_SUFFIX = ".aez"


def run_compress(options: argparse.Namespace) -> None:
    """Write a picture of any size as a small file that `decompress` opens."""
    source = Path(options.file)
    content = read_given_file(source)
    run = find_run(options.run) if options.run else list_codec_runs()[0]

    from aecore.data.images.one_picture import read_whole_picture
    from aecore.model.autoencoder import Autoencoder
    from aecore.tasks.compress import compress_examples
    from aecore.tasks.rate_files import check_any_size, fit_channels, read_pixel_limit

    model = Autoencoder.load(run.path)
    check_any_size(model, run.id)
    picture = read_whole_picture(content, source.name, read_pixel_limit())
    file = compress_examples(model, fit_channels(model, picture)[None], options.step)
    target = options.to or source.with_suffix(PACKED_SUFFIX)
    write_coded_file(target, file)
    pixels = picture[0].numel()
    print(
        f"{target}: {len(file):,} bytes, {8 * len(file) / pixels:.3f} bits per pixel, by {run.id}"
    )


def run_decompress(options: argparse.Namespace) -> None:
    """Write the picture of a file that `compress` wrote, as a PNG."""
    source = Path(options.file)
    file = read_given_file(source)
    run = find_run(options.run) if options.run else find_writer(file)

    from aecore.analysis.pictures import draw_picture, encode_png
    from aecore.model.autoencoder import Autoencoder
    from aecore.tasks.compress import expand_file

    model = Autoencoder.load(run.path)
    x = expand_file(model, file)
    if x.dim() != 4 or len(x) != 1:
        raise DataError(
            f"{source.name} holds {len(x):,} examples, not one picture. Open it on Compress."
        )
    target = options.to or source.with_suffix(".png")
    write_coded_file(target, encode_png(draw_picture(x[0])))
    print(f"{target}: {x.shape[3]} x {x.shape[2]} pixels, by {run.id}")


def list_codec_runs() -> list[Run]:
    """Returns the runs that code pictures of any size; RunError where there is none."""
    runs = [run for run in list_runs() if has_sound_config(run) and is_codec_config(run)]
    if not runs:
        raise RunError(
            "There is no run that codes pictures of any size. Train one: "
            "python -m aecore train codec --data PICTURES"
        )
    return runs


def is_codec_config(run: Run) -> bool:
    """Returns True for a run whose code lies on a grid, and that learned what its bits cost."""
    model = run.config().model
    return model.bottleneck.kind == "rate" and model.code_grid is not None


def find_writer(file: bytes) -> Run:
    """Returns the run that wrote a file, by the fingerprint of its weights."""
    from aecore.model.autoencoder import Autoencoder
    from aecore.tasks.compress import fingerprint_weights, read_fingerprint

    fingerprint = read_fingerprint(file)
    for run in list_codec_runs():
        if fingerprint_weights(Autoencoder.load(run.path)) == fingerprint:
            return run
    raise RunError(
        "None of the runs here wrote this file. Pull the run that did, or name it with --run."
    )


def read_given_file(path: Path) -> bytes:
    """Returns the bytes of a file; DataError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its name.") from error


def write_coded_file(path: Path, content: bytes) -> None:
    """Writes a file in one step; ConfigError where it cannot be written."""
    try:
        replace_file(path, lambda draft: draft.write_bytes(content))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}. Give another with --to."
        ) from error
