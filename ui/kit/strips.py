"""Strips of pictures as HTML: crisp at any width, aligned across runs."""

from __future__ import annotations

import html
from collections.abc import Sequence

from aecore.analysis.pictures import SheetBlock
from aecore.names import clean_name
from ui.kit.examples import encode_image_source

STRIPS_CSS = """<style>
.cmp {display: flex; flex-direction: column; gap: 1rem}
.cmp section {
  border-left: .3rem solid; padding-left: .75rem;
  display: flex; flex-direction: column; gap: .15rem
}
.cmp header {display: flex; flex-wrap: wrap; column-gap: .6rem; align-items: baseline}
.cmp header span, .cmp figcaption {opacity: .7; font-size: .85rem; overflow-wrap: anywhere}
.cmp figure {display: grid; grid-template-columns: 4rem 1fr; align-items: center; margin: 0}
.cmp img {width: 100%; display: block}
@media (max-width: 640px) {
  .cmp figure {grid-template-columns: 1fr} .cmp figcaption {font-size: .75rem; line-height: 1.3}
}
</style>"""


def format_strips(blocks: Sequence[SheetBlock], count: int) -> str:
    """Returns blocks of picture strips as HTML; the `count` examples line up across blocks."""
    sections = "".join(format_strip_section(block, count) for block in blocks)
    return f'{STRIPS_CSS}<div class="cmp">{sections}</div>'


def format_strip_section(block: SheetBlock, count: int) -> str:
    """Returns one block as HTML: its title and detail, and a figure for each strip."""
    title, detail = (html.escape(clean_name(text)) for text in (block.title, block.detail))
    figures = []
    for name, image in block.strips.items():
        about = f"{name}, {count} examples: {block.title} {block.detail}"
        alt, source = html.escape(clean_name(about)), encode_image_source(image)
        caption = f"<figcaption>{html.escape(name)}</figcaption>"
        figures.append(f'<figure>{caption}<img src="{source}" alt="{alt}"></figure>')
    head = f"<header><strong>{title}</strong> <span>{detail}</span></header>"
    return f'<section style="border-color: {block.colour}">{head}{"".join(figures)}</section>'
