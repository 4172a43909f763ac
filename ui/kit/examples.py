"""Examples on a page, each kind of data in its own way: pictures, rows, points."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
import torch
from PIL import Image
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.analysis.pictures import BACKGROUND, draw_grid, encode_png, make_tiles
from aecore.data.splits import Dataset
from aecore.data.tables.cells import describe_cells, has_described_cells
from aecore.model.autoencoder import Autoencoder
from aecore.names import clean_name
from ui.kit.figures import draw_cloud

DEVIATIONS = 3.0  # a cell of a scaled column has its full colour there
MAX_SHOWN_WIDTH = 1460  # pixels, as of st.image
TILE_PIXELS = 168  # pixels of a picture that stands alone
GROUND_POINTS = 2000  # training examples behind a cloud
ROW_TILES_NOTE = (
    "A row is a tile, a column of the table a cell: blue below its mean, red above, "
    "full at 3 standard deviations."
)


# -- tiles


def make_example_tiles(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns examples (N, *input_shape) as images: pictures as they are, rows in model units."""
    return make_tiles(x if x.dim() == 4 else model.to_scaled(x), DEVIATIONS)


def enlarge_examples(model: Autoencoder, x: Tensor, times: int = 1) -> Tensor:
    """Returns examples as tiles (N, 3, h, w) of about `times` TILE_PIXELS, without blur."""
    tiles = make_example_tiles(model, x)
    scale = max(1, times * TILE_PIXELS // max(tiles.shape[2:]))
    return tiles.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def draw_examples(model: Autoencoder, x: Tensor, columns: int | None = None) -> Image.Image:
    """Returns examples as a grid in one picture."""
    return draw_grid(make_example_tiles(model, x), columns)


def draw_pairs(model: Autoencoder, x: Tensor, rebuilt: Tensor, columns: int = 8) -> Image.Image:
    """Returns a picture with each line of inputs above the line of its reconstructions."""
    columns = min(columns, len(x))
    upper, lower = (
        fill_last_line(make_example_tiles(model, part), columns).split(columns)
        for part in (x, rebuilt)
    )
    lines = [line for pair in zip(upper, lower, strict=True) for line in pair]
    return draw_grid(torch.cat(lines), columns)


def fill_last_line(tiles: Tensor, columns: int) -> Tensor:
    """Returns tiles (N, 3, h, w) with grey ones added until the last line is full."""
    missing = -len(tiles) % columns
    return torch.cat([tiles, tiles.new_full((missing, *tiles.shape[1:]), BACKGROUND / 255)])


# -- cards

CARDS_CSS = """<style>
.cards {display: grid; grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr)); gap: .5rem}
.cards figure {margin: 0; min-width: 0}
.cards img {
  width: 100%; display: block; image-rendering: pixelated;
  border-bottom: .25rem solid transparent
}
.cards .marked img {border-color: #ee6677}
.cards figcaption {
  font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; padding-top: .15rem
}
.cards figcaption span {opacity: .7}
</style>"""


def format_cards(
    model: Autoencoder,
    x: Tensor,
    heads: Sequence[str],
    details: Sequence[str],
    marked: Sequence[bool] = (),
) -> str:
    """Returns examples as HTML, as many a line as fit, each with a head and a detail under it.

    The `marked` ones are underlined in red.
    """
    cards = []
    for i, tile in enumerate(make_example_tiles(model, x)):
        source = encode_image_source(draw_grid(tile[None], 1, 0))
        head, detail = (html.escape(clean_name(text)) for text in (heads[i], details[i]))
        kind = ' class="marked"' if i < len(marked) and marked[i] else ""
        cards.append(
            f'<figure{kind}><img src="{source}" alt="{head}">'
            f"<figcaption>{head}<br><span>{detail}</span></figcaption></figure>"
        )
    return f'{CARDS_CSS}<div class="cards">{"".join(cards)}</div>'


def encode_image_source(image: Image.Image) -> str:
    """Returns an image as a data URL, for the `src` of an <img>."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"


# -- choosing


def choose_index(
    container: DeltaGenerator | None,
    label: str,
    key: str,
    count: int,
    default: int | None,
    help: str,
) -> int | None:
    """Show a number input over 0..count-1, kept in the address, and return its number.

    `container` is where it is shown, None the page. What another run left there is brought into
    range, what another page left is forgotten. Without a default it may be empty: None.
    """
    index = st.session_state.get(key)
    if index is not None and not isinstance(index, int):
        del st.session_state[key]
    elif index is not None and not 0 <= index < count:
        st.session_state[key] = min(max(index, 0), count - 1)
    start = None if default is None else min(default, count - 1)
    number_input = st.number_input if container is None else container.number_input
    number = number_input(
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
    return start if number is None else number


def choose_unit(
    container: DeltaGenerator, label: str, key: str, order: list[int], index: int, help: str
) -> int:
    """Show a select box over code units z0, z1, ... in this order, kept in the address.

    Returns the unit's number. A unit that this run has not is forgotten.
    """
    options = [f"z{unit}" for unit in order]
    start = min(index, len(options) - 1)
    if st.session_state.get(key, options[start]) not in options:
        st.session_state[key] = options[start]  # deleted, the browser would still show the old one
    option = container.selectbox(
        label, options, start, key=key, bind="query-params", width=130, help=help
    )
    return int((option or options[start])[1:])


# -- showing


def show_image(
    image: Image.Image, alt: str, caption: str = "", width: Literal["stretch"] | int = "stretch"
) -> None:
    """Show a picture that changes while a control moves, within the message of its element.

    `st.image` would send an address. Under a control that moves fast, the server has already
    forgotten what lies there when the browser asks for it. As there, it is made no wider than
    pages are.
    """
    most = width if isinstance(width, int) else MAX_SHOWN_WIDTH
    if image.width > most:
        size = most, max(1, image.height * most // image.width)
        image = image.resize(size, Image.Resampling.BILINEAR)
    st.image(encode_image_source(image), caption or None, width=width, alt=alt)


def show_examples(
    dataset: Dataset, model: Autoencoder, x: Tensor, alt: str, columns: int = 8
) -> None:
    """Show decoded examples: points among the data's own, or tiles with the numbers of rows."""
    if is_point_cloud(dataset):
        show_cloud(dataset, {"decoded": x}, alt)
        return
    show_image(draw_examples(model, x, columns), alt)
    if x.dim() == 2:
        st.caption(ROW_TILES_NOTE)
        show_example_table(make_example_table(dataset, {str(i): row for i, row in enumerate(x)}))


def is_point_cloud(dataset: Dataset) -> bool:
    """Returns True where examples can be shown as points in their own space."""
    return dataset.kind == "manifold" and dataset.input_shape[0] in (2, 3)


def show_cloud(dataset: Dataset, groups: dict[str, Tensor], alt: str) -> None:
    """Show named groups of points (N, 2 or 3) among the training data."""
    ground = {"training data": dataset.train.x[:GROUND_POINTS].numpy()}
    figure = draw_cloud(ground | {name: x.numpy() for name, x in groups.items()})
    st.plotly_chart(figure, alt=alt, key="cloud")


def make_example_table(dataset: Dataset, rows: dict[str, Tensor]) -> pd.DataFrame:
    """Returns named examples (features,) as a table with a line for each column of the data.

    Where columns are of several kinds, cells are in words: `active 97%`.
    """
    if has_described_cells(dataset.schema):
        cells = {name: describe_cells(dataset.schema, row.numpy()) for name, row in rows.items()}
        return pd.DataFrame(cells).rename_axis("column")
    names = dataset.columns or tuple(f"x{i}" for i in range(dataset.input_shape[0]))
    return pd.DataFrame(
        {name: row.numpy() for name, row in rows.items()}, index=pd.Index(names, name="column")
    )


def show_example_table(frame: pd.DataFrame) -> None:
    """Show the table of `make_example_table`, numbers with four significant digits."""
    number_column = st.column_config.NumberColumn(format="%.4g", width="small")
    numeric = frame.select_dtypes("number").columns
    st.dataframe(
        frame,
        height=min(300, 38 + 35 * len(frame)),
        column_config={name: number_column for name in numeric},
    )


def encode_npz(**arrays: Any) -> bytes:
    """Returns the bytes of a .npz file of named arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
