"""Who is visiting, and what they may see and do.

At home the visitor is the operator, to whom nothing is forbidden. Where visitors are strangers, one
is known by a random id in a cookie, or by the account that is signed in; a browser without cookies
is known for its session only.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import streamlit as st

from aecore.data.catalog import CATALOG
from aecore.errors import RunError
from aecore.limits import is_public
from aecore.model.config import RunConfig
from aecore.runs.keeping import estimate_run_bytes
from aecore.runs.listing import has_sound_config, is_shipped_run, list_runs
from aecore.runs.ownership import (
    HOME_USER,
    Visitor,
    claim_folder,
    digest_secret,
    note_visit,
)
from aecore.runs.run import Run
from aecore.runs.storage import Reservation, reserve_storage
from aecore.runs.uploads import UploadedData, list_uploads
from ui.kit.browser_id import get_browser_id, read_visitor_cookie
from ui.kit.hub_account import get_hub_name

LINKS, OPERATOR = "visitor-links", "visitor-is-operator"
LINK_PARAMETER = "key"  # of an address: the secret of a private link


def get_visitor() -> Visitor:
    """Returns who is visiting this page."""
    if not is_public():
        return HOME_USER
    ids = [digest_secret("visitor", get_browser_id())]
    if account := get_hub_name():
        ids.insert(0, digest_secret("account", account))
    note_visit(ids)
    return Visitor(tuple(ids), read_opened_links(), bool(st.session_state.get(OPERATOR)))


def is_remembered() -> bool:
    """Returns False where what the visitor makes ends with the session: there is no cookie."""
    return not is_public() or bool(read_visitor_cookie() or get_hub_name())


def show_session_note() -> None:
    """Say that what is made here ends with the session, where the browser keeps no cookie."""
    if not is_remembered():
        st.caption(
            ":material/cookie_off: Your browser keeps no cookie for this page: what you make here "
            "is lost to you when you close or reload it. Download what you want to keep."
        )


def read_opened_links() -> frozenset[str]:
    """Returns the digests of the private links that were opened in this session."""
    opened: set[str] = st.session_state.setdefault(LINKS, set())
    if secret := st.query_params.get(LINK_PARAMETER):
        opened.add(digest_secret("link", secret))
    return frozenset(opened)


def become_operator(token: str) -> bool:
    """Lets this session see and change everything if it knows AECORE_OPERATOR_TOKEN."""
    expected = os.environ.get("AECORE_OPERATOR_TOKEN", "")
    is_right = bool(expected) and hmac.compare_digest(token.encode(), expected.encode())
    st.session_state[OPERATOR] = is_right
    return is_right


# -- runs


def may_see(run: Run) -> bool:
    """Returns True for a run that this visitor may see."""
    return get_visitor().may_see(run.path)


def may_change(run: Run) -> bool:
    """Returns True for a run that this visitor may stop, resume, rename, push or delete."""
    return get_visitor().may_change(run.path)


def may_push(run: Run) -> bool:
    """Returns True for one's own runs, and for the models that come with the code."""
    return may_change(run) or is_shipped_run(run.path)


def check_may_change(run: Run) -> None:
    """Raises RunError for a run that this visitor may only look at."""
    get_visitor().check_may_change(run.path)


def find_visible_run(run_id: str) -> Run:
    """Returns the run of that id, which an address named.

    RunError, the same sentence for one that is not there and for one that is somebody else's.
    """
    run = next((run for run in list_visible_runs() if run.id == run_id), None)
    if run is None:
        raise RunError(f"There is no run {run_id[:80]!r} that you may see. Was it deleted?")
    return run


def list_visible_runs() -> list[Run]:
    """Returns the runs that this visitor may see: the newest first, then the shipped ones."""
    visitor = get_visitor()
    return [run for run in list_runs() if visitor.may_see(run.path)]


def list_own_runs() -> list[Run]:
    """Returns the runs of this visitor with a sound config, the newest first."""
    visitor = get_visitor()
    return [run for run in list_runs() if visitor.may_change(run.path) and has_sound_config(run)]


def is_published_by_default(config: RunConfig) -> bool:
    """Returns True where everybody is shown a new run unless its owner says otherwise.

    That is on a public Space whose operator allows it, and never for brought data.
    """
    is_known = config.data is not None and config.data.name in CATALOG
    return is_public() and is_known and os.environ.get("AECORE_PUBLISH") == "1"


def claim(folder: Path, published: bool = False) -> None:
    """Makes a new run or data set this visitor's; nothing is written on one's own machine."""
    claim_folder(folder, get_visitor().owner, published)


def reserve_runs(configs: Iterable[RunConfig]) -> AbstractContextManager[Reservation]:
    """Holds room on the disk while runs of this visitor are made; StorageError where it lacks."""
    return reserve_storage(get_visitor(), sum(map(estimate_run_bytes, configs)))


# -- brought data


def list_own_sets() -> list[UploadedData]:
    """Returns the data that this visitor brought; on one's own machine, all that was brought."""
    visitor = get_visitor()
    return [upload for upload in list_uploads() if visitor.may_change(upload.path)]


def map_own_sets() -> dict[str, UploadedData]:
    """Returns the visitor's sets by their tokens."""
    return {upload.token: upload for upload in list_own_sets()}


def name_own_sets() -> dict[str, str]:
    """Returns the names of the visitor's sets by their tokens; those of one name are numbered."""
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for upload in list_own_sets():
        number = taken[upload.name] = taken.get(upload.name, 0) + 1
        names[upload.token] = upload.name if number == 1 else f"{upload.name} ({number})"
    return names
