"""The command `apply`: what a trained run makes of a file of any length."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from aecore.runs.listing import find_run


def run_apply(options: argparse.Namespace) -> None:
    """Write the codes, reconstructions, scores or filled cells of a file."""
    run = find_run(options.run)

    from tqdm import tqdm

    from aecore.cli.given_files import explain_any_error, open_files
    from aecore.tasks.apply import choose_output
    from aecore.tasks.apply_file import FileApplication, check_ending

    config = run.config()
    output = options.what or choose_output(config)
    check_ending(options.to, output, len(config.model.input_shape) == 1)
    with warnings.catch_warnings(), open_files([options.file]) as source:
        warnings.simplefilter("ignore")  # of libraries, on the file
        with explain_any_error(options.file):
            application = FileApplication(run, source, output)
            is_terminal = sys.stderr.isatty()
            total = application.data.total
            with tqdm(total=total, unit=" rows", disable=not is_terminal) as bar:
                written = application.write(options.to, bar.update)
    name = Path(options.file).name
    print(f"{output} of {written.rows:,} examples of {name} by {run.id}, in {options.to}")
    for note in written.notes:
        print(f"- {note}")
