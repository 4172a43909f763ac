"""The explorer's JavaScript in one piece: its modules in the order in which they need each other.

Each module becomes a function that gives what it exports, so that their private names stay apart. That is all that
building it takes, and the browser's debugger shows the lines as they were written.
"""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "ui" / "explorer"
IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)


def bundle(entry: str) -> str:
    """`entry`.js and all it imports; the entry itself stands last, with its own exports as they are."""
    order: list[str] = []
    visit(entry, order)
    parts = [closed(name) for name in order[:-1]]
    return "\n".join([*parts, linked(source(entry))])


def visit(name: str, order: list[str]) -> None:
    """A module behind those that it imports."""
    for _, other in IMPORT.findall(source(name)):
        if other not in order:
            visit(other, order)
    order.append(name)


def source(name: str) -> str:
    return (SOURCE / f"{name}.js").read_text(encoding="utf-8")


def linked(text: str) -> str:
    """Imports as plain constants."""
    return IMPORT.sub(lambda found: f"const {found[1]} = module_{found[2]};\n", text)


def closed(name: str) -> str:
    """A module as a function that is called once."""
    text = source(name)
    names = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", linked(text))
    return f"// -- {name}.js\nconst module_{name} = (() => {{\n{body}return {{ {names} }};\n}})();\n"


def style(*names: str) -> str:
    """The style sheets of these names, in one."""
    return "\n".join((SOURCE / f"{name}.css").read_text(encoding="utf-8") for name in names)
