"""The command line: its words and options. `aecore COMMAND --help` on each tells the rest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aecore.cli.commands import (
    run_data,
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
from aecore.errors import AecoreError
from aecore.training.ranks import end_with_parent, is_one_of_several


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 1 where it ends with an AecoreError, whose sentence is printed."""
    if is_one_of_several():
        end_with_parent()
    options = build_parser().parse_args(arguments)
    try:
        options.call(options)
    except AecoreError as error:
        print(f"aecore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a listing had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def build_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("python -m aecore", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(call: Any, text: str, *, lists: bool = False) -> argparse.ArgumentParser:
        made = commands.add_parser(call.__name__.removeprefix("run_"), help=text, description=text)
        made.set_defaults(call=call)
        if lists:
            made.add_argument("--json", action="store_true", help="print JSON")
        return made

    command(run_variants, "List the variants.", lists=True)
    command(run_data, "List the data sets.", lists=True)
    command(run_runs, "List the runs.", lists=True)
    add_train_options(command(run_train, "Train a variant on a data set or a path."))
    add_sweep_options(command(run_sweep, "Train a grid of variants, latent sizes and seeds."))
    command(run_results, "Mean and deviation over the seeds of a sweep.", lists=True).add_argument(
        "sweep", metavar="SWEEP"
    )
    one = command(run_resume, "Go on with a run that was stopped, lost or queued.")
    one.add_argument("run", metavar="RUN", help="a run's id or folder")
    one.add_argument("--queued", action="store_true", help=argparse.SUPPRESS)
    command(run_stop, "Stop a run; it keeps its best model.").add_argument("run", metavar="RUN")
    one = command(run_evaluate, "Measure a run on its test split, or on other data.", lists=True)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--split", choices=("test", "train"), default="test")
    one.add_argument("--data", metavar="NAME_OR_PATH", help="other data than the run's own")
    one.add_argument(
        "--samples", type=int, default=0, metavar="K", help="importance samples for iwae_bound"
    )
    one = command(run_sample, "Draw new examples into a picture (or a .npz).")
    add_output_options(one, "sample.png")
    one.add_argument("-n", type=int, default=16, help="how many")
    one = command(run_interpolate, "Walk between two test examples, as a picture (or a .npz).")
    add_output_options(one, "interpolation.png")
    one.add_argument(
        "--between", type=int, nargs=2, default=(0, 1), metavar=("I", "J"), help="test examples"
    )
    one.add_argument("--steps", type=int, default=10)
    one.add_argument("--path", choices=("linear", "spherical"), default="linear")
    one = command(run_export, "Write a run as a static page, as ONNX or as a PyTorch program.")
    one.add_argument("run", metavar="RUN")
    one.add_argument(
        "--to", choices=("static", "onnx", "torch-export"), required=True, help="what to make of it"
    )
    one.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    one.add_argument("--points", type=int, default=10_000, help="static: test examples on the map")
    one.add_argument(
        "--maps",
        nargs="+",
        choices=("pca", "tsne", "umap"),
        default=["pca"],
        help="static: which maps",
    )
    one.add_argument(
        "--thumbnails",
        action="store_true",
        help="static: show the inputs themselves, where the data's licence allows it",
    )
    one = command(run_push, "Push a run to the Hugging Face Hub, with its card.")
    one.add_argument("run", metavar="RUN")
    one.add_argument("repo", metavar="REPO", help="user/name")
    one.add_argument("--private", action="store_true")
    one = command(run_pull, "Pull a run from the Hugging Face Hub.")
    one.add_argument("repo", metavar="REPO[@REVISION]")
    one.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to put it; default: among the runs"
    )
    return top


def add_train_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("variant", metavar="VARIANT", help="see: python -m aecore variants")
    made.add_argument(
        "--data", default="digits", metavar="NAME_OR_PATH", help="see: python -m aecore data"
    )
    made.add_argument("--epochs", type=int)
    made.add_argument("--batch-size", type=int)
    made.add_argument("--latent-dim", type=int)
    made.add_argument("--lr", type=float)
    made.add_argument("--seed", type=int)
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.FIELD=VALUE",
        help="any option, such as bottleneck.samples=5, network.hidden=[512,128], training.schedule=cosine",
    )
    made.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the run folder; default: a new one among the runs",
    )


def add_sweep_options(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "variants", nargs="+", metavar="VARIANT", help="see: python -m aecore variants"
    )
    made.add_argument(
        "--data", default="digits", metavar="NAME_OR_PATH", help="see: python -m aecore data"
    )
    made.add_argument(
        "--latent-dim",
        type=int,
        nargs="+",
        metavar="D",
        help="sizes of the code; default: the variant's",
    )
    made.add_argument("--seeds", type=int, default=3, help="how many; default: 3")
    made.add_argument("--epochs", type=int)
    made.add_argument(
        "--set", action="append", default=[], metavar="PART.FIELD=VALUE", help="as for train"
    )
    made.add_argument("--name", default="", help="what the sweep is called; default: by its time")
    made.add_argument(
        "--on", choices=("local", "ray", "hf"), default="local", help="where to train"
    )
    made.add_argument(
        "--device",
        default="",
        metavar="DEVICE",
        help="what to train on there, such as gpu:1 or t4-small",
    )
    made.add_argument("--minutes", type=int, default=30, help="hf: time limit of each run")


def add_output_options(made: argparse.ArgumentParser, name: str) -> None:
    made.add_argument("run", metavar="RUN")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, default=Path(name), help=f"default: {name}")
