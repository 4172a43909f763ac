"""Strips of pictures as HTML: crisp at any width, aligned across runs."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from aecore.analysis.pictures import SheetBlock, encode_png

STRIPS_CSS = """<style>
.cmp {display: flex; flex-direction: column; gap: 1rem}
.cmp section {border-left: .3rem solid; padding-left: .75rem; display: flex; flex-direction: column; gap: .15rem}
.cmp header {display: flex; flex-wrap: wrap; column-gap: .6rem; align-items: baseline}
.cmp header span, .cmp figcaption {opacity: .7; font-size: .85rem; overflow-wrap: anywhere}
.cmp figure {display: grid; grid-template-columns: 4rem 1fr; align-items: center; margin: 0}
.cmp img {width: 100%; display: block}
@media (max-width: 640px) {
  .cmp figure {grid-template-columns: 1fr} .cmp figcaption {font-size: .75rem; line-height: 1.3}
}
</style>"""


def format_strips(parts: Sequence[SheetBlock], count: int) -> str:
    """The picture for the page: crisp text at any width, examples in columns that line up across runs."""
    sections = []
    for part in parts:
        title, detail = html.escape(part.title), html.escape(part.detail)
        rows = []
        for name, image in part.strips.items():
            alt = html.escape(
                f"{name}, {count} examples: {part.title} {part.detail}".strip(), quote=True
            )
            source = f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"
            rows.append(
                f'<figure><figcaption>{name}</figcaption><img src="{source}" alt="{alt}"></figure>'
            )
        head = f"<header><strong>{title}</strong> <span>{detail}</span></header>"
        sections.append(
            f'<section style="border-color: {part.colour}">{head}{"".join(rows)}</section>'
        )
    return f'{STRIPS_CSS}<div class="cmp">{"".join(sections)}</div>'
