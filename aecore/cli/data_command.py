"""The command `data`: the known sets, or what a file holds as it is understood."""

from __future__ import annotations

import argparse

from aecore.cli.output import print_rows
from aecore.errors import ConfigError


def run_data(options: argparse.Namespace) -> None:
    """List the data sets, or tell what files hold and how they are read."""
    if options.files:
        from aecore.cli.data_report import describe_files

        describe_files(options)
    elif options.to or options.set:
        raise ConfigError("--to and --set are for files: name the files to read.")
    else:
        print_catalog(options.json)


def print_catalog(as_json: bool) -> None:
    """Prints the known sets."""
    from aecore.data.catalog import CATALOG

    fields = ("name", "kind", "input_shape", "sizes", "classes", "description")
    rows = [
        {name: getattr(entry, name) for name in fields} | {"local": entry.is_local()}
        for entry in CATALOG.values()
    ]
    print_rows(rows, as_json, ("name", "kind", "input_shape", "sizes", "local", "description"))
