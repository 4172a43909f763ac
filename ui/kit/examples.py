"""Inputs and what a model makes of them, each kind of data in its own way: pictures, rows, points."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from aecore.analysis.pictures import BACKGROUND, draw_grid, encode_png, make_tiles
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from ui.kit.figures import draw_cloud

DEVIATIONS = 3.0  # a bar of a scaled column is full there
TILE_PIXELS = 168  # pixels of a picture that stands alone
HIDE_BARS = "A row is a tile, a column of the table a cell: blue below its mean, red above, full at 3 deviations."


def make_example_tiles(net: Autoencoder, x: Tensor) -> Tensor:
    """Examples (N, *input_shape) as small images: pictures as they are, rows in the network's units."""
    return make_tiles(x if x.dim() == 4 else net.to_scaled(x), DEVIATIONS)


def draw_examples(net: Autoencoder, x: Tensor, columns: int | None = None) -> Image.Image:
    return draw_grid(make_example_tiles(net, x), columns)


def draw_pairs(net: Autoencoder, x: Tensor, rebuilt: Tensor, columns: int = 8) -> Image.Image:
    """Each line of inputs above the line of its reconstructions."""
    columns = min(columns, len(x))
    upper, lower = (
        fill_last_line(make_example_tiles(net, part), columns).split(columns)
        for part in (x, rebuilt)
    )
    return draw_grid(
        torch.cat([line for pair in zip(upper, lower, strict=True) for line in pair]), columns
    )


def fill_last_line(images: Tensor, columns: int) -> Tensor:
    """Images (N, 3, h, w) with grey ones added until the last line is full."""
    missing = -len(images) % columns
    return torch.cat([images, images.new_full((missing, *images.shape[1:]), BACKGROUND / 255)])


def enlarge_examples(net: Autoencoder, x: Tensor, times: int = 1) -> Tensor:
    """Examples (N, ...) as tiles (N, 3, h, w) of about `times` SIDE pixels, without blur."""
    small = make_example_tiles(net, x)
    scale = max(1, times * TILE_PIXELS // max(small.shape[2:]))
    return small.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


CARDS_CSS = """<style>
.cards {display: grid; grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr)); gap: .5rem}
.cards figure {margin: 0; min-width: 0}
.cards img {width: 100%; display: block; image-rendering: pixelated; border-bottom: .25rem solid transparent}
.cards .marked img {border-color: #ee6677}
.cards figcaption {font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; padding-top: .15rem}
.cards figcaption span {opacity: .7}
</style>"""


def format_cards(
    net: Autoencoder,
    x: Tensor,
    heads: Sequence[str],
    details: Sequence[str],
    marked: Sequence[bool] = (),
) -> str:
    """Examples (N, ...) as HTML, as many a line as fit, each with two lines under it; the marked ones underlined."""
    parts = []
    for i, tile in enumerate(make_example_tiles(net, x)):
        source = f"data:image/png;base64,{base64.b64encode(encode_png(draw_grid(tile[None], 1, 0))).decode()}"
        head, detail = html.escape(heads[i], quote=True), html.escape(details[i])
        kind = ' class="marked"' if i < len(marked) and marked[i] else ""
        parts.append(
            f'<figure{kind}><img src="{source}" alt="{head}">'
            f"<figcaption>{head}<br><span>{detail}</span></figcaption></figure>"
        )
    return f'{CARDS_CSS}<div class="cards">{"".join(parts)}</div>'


def choose_index(
    place: Any, label: str, key: str, count: int, value: int | None, help: str
) -> int | None:
    """A number input over 0..count-1, in the address; what another run left there is brought into range."""
    if (kept := st.session_state.get(key)) is not None and not 0 <= kept < count:
        st.session_state[key] = min(max(kept, 0), count - 1)
    start = None if value is None else min(value, count - 1)
    chosen = place.number_input(
        label,
        0,
        count - 1,
        start,
        1,
        key=key,
        bind="query-params",
        help=help,
        width=130,
        placeholder="none",
    )
    return start if chosen is None else chosen


def choose_unit(place: Any, label: str, key: str, order: list[int], index: int, help: str) -> int:
    """A select box over code units z0, z1, ... in this order, in the address; what is not there is forgotten."""
    options = [f"z{j}" for j in order]
    if st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]
    start = min(index, len(options) - 1)
    chosen = place.selectbox(
        label, options, start, key=key, bind="query-params", width=130, help=help
    )
    return int((chosen or options[start])[1:])


def make_example_table(found: Dataset, rows: dict[str, Tensor]) -> pd.DataFrame:
    """Named examples (features,) as a table: a line a column of the data, so that it fits a phone."""
    names = found.columns or tuple(f"x{i}" for i in range(found.input_shape[0]))
    return pd.DataFrame(
        {name: row.numpy() for name, row in rows.items()}, index=pd.Index(names, name="column")
    )


def show_example_table(frame: pd.DataFrame) -> None:
    st.dataframe(
        frame,
        height=min(300, 38 + 35 * len(frame)),
        column_config={name: make_number_column() for name in frame.columns},
    )


def make_number_column() -> Any:
    return st.column_config.NumberColumn(format="%.4g", width="small")


def is_cloud(found: Dataset) -> bool:
    """Whether examples can be shown as points in their own space."""
    return found.kind == "manifold" and found.input_shape[0] in (2, 3)


def show_cloud(found: Dataset, groups: dict[str, Tensor], alt: str) -> None:
    ground = {"training data": found.train.x[:2000].numpy()}
    st.plotly_chart(
        draw_cloud(ground | {name: x.numpy() for name, x in groups.items()}), alt=alt, key="cloud"
    )


def show_examples(found: Dataset, net: Autoencoder, x: Tensor, alt: str, columns: int = 8) -> None:
    """Decoded examples: points among the data's own, or a grid of tiles, with the numbers of rows under it."""
    if is_cloud(found):
        show_cloud(found, {"decoded": x}, alt)
        return
    st.image(draw_examples(net, x, columns), width="stretch", alt=alt)
    if x.dim() == 2:
        st.caption(HIDE_BARS)
        show_example_table(make_example_table(found, {str(i): row for i, row in enumerate(x)}))


def encode_npz(**arrays: Any) -> bytes:
    """The bytes of a .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
