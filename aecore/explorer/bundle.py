"""The explorer's JavaScript in one piece: its modules in the order in which they need each other.

Each module becomes a function that gives what it exports, so that their private names stay apart. That is all that
building it takes, and the browser's debugger shows the lines as they were written.
"""

from __future__ import annotations

import re
from pathlib import Path

WEB_FOLDER = Path(__file__).resolve().parent / "web"
IMPORT_LINE = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT_WORD = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)


def bundle_modules(entry: str) -> str:
    """`entry`.js and all it imports; the entry itself stands last, with its own exports as they are."""
    order: list[str] = []
    order_modules(entry, order)
    parts = [wrap_module(name) for name in order[:-1]]
    return "\n".join([*parts, link_imports(read_module(entry))])


def order_modules(name: str, order: list[str]) -> None:
    """A module behind those that it imports."""
    for _, other in IMPORT_LINE.findall(read_module(name)):
        if other not in order:
            order_modules(other, order)
    order.append(name)


def read_module(name: str) -> str:
    return (WEB_FOLDER / f"{name}.js").read_text(encoding="utf-8")


def link_imports(text: str) -> str:
    """Imports as plain constants."""
    return IMPORT_LINE.sub(lambda found: f"const {found[1]} = module_{found[2]};\n", text)


def wrap_module(name: str) -> str:
    """A module as a function that is called once."""
    text = read_module(name)
    names = ", ".join(EXPORT_WORD.findall(text))
    body = EXPORT_WORD.sub("", link_imports(text))
    return (
        f"// -- {name}.js\nconst module_{name} = (() => {{\n{body}return {{ {names} }};\n}})();\n"
    )


def read_styles(*names: str) -> str:
    """The style sheets of these names, in one."""
    return "\n".join((WEB_FOLDER / f"{name}.css").read_text(encoding="utf-8") for name in names)
