"""Cards on the Hub: README.md of a pushed run, and of the Space that shows its explorer."""

from __future__ import annotations

from typing import Any

import yaml

from aecore.analysis.card import format_card, format_card_title
from aecore.analysis.doctor import examine_by_catalog
from aecore.files import LIBRARY
from aecore.hub.client import Token
from aecore.hub.repositories import find_explorer_page
from aecore.model.config import RunConfig
from aecore.runs.foreign import strip_local_paths
from aecore.runs.run import Run


def make_push_card(run: Run, repo: str, token: Token) -> str:
    """Returns the card that a push of `run` to `user/name` writes, as Markdown with front matter.

    It links to the explorer of that name, which the Hub is asked for; without a login there is no
    push, and the Hub is not asked.
    """
    space = "" if token is False else find_explorer_page(repo, token)
    return format_push_card(run, repo, space)


def format_push_card(run: Run, repo: str, space: str) -> str:
    """Returns the card of `run` in the repository `user/name`; `space` is its explorer's address.

    Folders of this machine do not appear in it.
    """
    config = strip_local_paths(run.config())
    return format_card(
        config,
        run.test_metrics(),
        repo=repo,
        history=run.epochs(),
        moves=run.knob_moves(),
        space=space,
        findings=examine_by_catalog(run),
    )


def format_space_card(config: RunConfig, repo: str, trainable: bool = False) -> str:
    """Returns README.md of a static Space; `repo` is the model's own, empty where it has none.

    It says where visitors can train models on the page.
    """
    front_matter: dict[str, Any] = {
        "title": format_card_title(config)[:80],
        "emoji": "🔬",
        "colorFrom": "indigo",
        "colorTo": "blue",
        "sdk": "static",
        "app_file": "index.html",
        "pinned": False,
        "license": "mit",
        "tags": ["autoencoder", LIBRARY],
    }
    text = "A latent space."
    if repo:
        front_matter["models"] = [repo]
        text = f"The latent space of [{repo}](https://huggingface.co/{repo}), to explore."
    if trainable:
        text += (
            "\n\n**Train a model in the page**: on your own drawings, pictures or a table. It runs "
            "in your browser, and nothing is sent anywhere."
        )
    return (
        f"---\n{yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True)}---\n\n{text}\n"
    )
