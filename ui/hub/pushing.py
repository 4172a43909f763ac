"""The right half of the Hub page: push a run with its card, publish its explorer."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from aecore.errors import AecoreError
from aecore.explorer.static_page import zip_static_page
from aecore.hub.cards import make_push_card
from aecore.hub.push import push_run
from aecore.hub.spaces import publish_explorer
from aecore.names import escape_name
from aecore.runs.ownership import digest_secret
from aecore.runs.run import Run
from ui.kit.hub_account import get_hub_name, get_hub_token, start_hub_job
from ui.kit.jobs import is_job_running, poll_job, start_job
from ui.kit.memory import keep_in_memory
from ui.kit.messages import show_error
from ui.kit.runs import list_usable_runs, offer_train_page
from ui.kit.visitor import may_push

zip_lock = threading.Lock()
CARD_SECONDS = 10.0  # that an answer of the Hub counts for the card


class PageOptions(NamedTuple):
    """What a page holds besides the explorer."""

    thumbnails: bool
    trainable: bool


class ZippedPage(NamedTuple):
    """A page as a file, which the memory of all visitors keeps or makes again."""

    run: Run
    options: PageOptions
    size: int  # bytes


def show_push() -> None:
    """Show what can be published of a run; without any run, a link to train one."""
    st.subheader("Push", anchor=False)
    runs = [run for run in list_usable_runs() if may_push(run) and has_own_weights(run)]
    if not runs:
        st.info("No run has a model yet.", icon=":material/info:")
        offer_train_page()
        return
    try:
        run, repo, private = show_push_form(runs)
        show_publish(run, repo, private)
    except AecoreError as error:
        show_error(error)


def has_own_weights(run: Run) -> bool:
    """Returns False for a run whose weights somebody else published."""
    return not run.config().model.network.is_pretrained


def show_push_form(runs: list[Run]) -> tuple[Run, str, bool]:
    """Ask for a run, a name and who may see it; show the card; push.

    Returns the run, the repository and True where only its owner may see it.
    """
    ids = [run.id for run in runs]
    run = runs[ids.index(st.selectbox("Run", ids, key="push_run") or ids[0])]
    suggestion = f"{get_hub_name() or 'user'}/{run.id}"
    repo = st.text_input(
        "Repository", suggestion, key=f"push_repo-{suggestion}", help="Created if missing."
    ).strip()
    private = st.toggle("Private", key="push_private", help="Only you see it.")
    show_card(run, repo)
    if not get_hub_token():
        st.caption("Sign in first: pushing needs a token that may write.")
    st.caption(
        "The weights, the config, the curve and a few reconstructed test examples are published."
    )
    show_push_button(run, repo, private)
    return run, repo, private


def show_card(run: Run, repo: str) -> None:
    """Show folded the card that the repository would have, its headings three levels lower."""
    with st.expander("Model card", icon=":material/description:"):
        token = get_hub_token()
        account = digest_secret("token", str(token))
        text = read_push_card(run.path, run.version(), repo, account, token)
        body = text.split("---\n", 2)[-1]
        st.markdown(re.sub(r"^(#+ )", r"###\1", body, flags=re.MULTILINE))


@keep_in_memory(seconds=CARD_SECONDS)
def read_push_card(path: Path, version: float, repo: str, account: str, _token: str | bool) -> str:
    """Returns the card that a push writes; for a login, asks the Hub for the explorer's page.

    `account` is a digest of the token.
    """
    return make_push_card(Run(path), repo, _token)


def show_push_button(run: Run, repo: str, private: bool) -> None:
    """Show the button that pushes, and where the run went."""
    is_off = not get_hub_token() or is_job_running("push")
    if st.button("Push", icon=":material/upload:", type="primary", disabled=is_off):
        start_hub_job("push", lambda token: push_run(run, repo, token=token, private=private))
        st.rerun()  # which draws the button as it is while the job runs
    if address := poll_job("push", "Pushing ...").result:
        st.success(f"Pushed: [{address}]({address})", icon=":material/cloud_done:")


# -- the explorer


def show_publish(run: Run, repo: str, private: bool) -> None:
    """Show how the explorer of a run becomes a page of its own: on the Hub, or as a file."""
    st.markdown("**Static explorer page**")
    st.caption(
        "The map, the network and what one can do with them, in any browser: as a static Space, "
        "which needs no plan, or as files to keep."
    )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    thumbnails = row.toggle(
        "Show the inputs",
        key="publish_inputs",
        help="Puts the data itself on the page: only where its licence allows that.",
    )
    trainable = row.toggle(
        "Training",
        key="publish_training",
        help="Visitors train models of their own on the page, in their browsers: on drawings, "
        "pictures or tables.",
    )
    options = PageOptions(thumbnails, trainable)
    is_off = not get_hub_token() or is_job_running("publish")
    if row.button("Publish", icon=":material/public:", disabled=is_off, key="publish"):
        start_hub_job(
            "publish",
            lambda token: publish_explorer(
                run, repo, token=token, private=private, **options._asdict()
            ),
        )
        st.rerun()
    is_off = is_job_running("zip")
    if row.button("As a .zip", icon=":material/folder_zip:", disabled=is_off, key="publish_zip"):
        start_job("zip", lambda: zip_page(run, options))
        st.rerun()
    show_published(run)


def show_published(run: Run) -> None:
    """Show where the page was published, and the file of this run's page."""
    if address := poll_job("publish", "Making the page ...").result:
        st.success(f"Published: [{address}]({address})", icon=":material/public:")
    page = poll_job("zip", "Making the page ...").result
    if isinstance(page, ZippedPage) and page.run == run:
        st.download_button(
            f"{escape_name(run.id)}.zip, {page.size / 1e6:.1f} MB",
            lambda: load_zipped_page(run.path, run.version(), page.options),
            f"{run.id}.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            help="Unpack it and open index.html.",
        )


def zip_page(run: Run, options: PageOptions) -> ZippedPage:
    """Makes the page of a run as a .zip, to be downloaded."""
    data = load_zipped_page(run.path, run.version(), options)
    return ZippedPage(run, options, len(data))


@keep_in_memory()
def load_zipped_page(path: Path, version: float, options: PageOptions) -> bytes:
    """Returns the page of a run as a .zip; one at a time is made, since that takes memory."""
    with zip_lock:
        return zip_static_page(Run(path), **options._asdict())
