"""JavaScript in one piece: an entry and the modules of web/ that it needs, in order.

Each module becomes a function that returns what it exports, so that their private names stay apart.
That is all that building it takes, and the browser's debugger shows the lines as they were written.
"""

from __future__ import annotations

import re
from pathlib import Path

WEB_FOLDER = Path(__file__).resolve().parent / "web"
IMPORT_LINE = re.compile(r'^import (\{[^}]*\}) from "(?:[\w.]+/)+(\w+)\.js";\n', re.MULTILINE)
EXPORT_WORD = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)


def bundle_modules(entry: Path) -> str:
    """Return the script of a .js file and all modules that it imports; its own exports stay."""
    text = entry.read_text(encoding="utf-8")
    order: list[str] = []
    for name in list_imports(text):
        order_modules(name, order)
    return "\n".join([*map(wrap_module, order), link_imports(text)])


def order_modules(name: str, order: list[str]) -> None:
    """Append a module of web/ to `order`, behind those that it imports, unless it is there."""
    if name in order:
        return
    for imported in list_imports(read_module(name)):
        order_modules(imported, order)
    order.append(name)


def wrap_module(name: str) -> str:
    """Return a module of web/ as the constant `module_NAME`: a function that is called once."""
    text = read_module(name)
    names = ", ".join(EXPORT_WORD.findall(text))
    body = EXPORT_WORD.sub("", link_imports(text))
    return (
        f"// -- {name}.js\nconst module_{name} = (() => {{\n{body}return {{ {names} }};\n}})();\n"
    )


def read_styles(*names: str) -> str:
    """Return the style sheets of web/ with these names as one."""
    return "\n".join((WEB_FOLDER / f"{name}.css").read_text(encoding="utf-8") for name in names)


def read_module(name: str) -> str:
    """Return the text of a module of web/ or a folder in it; no two have the same name."""
    return find_module(name).read_text(encoding="utf-8")


def find_module(name: str) -> Path:
    """Return the file of a module of web/ or a folder in it."""
    return next(WEB_FOLDER.rglob(f"{name}.js"))


def list_imports(text: str) -> list[str]:
    """Return the names of the modules that a text imports."""
    return [name for _, name in IMPORT_LINE.findall(text)]


def link_imports(text: str) -> str:
    """Return the text with its imports as plain constants."""
    return IMPORT_LINE.sub(lambda line: f"const {line[1]} = module_{line[2]};\n", text)
