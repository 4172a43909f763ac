"""A field to draw on with mouse, pen or finger: white ink on black, as in MNIST."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

DIGIT_SIDE = 28  # pixels of what is sent
INK, FRAME = 20, 28  # MNIST's digits fill 20 of 28 pixels, centred by their mass


DRAWING_CSS = """
.field { display: inline-flex; flex-direction: column; gap: 0.5rem; font-family: var(--st-font); }
canvas { width: 224px; height: 224px; background: black; touch-action: none; cursor: crosshair;
  border-radius: var(--st-base-radius); border: 1px solid var(--st-border-color); }
canvas:focus-visible, button:focus-visible { outline: 2px solid var(--st-primary-color); }
button { width: 224px; padding: 0.4rem; border: 1px solid var(--st-border-color); font: inherit; cursor: pointer;
  border-radius: var(--st-base-radius); background: var(--st-background-color); color: var(--st-text-color); }
"""
DRAWING_HTML = """
<div class="field"><canvas width="224" height="224" tabindex="0" aria-label="Draw here"></canvas>
<button type="button">Clear</button></div>
"""
DRAWING_JS = """
export default function ({ parentElement, setStateValue }) {
  const canvas = parentElement.querySelector("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.lineWidth = 18;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = "white";
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width,
            ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const send = () => {
    const small = document.createElement("canvas");
    small.width = small.height = SIDE;
    const to = small.getContext("2d");
    to.imageSmoothingQuality = "high";
    to.drawImage(canvas, 0, 0, SIDE, SIDE);
    const pixels = to.getImageData(0, 0, SIDE, SIDE).data;
    setStateValue("ink", Array.from({ length: SIDE * SIDE }, (_, i) => pixels[4 * i]));
  };
  let down = false;
  canvas.onpointerdown = (event) => {
    down = true;
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...place(event));
    pen.lineTo(...place(event));
    pen.stroke();
  };
  canvas.onpointermove = (event) => {
    if (!down) return;
    pen.lineTo(...place(event));
    pen.stroke();
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (down) send();
    down = false;
  };
  parentElement.querySelector("button").onclick = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    setStateValue("ink", []);
  };
}
""".replace("SIDE", str(DIGIT_SIDE))
drawing_component = st.components.v2.component(
    "drawing", html=DRAWING_HTML, css=DRAWING_CSS, js=DRAWING_JS
)


def ask_for_drawing(key: str = "drawing") -> Tensor | None:
    """What was drawn as (1, 1, 28, 28) in [0, 1], placed as MNIST places its digits; None while nothing is."""
    answer: Any = drawing_component(key=key, default={"ink": []}, on_ink_change=lambda: None)
    ink = answer.ink
    if (
        not isinstance(ink, list)
        or len(ink) != DIGIT_SIDE * DIGIT_SIDE
        or not all(isinstance(v, int) for v in ink)
    ):
        return None
    drawn = torch.tensor(ink, dtype=torch.float32).clamp(0, 255).view(DIGIT_SIDE, DIGIT_SIDE) / 255
    return place_drawing(drawn)[None, None] if drawn.max() > 0.1 else None


def place_drawing(drawn: Tensor) -> Tensor:
    """Ink (H, W) scaled to fill 20 pixels and moved so that its centre of mass is the middle of 28 x 28."""
    rows, columns = (
        (drawn > 0.1).any(1).nonzero().flatten(),
        (drawn > 0.1).any(0).nonzero().flatten(),
    )
    cut = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INK / max(cut.shape)
    size = tuple(max(1, round(side * scale)) for side in cut.shape)
    ink = F.interpolate(
        cut[None, None], size=size, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    canvas = drawn.new_zeros(FRAME, FRAME)
    centre = [
        (torch.arange(n) * ink.sum(1 - axis)).sum() / ink.sum() for axis, n in enumerate(ink.shape)
    ]
    top, left = (
        int(min(max(round(FRAME / 2 - 0.5 - float(c)), 0), FRAME - n))
        for c, n in zip(centre, ink.shape, strict=True)
    )
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return canvas.clamp(0, 1)
