"""knobs.json: where the knobs of a run are wanted while it trains. Pages write, trainers read it.

The file holds values, not moves: a trainer that is killed and resumed finds it as it was, and does
what is still to be done. It may be a stranger's, or half written by hand: what does not fit the
run is left out, and said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aecore.errors import ConfigError, RunError
from aecore.files import KNOBS_FILE, REMOTE_FILE, read_plain_text, write_text_file
from aecore.model.config import RunConfig
from aecore.model.knobs import list_knobs, turn_knobs
from aecore.runs.records import KnobRecord
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES, RESUMABLE_STATES

MAX_KNOBS_BYTES = 10_000


def request_knobs(run: Run, values: Mapping[str, float]) -> None:
    """Asks the trainer of a run to move knobs, {path: value}; others stay where they were wanted.

    One that was stopped moves them when it is resumed. ConfigError for what is no knob of the run
    or out of bounds, RunError for a run that is done or does not train here. Who asks must be
    allowed to stop the run: that is the caller's to check.
    """
    if run.state().state not in LIVE_STATES + RESUMABLE_STATES:
        raise RunError(f"{run.id} is done, so nothing can be moved.")
    if (run.path / REMOTE_FILE).exists():
        raise RunError(f"{run.id} trains elsewhere. Only runs on this machine can be changed.")
    turn_knobs(run.config(), values)
    wanted, _ = read_wanted_knobs(run, run.config())
    write_text_file(run.path / KNOBS_FILE, json.dumps({**wanted, **values}) + "\n")


def read_wanted_knobs(run: Run, config: RunConfig) -> tuple[dict[str, float], str]:
    """Returns where the knobs are wanted, and why something in the file is ignored, if it is."""
    try:
        values = json.loads(read_plain_text(run.path / KNOBS_FILE, MAX_KNOBS_BYTES))
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, RecursionError):
        return {}, f"{KNOBS_FILE} cannot be read and is ignored."
    if not isinstance(values, dict):
        return {}, f"{KNOBS_FILE} is no JSON object and is ignored."
    return choose_sound_knobs(config, values)


def apply_moves(config: RunConfig, moves: Iterable[KnobRecord]) -> RunConfig:
    """Returns a config with the knobs as these moves left them; what does not fit is left out."""
    values: dict[str, float] = {}
    for move in moves:
        values |= move.knobs
    sound, _ = choose_sound_knobs(config, values)
    return turn_knobs(config, sound)


def choose_sound_knobs(
    config: RunConfig, values: Mapping[str, Any]
) -> tuple[dict[str, float], str]:
    """Returns the values that fit a run, and a sentence on the first of the others."""
    sound, note, known = {}, "", list_knobs(config)
    for path, value in values.items():
        if path not in known:  # a stranger's file may have very many
            note = note or f"Ignored: {path[:80]} is no knob of this run."
            continue
        try:
            turn_knobs(config, {path: value})
            sound[path] = value
        except ConfigError as error:
            note = note or f"Ignored: {error}"
    return sound, note
