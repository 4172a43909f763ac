"""The options of the commands, for those commands that have several or share them."""

from __future__ import annotations

import argparse
from pathlib import Path

from aecore.backends.registry import BACKENDS


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
    parser.add_argument(
        "--seeds", type=int, default=1, help="how many, from --seed on, trained together as a sweep"
    )
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
    parser.add_argument(
        "--thumbnails",
        action="store_true",
        help="static: show the inputs themselves, where the data's licence allows it",
    )
    parser.add_argument(
        "--trainable",
        action="store_true",
        help="static: visitors train models of their own on the page",
    )


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
