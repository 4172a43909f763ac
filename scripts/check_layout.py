"""Count what docs/architecture.md promises: unique names, short functions, short files.

    python scripts/check_layout.py [--list]

`make check` runs it. The exit status is 1 where a promise is broken; --list shows where.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PRODUCT = ("aecore", "ui", "pages", "app.py")
SUPPORT = ("tests", "bench", "scripts")
REPEATS_ALLOWED = {"main", "build", "forward", "fit", "transform", "__getattr__", "__dir__"}
MAX_SHARED_NAMES = 0.03
MAX_MEDIAN, MAX_NINETIETH, MAX_FUNCTION = 8, 25, 60
MAX_PRODUCT_FILE, MAX_SUPPORT_FILE = 300, 500
SKIP_MARK = "# fmt: " + "skip"


def list_files(folders: tuple[str, ...], pattern: str = "*.py") -> list[Path]:
    """Returns the files of these folders of the project, in order."""
    roots = [PROJECT / name for name in folders]
    return sorted(
        file for root in roots for file in ([root] if root.is_file() else root.rglob(pattern))
    )


def list_definitions(file: Path) -> set[str]:
    """Returns the functions, classes and constants that a file defines at its top level."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored = (part for target in targets for part in ast.walk(target))
            names |= {
                part.id
                for part in stored
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
    return names


def find_shared_names(files: list[Path]) -> tuple[dict[str, list[Path]], int]:
    """Returns {name: its files} of names in several files, and how many definitions there are."""
    homes: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        for name in list_definitions(file) - REPEATS_ALLOWED:
            homes[name].append(file)
    count = sum(map(len, homes.values()))
    return {name: where for name, where in homes.items() if len(where) > 1}, count


def list_functions(file: Path) -> Iterator[tuple[int, str]]:
    """Yields (lines, name) of every function and method of a file, decorators not counted."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{file.name}:{node.name}"


def check_names(files: list[Path], listed: bool) -> bool:
    """Print the share of definitions whose name another file has too; True where it is small."""
    shared, count = find_shared_names(files)
    repeated = sum(map(len, shared.values()))
    sys.stdout.write(
        f"names: {repeated} of {count} top-level definitions share a name with another file "
        f"({repeated / count:.1%}, at most {MAX_SHARED_NAMES:.0%})\n"
    )
    if listed:
        for name, homes in sorted(shared.items()):
            sys.stdout.write(f"  {name}: {', '.join(str(f.relative_to(PROJECT)) for f in homes)}\n")
    return repeated / count <= MAX_SHARED_NAMES


def check_functions(files: list[Path], listed: bool) -> bool:
    """Print how long functions are; True where they are short."""
    functions = sorted(entry for file in files for entry in list_functions(file))
    lines = [length for length, _ in functions]
    median, ninetieth = statistics.median(lines), lines[int(0.9 * len(lines))]
    sys.stdout.write(
        f"functions: {len(lines)}, median {median:.0f} lines (at most {MAX_MEDIAN}), "
        f"90 % up to {ninetieth} (under {MAX_NINETIETH}), "
        f"longest {lines[-1]} (at most {MAX_FUNCTION})\n"
    )
    if listed:
        for length, name in functions[::-1][:20]:
            sys.stdout.write(f"  {length} {name}\n")
    return median <= MAX_MEDIAN and ninetieth < MAX_NINETIETH and lines[-1] <= MAX_FUNCTION


def check_files(files: list[Path], limit: int) -> bool:
    """Print files over `limit` lines and those that escape the formatter; True where none is."""
    texts = {file: file.read_text() for file in files}
    long = {file: len(text.splitlines()) for file, text in texts.items()}
    faults = [f"{file.relative_to(PROJECT)}: {n} lines" for file, n in long.items() if n > limit]
    faults += [
        f"{file.relative_to(PROJECT)}: {SKIP_MARK}"
        for file, text in texts.items()
        if SKIP_MARK in text
    ]
    sys.stdout.write(f"files: {len(files)}, longest {max(long.values())} lines (at most {limit})\n")
    sys.stdout.writelines(f"  {fault}\n" for fault in faults)
    return not faults


def main() -> int:
    """Check the product's names, functions and files, and the length of the files around it."""
    listed = "--list" in sys.argv[1:]
    product, scripts = list_files(PRODUCT), list_files(("aecore", "ui"), "*.js")
    passed = [
        check_names(product, listed),
        check_functions(product, listed),
        check_files(product + scripts, MAX_PRODUCT_FILE),
        check_files(list_files(SUPPORT), MAX_SUPPORT_FILE),
    ]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
