"""Measure the parts that are named, or all of them: `python -m bench.pictures [PART ...]` (hours).

Each cell is kept in docs/results/pictures.jsonl as it ends, so that it may be stopped; what is kept
is not measured again. --table only writes docs/results/pictures.md anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from bench.fidelity.cells import CellStore
from bench.pictures.part import collect_parts
from bench.results import RESULTS_FOLDER, describe_commit, describe_processor, write_result

INTRODUCTION = """# Pictures

Photographs: crops of the 300 of BSDS500's train and val folders (Martin et al., 2001), from train
to val, and CIFAR-10 (Krizhevsky, 2009) as JPEGs. PSNR is that of each picture, averaged. Times are
seconds of one processor core.

Made by `python -m bench.pictures`, which keeps each cell as it ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the cells that are not kept yet, and write the page of all that are."""
    parts = collect_parts()
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], metavar="PART")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--table", action="store_true", help="only write the page")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    store = CellStore(RESULTS_FOLDER / "pictures.jsonl")
    if not options.table:
        for name in options.parts or parts:
            parts[name].measure(store, options.device)
    made = f"At commit {describe_commit()}, on one core of {describe_processor()}."
    sections = [line for part in parts.values() for line in part.report(store)]
    write_result("pictures.md", [INTRODUCTION, "", made, *sections, ""])
    return 0


if __name__ == "__main__":
    sys.exit(main())
