"""The command line of Autoencoder Lab. `aecore COMMAND --help` explains the options of each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
from aecore.cli.options import (
    add_apply_options,
    add_codec_options,
    add_data_options,
    add_export_options,
    add_output_options,
    add_sweep_options,
    add_train_options,
)
from aecore.errors import AecoreError
from aecore.training.torchrun import end_with_parent, is_one_of_several


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status.

    It is 1 where the command ends with an AecoreError, whose sentence is printed.
    """
    if is_one_of_several():
        end_with_parent()
    options = build_parser().parse_args(arguments)
    if options.call not in (run_train, run_resume):  # these time how many threads are fast
        # OpenMP reads it when torch is loaded: idle threads must not spin on shared cores
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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
    resume.add_argument("run", metavar="RUN", help="a run's id or folder, or the name of a sweep")
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
        "--subfolder",
        default="",
        metavar="FOLDER",
        help="where an autoencoder of diffusers lies in it; default: its root, else vae",
    )
    pull.add_argument(
        "--data",
        metavar="NAME_OR_PATH",
        help="pictures to show an autoencoder of diffusers on; default: sample photographs",
    )
    pull.add_argument(
        "--side",
        type=int,
        metavar="PIXELS",
        help="the side of the pictures; default: their own, or 64 of the sample photographs",
    )
    pull.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to put it; default: among the runs"
    )
