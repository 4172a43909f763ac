"""The command line of Autoencoder Lab. `aecore COMMAND --help` explains the options of each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aecore.backends.registry import BACKENDS
from aecore.cli.apply_command import run_apply
from aecore.cli.commands import (
    run_evaluate,
    run_export,
    run_interpolate,
    run_pull,
    run_push,
    run_results,
    run_resume,
    run_runs,
    run_sample,
    run_stop,
    run_sweep,
    run_train,
    run_variants,
)
from aecore.cli.compress_command import run_compress, run_decompress
from aecore.cli.data_command import run_data
from aecore.errors import AecoreError
from aecore.training.ranks import end_with_parent, is_one_of_several


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status.

    It is 1 where the command ends with an AecoreError, whose sentence is printed.
    """
    if is_one_of_several():
        end_with_parent()
    options = build_parser().parse_args(arguments)
    try:
        options.call(options)
    except AecoreError as error:
        print(f"aecore: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a listing had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = argparse.ArgumentParser("aecore", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_listing_commands(commands)
    add_training_commands(commands)
    add_analysis_commands(commands)
    add_sharing_commands(commands)
    return parser


def add_command(
    commands: Any, call: Callable[[argparse.Namespace], None], *, has_json: bool = False
) -> argparse.ArgumentParser:
    """Adds the command that `call` carries out, named and explained by its name and docstring."""
    parser: argparse.ArgumentParser = commands.add_parser(
        call.__name__.removeprefix("run_"), help=call.__doc__, description=call.__doc__
    )
    parser.set_defaults(call=call)
    if has_json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def add_listing_commands(commands: Any) -> None:
    """Adds the commands that list what there is."""
    add_command(commands, run_variants, has_json=True)
    add_data_options(add_command(commands, run_data, has_json=True))
    add_command(commands, run_runs, has_json=True)


def add_training_commands(commands: Any) -> None:
    """Adds the commands that train, and that watch and end it."""
    add_train_options(add_command(commands, run_train))
    add_sweep_options(add_command(commands, run_sweep))
    results = add_command(commands, run_results, has_json=True)
    results.add_argument("sweep", metavar="SWEEP")
    resume = add_command(commands, run_resume)
    resume.add_argument("run", metavar="RUN", help="a run's id or folder")
    resume.add_argument("--queued", action="store_true", help=argparse.SUPPRESS)
    stop = add_command(commands, run_stop)
    stop.add_argument("run", metavar="RUN")


def add_analysis_commands(commands: Any) -> None:
    """Adds the commands that measure and use a trained run."""
    evaluate = add_command(commands, run_evaluate, has_json=True)
    evaluate.add_argument("run", metavar="RUN")
    evaluate.add_argument("--split", choices=("test", "train"), default="test")
    evaluate.add_argument("--data", metavar="NAME_OR_PATH", help="other data than the run's own")
    evaluate.add_argument(
        "--samples", type=int, default=0, metavar="K", help="importance samples for iwae_bound"
    )
    add_apply_options(add_command(commands, run_apply))
    compress = add_command(commands, run_compress)
    add_codec_options(compress, "a picture", "FILE with the ending .aez")
    compress.add_argument(
        "--step",
        type=float,
        default=1.0,
        metavar="S",
        help="size of the quantiser's steps, times the run's own; default: 1",
    )
    decompress = add_command(commands, run_decompress)
    add_codec_options(decompress, "an .aez file of one picture", "FILE with the ending .png")
    sample = add_command(commands, run_sample)
    add_output_options(sample, "sample.png")
    sample.add_argument("-n", type=int, default=16, help="how many")
    sample.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="DENSITY",
        help="prior, a density of the codes (gaussian, mixture, flow), or best: that with the "
        "highest log density of codes held out; default: prior, else mixture",
    )
    interpolate = add_command(commands, run_interpolate)
    add_output_options(interpolate, "interpolation.png")
    interpolate.add_argument(
        "--between", type=int, nargs=2, default=(0, 1), metavar=("I", "J"), help="test examples"
    )
    interpolate.add_argument("--steps", type=int, default=10)
    interpolate.add_argument("--path", choices=("linear", "spherical"), default="linear")


def add_sharing_commands(commands: Any) -> None:
    """Adds the commands that export, push and pull."""
    add_export_options(add_command(commands, run_export))
    push = add_command(commands, run_push)
    push.add_argument("run", metavar="RUN")
    push.add_argument("repo", metavar="REPO", help="user/name")
    push.add_argument("--private", action="store_true")
    pull = add_command(commands, run_pull)
    pull.add_argument("repo", metavar="REPO[@REVISION]")
    pull.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to put it; default: among the runs"
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `data`."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a table, an array, a folder or .zip of pictures, or several pictures",
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="OUT",
        help="write what was understood: a table as .parquet, pictures and rows as .npz",
    )
    add_set_option(
        parser,
        'how it is read, such as data.columns.age=number, data.columns."a.b"=category, '
        "data.side=32, data.unusable=refuse",
    )


def add_apply_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `apply`."""
    parser.add_argument("run", metavar="RUN", help="a run's id or folder")
    parser.add_argument("file", metavar="FILE", help="a table, an array, or pictures; any length")
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="OUT",
        help="a .csv or .parquet, beside the columns of FILE, or the numbers alone as .npz or .npy",
    )
    parser.add_argument(
        "--what",
        choices=("codes", "reconstructions", "scores", "filled"),
        help="default: what the run is made for. scores: how odd each row is, and which columns "
        "make it so; filled: FILE with its missing cells filled. A .csv is for programs: texts "
        "that a spreadsheet would run as formulas are written as they are",
    )


def add_codec_options(parser: argparse.ArgumentParser, file: str, target: str) -> None:
    """Adds the options that `compress` and `decompress` share."""
    parser.add_argument("file", metavar="FILE", help=file)
    parser.add_argument("--to", type=Path, metavar="OUT", help=f"default: {target}")
    parser.add_argument("--run", metavar="RUN", help="a run's id or folder; default: one that fits")


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `train`."""
    parser.add_argument("variant", metavar="VARIANT", help="see: python -m aecore variants")
    add_data_option(parser)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--latent-dim", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    add_set_option(
        parser,
        "any option, such as bottleneck.samples=5, network.hidden=[512,128], "
        "training.schedule=cosine",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the run folder; default: a new one among the runs",
    )


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `sweep`."""
    parser.add_argument(
        "variants", nargs="+", metavar="VARIANT", help="see: python -m aecore variants"
    )
    add_data_option(parser)
    parser.add_argument(
        "--latent-dim",
        type=int,
        nargs="+",
        metavar="D",
        help="sizes of the code; default: the variant's",
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many; default: 3")
    parser.add_argument("--epochs", type=int)
    add_set_option(parser, "as for train")
    parser.add_argument("--name", default="", help="what the sweep is called; default: by its time")
    add_backend_options(parser)


def add_backend_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `make_order` reads."""
    parser.add_argument("--on", choices=tuple(BACKENDS), default="local", help="where to train")
    parser.add_argument(
        "--device",
        default="",
        metavar="DEVICE",
        help="what to train on there, such as gpu:1 or t4-small; default: the only one",
    )
    paid = ", ".join(name for name, entry in BACKENDS.items() if entry.is_paid)
    parser.add_argument("--minutes", type=int, default=30, help=f"{paid}: time limit of each run")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `export`."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument(
        "--to", choices=("static", "onnx", "torch-export"), required=True, help="what to make of it"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    parser.add_argument(
        "--points",
        type=int,
        help="static: test examples on the map (10,000; fewer of codes with more than 128 numbers)",
    )
    parser.add_argument(
        "--maps",
        nargs="+",
        choices=("pca", "tsne", "umap"),
        default=["pca"],
        help="static: which maps",
    )
    licence = "static: show the inputs themselves, where the data's licence allows it"
    parser.add_argument("--thumbnails", action="store_true", help=licence)
    training = "static: visitors train models of their own on the page"
    parser.add_argument("--trainable", action="store_true", help=training)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Adds --data."""
    parser.add_argument(
        "--data", default="digits", metavar="NAME_OR_PATH", help="see: python -m aecore data"
    )


def add_set_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds --set, explained by `text`."""
    parser.add_argument("--set", action="append", default=[], metavar="PART.FIELD=VALUE", help=text)


def add_output_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds the options of a command that writes examples, by default to the file `name`."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(name), help=f"default: {name}")
