"""The texts of a static page: its HTML, its scripts and its style."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aecore.analysis.card import describe_variant, format_card_title
from aecore.explorer.bundle import WEB_FOLDER, bundle_modules, read_styles
from aecore.explorer.trainable import HUB, bundle_trainer, describe_training
from aecore.model.config import RunConfig

PAGE_FILE, SCRIPT_FILE, STYLE_FILE = "index.html", "explorer.js", "style.css"
TRAINER_FILE = "trainer.js"  # of a page on which one can train
PAGE_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' file: 'wasm-unsafe-eval'",  # the inner loops are compiled, no other code
    "style-src": "'self' file: 'unsafe-inline'",
    "img-src": "'self' file: data: blob:",
    "worker-src": "blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
}
PRIVATE = "Everything runs in this browser, and nothing leaves it."
TRAINS_PRIVATELY = "Everything runs in this browser."  # the panel says what may leave it


def write_page_texts(
    config: RunConfig, about: Mapping[str, Any], *, remark: str, repo: str, trainable: bool
) -> dict[str, str]:
    """Return the texts of the page of a run, by the names of their files.

    `about` is what its script reads: the names of the packs. A `remark` on the data and a link to
    the model's `repo` stand at its foot. Visitors train models on it where it is `trainable`.
    """
    if trainable:
        about = {**about, "training": describe_training(config.model.input_shape), "hub": HUB}
    texts = {
        PAGE_FILE: format_page(config, about, format_footer(remark, repo), trainable),
        SCRIPT_FILE: bundle_modules(WEB_FOLDER / "page.js"),
        STYLE_FILE: read_styles("explorer", "page"),
    }
    if trainable:
        texts[SCRIPT_FILE] = bundle_modules(WEB_FOLDER / "panel" / "trainable_page.js")
        texts[STYLE_FILE] = read_styles("explorer", "page", "panel")
        texts[TRAINER_FILE] = bundle_trainer()
    return texts


def format_page(config: RunConfig, about: Mapping[str, Any], footer: str, trainable: bool) -> str:
    """Return the HTML of the page."""
    template = (WEB_FOLDER / "page.html").read_text(encoding="utf-8")
    section = (WEB_FOLDER / "panel.html").read_text(encoding="utf-8") if trainable else ""
    hosts = [HUB["address"], *HUB["storage"]] if trainable else []
    return template.format(
        policy=write_page_policy(hosts),
        privacy=TRAINS_PRIVATELY if trainable else PRIVATE,
        title=html.escape(format_card_title(config)),
        summary=html.escape(describe_variant(config)[0]),
        training=section,
        trainer=f'<script src="{TRAINER_FILE}"></script>\n' if trainable else "",
        footer=footer,
        about=json.dumps(about).replace("<", "\\u003c"),
    )


def write_page_policy(hosts: Sequence[str]) -> str:
    """Return the Content-Security-Policy of a page that may reach itself and these hosts."""
    policy = {**PAGE_POLICY, "connect-src": " ".join(["'self'", *hosts])}
    return "; ".join(f"{name} {sources}" for name, sources in policy.items())


def format_footer(remark: str, repo: str) -> str:
    """Return what stands at the foot of the page, as HTML."""
    name = html.escape(repo)
    link = f'The model: <a href="https://huggingface.co/{name}">{name}</a>.' if repo else ""
    return " ".join(filter(None, [html.escape(remark), link, "Made with Autoencoder Lab."]))
