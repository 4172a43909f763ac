"""The rooms of the house and the arrows between them, as docs/architecture.md draws them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import the rooms before it. `aecore` is the root: errors and file names; `estimator`
# is the scikit-learn face, which stands on all of it.
ROOMS = ["model", "data", "runs", "analysis", "training", "tasks", "explorer", "hub", "backends"]
ORDER = ["aecore", *(f"aecore.{room}" for room in ROOMS), "aecore.estimator", "aecore.cli"]
LAZY = {("aecore.model.autoencoder", "aecore.hub")}  # from_pretrained and push_to_hub
FOREIGN = ("streamlit", "plotly", "ui", "pages")


def name_module(file: Path) -> str:
    """Returns the dotted name of a module or package."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {
    name_module(f): f for part in ("aecore", "ui", "pages") for f in (ROOT / part).rglob("*.py")
}


def list_imports(file: Path, text: str | None = None) -> Iterator[str]:
    """Yields the modules that a file imports anywhere, a module of ours rather than its package."""
    for node in ast.walk(ast.parse(text or file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in FILES else node.module


def find_room(module: str) -> str:
    """Returns the room of a module: aecore.runs, ui.kit, pages, or aecore for the root."""
    parts = module.split(".")
    depth = 1 if parts[0] == "pages" or len(parts) == 1 else 2
    room = ".".join(parts[:depth])
    return "aecore" if parts[0] == "aecore" and room not in ORDER else room


def is_allowed(importer: str, imported: str) -> bool:
    """Returns whether an arrow from one module to another is in the plan."""
    source, target = find_room(importer), find_room(imported)
    if importer in ("aecore", "aecore.__main__") or (importer, target) in LAZY:
        return True  # the table of contents, whose names load on first use
    if source in ORDER:
        inside = imported.split(".")[0] not in FOREIGN
        return inside and (target not in ORDER or ORDER.index(target) <= ORDER.index(source))
    if source == "ui.kit":
        return target == "ui.kit" or not target.startswith(("ui", "pages"))
    if source.startswith("ui."):
        return target in ("ui.kit", source) or not target.startswith(("ui", "pages"))
    page = f"ui.{importer.removeprefix('pages.')}"
    return target in ("ui.kit", page) or not target.startswith(("ui", "pages"))


@pytest.mark.parametrize("module", FILES)
def test_every_import_follows_an_arrow_of_the_plan(module):
    forbidden = [name for name in list_imports(FILES[module]) if not is_allowed(module, name)]
    assert not forbidden, f"{module} may not import {forbidden}: see docs/architecture.md"


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module: {name for name in list_imports(file) if name in FILES and name != module}
        for module, file in FILES.items()
        if module != "aecore"
    }
    for importer, room in LAZY:
        graph[importer] -= {name for name in graph[importer] if find_room(name) == room}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(reversed(circle.args[1])))


@pytest.mark.parametrize(
    ("importer", "line", "allowed"),
    [
        ("aecore.model.config", "from aecore.runs.run import Run", False),
        ("aecore.runs.run", "import streamlit", False),
        ("aecore.hub.push", "from aecore.backends import registry", False),
        ("aecore.backends.local", "from aecore.hub import push", True),
        ("aecore.model.autoencoder", "from aecore.hub.push import push_model", True),
        ("ui.kit.cache", "from ui.train import form", False),
        ("ui.latent.maps", "from ui.compare import tables", False),
        ("pages.train", "from ui.compare import tables", False),
        ("pages.train", "from ui.train import form", True),
    ],
)
def test_a_forbidden_arrow_is_seen(importer, line, allowed):
    imported = list(list_imports(FILES[importer], line))
    assert all(is_allowed(importer, name) for name in imported) == allowed
