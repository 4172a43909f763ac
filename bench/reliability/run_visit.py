"""What the pages, the command line and the Hub do with a run folder, without a browser.

Each look is one thing that a page shows. What it returns is sent to a browser: it must be text in
UTF-8, a table that Arrow takes, or a picture.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import torch
from PIL import Image

from aecore.analysis.card import format_card
from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.latent import sample_codes
from aecore.analysis.metrics import evaluate_model
from aecore.analysis.pictures import draw_grid, draw_sheet, make_tiles
from aecore.analysis.projection_job import ProjectionJob
from aecore.backends.launch import read_order
from aecore.data.splits import as_float
from aecore.errors import AecoreError
from aecore.explorer.packs import MapInputs, encode_model_pack
from aecore.files import RESUME_FILE
from aecore.hub.cards import format_push_card
from aecore.hub.push import stage_run
from aecore.model.autoencoder import Autoencoder
from aecore.runs.estimator_state import read_estimator_state
from aecore.runs.foreign import adopt_run_folder, verify_model_loads
from aecore.runs.listing import has_sound_config, list_runs
from aecore.runs.ownership import HOME_USER, read_owner_record
from aecore.runs.previews import read_preview
from aecore.runs.records import EpochRecord
from aecore.runs.run import Run
from aecore.training.averaging import WeightAverage
from aecore.training.optimizer import Optimizer
from aecore.training.position import TrainingParts, restore_position
from aecore.training.prior_stage import PriorStage
from aecore.training.run_writer import RunWriter
from ui.compare.charts import draw_loss_curves
from ui.compare.comparison import make_sheet_blocks
from ui.compare.differences import tabulate_differences
from ui.compare.tables import mark_best, style_metrics, tabulate_curves
from ui.kit.cache import (
    get_codes,
    get_dataset,
    get_density,
    get_model,
    get_principal_plane,
    get_principal_positions,
    get_saved_epochs,
    pick_test_examples,
)
from ui.kit.run_view import view_through
from ui.kit.runs import format_state_badge, get_variant_label
from ui.latent.maps import title_principal_axes
from ui.train.curve import draw_live_curve
from ui.train.live import format_repeat_command

EXAMPLES, MAPPED = 16, 300  # test examples that a look takes


def visit_run(folder: Path, spare: Path) -> str:
    """Looks at a run in every way; returns the first refusal, empty where nothing was refused.

    `spare` is an empty folder for what is made of the run. Raises RuntimeError with everything that
    broke, each with its look.
    """
    refusals, faults = [], []
    looks = LOOKS if folder.name.isprintable() else LOOKS[:1]  # no page lists it, none opens it
    for look in looks:
        try:
            send_to_browser(look(Run(folder), spare))
        except AecoreError as error:
            str(error).encode()
            refusals.append(f"{look.__name__}: {error}")
        except Exception as error:
            faults.append(describe_fault(look.__name__, error))
    if faults:
        raise RuntimeError("; ".join(faults))
    return refusals[0] if refusals else ""


def describe_fault(name: str, error: Exception) -> str:
    """Returns where an exception came from, in a line."""
    trace, places = error.__traceback__, []
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        places.append(f"{file.name}:{trace.tb_lineno}")
        trace = trace.tb_next
    text = repr(str(error)[:160])
    return f"{name}: {type(error).__name__} {text} at {' < '.join(places[:0:-1][:5])}"


def send_to_browser(value: Any) -> None:
    """Raises where a value of a look could not be sent to a browser."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, Image.Image):
        value.save(io.BytesIO(), "PNG")
    elif isinstance(value, pd.DataFrame):
        pa.Table.from_pandas(value)
        value.to_csv().encode()
    elif isinstance(value, dict):
        json.dumps(value, allow_nan=False).encode()
    elif isinstance(value, list | tuple):
        for item in value:
            send_to_browser(item)


# -- the Train page and its list


def look_at_listing(run: Run, spare: Path) -> Any:
    runs = [each for each in list_runs() if each.path.parent == run.path.parent]
    owners = [str(HOME_USER.may_see(each.path)) for each in runs]
    return [each.id for each in runs if has_sound_config(each)] + owners


def look_at_state(run: Run, spare: Path) -> Any:
    state = run.state()
    share = min(1.0, (state.epoch + state.progress) / max(1, state.epochs))
    return [format_state_badge(run), *map(str, (share, state, run.pid(), run.version()))]


def look_at_log(run: Run, spare: Path) -> Any:
    return run.log_tail()


def look_at_config(run: Run, spare: Path) -> Any:
    config = run.config()
    command = format_repeat_command(run, config)
    differences = tabulate_differences({run.id: config, "other": config})
    return [get_variant_label(run), command, config.model_dump(mode="json"), differences]


def look_at_curves(run: Run, spare: Path) -> Any:
    variant, epochs, total = run.config().model.variant, run.epochs(), run.state().epochs
    for key in ("loss", "validation_loss"):
        draw_loss_curves({run.id: (variant, epochs)}, key, True).to_json()
    others = [f"{row.loss or 0:.4g}" for row in run.pretraining()[-1:]]
    return [draw_live_curve(epochs, variant, total), others, tabulate_curves([run])]


def look_at_metrics(run: Run, spare: Path) -> Any:
    metrics = run.test_metrics()
    config = run.config()
    frame = pd.DataFrame([{"variant": config.model.variant, "run": run.id, **metrics}])
    style_metrics(frame, mark_best(frame, [config]), [config.model.variant]).to_html()
    return [frame, [f"{name} {value:#.4g}" for name, value in metrics.items()]]


def look_at_previews(run: Run, spare: Path) -> Any:
    pictures = []
    for _, path in run.previews()[-2:]:
        preview = read_preview(path, run.config().model.input_shape)
        x, rebuilt = as_float(preview.x), as_float(preview.reconstruction)
        pictures.append(draw_grid(make_tiles(torch.cat([x, rebuilt]), float(x.abs().max())), 8))
    return pictures


def look_at_card(run: Run, spare: Path) -> Any:
    card = format_card(run.config(), run.test_metrics(), folder=run.id, history=run.epochs())
    return [card, format_push_card(run, "user/name", "")]


def look_at_owner(run: Run, spare: Path) -> Any:
    return [read_owner_record(run.path).model_dump(), str(read_order(run))]


# -- pages that use the model


def look_at_model(run: Run, spare: Path) -> Any:
    dataset, remark = get_dataset(run)
    x = pick_test_examples(run, EXAMPLES)
    blocks, limit = make_sheet_blocks(dataset, x, [view_through(run, x, 0)])
    metrics = evaluate_model(get_model(run), dataset.test.x[:EXAMPLES])
    picture = draw_sheet(blocks, f"{remark} {limit:g}")
    return [picture, [f"{name} {value:.3g}" for name, value in metrics.items()]]


def look_at_map(run: Run, spare: Path) -> Any:
    model, (dataset, _) = get_model(run), get_dataset(run)
    z, errors = get_codes(run, "test", MAPPED)
    positions = get_principal_positions(run, "test", len(z), 3)
    plane = get_principal_plane(run, "test", len(z))
    ProjectionJob(run, "umap", 2, "test", len(z), dataset.name).read()
    get_saved_epochs(run)
    map_inputs = MapInputs(dataset, "test", z, errors)
    encode_model_pack(model, map_inputs, compact=True)
    return [title_principal_axes(z, positions, 3), str(plane.positions(z).shape)]


def look_at_samples(run: Run, spare: Path) -> Any:
    x = decode_in_chunks(get_model(run), sample_codes(get_model(run), 16, 0, get_density(run)))
    return draw_grid(make_tiles(x)) if x.dim() == 4 else pd.DataFrame(x.numpy())


# -- the Hub, and writing


def look_at_pull(run: Run, spare: Path) -> Any:
    verify_model_loads(run.path, "user/name")
    return str(adopt_run_folder(run.path, spare / "pulled", "user/name"))


def look_at_push(run: Run, spare: Path) -> Any:
    folder = spare / "pushed"
    folder.mkdir()
    stage_run(run, folder)
    return [path.name for path in folder.iterdir()]


def look_at_estimator(run: Run, spare: Path) -> Any:
    return str(read_estimator_state(run.path, "AnomalyDetector", ["offset_"]))


def look_at_position(run: Run, spare: Path) -> Any:
    config = run.config()
    if config.training is None or not (run.path / RESUME_FILE).exists():
        return ""
    model = Autoencoder(config.model)
    optimizer = Optimizer(model.parameters(), config.training)
    writer = RunWriter(run, leads=False, progress=None)
    prior_optimizer = PriorStage(model, config.training.seed, writer).optimizer
    average = WeightAverage(model, config.training)
    parts = TrainingParts(model, optimizer, average, prior_optimizer)
    return str(restore_position(run.path / RESUME_FILE, parts))


def look_at_writing(run: Run, spare: Path) -> Any:
    try:
        with run.lock():
            run.append(EpochRecord(epoch=1, loss=1.0, seconds=1.0))
            run.write_state(state="stopped")
    except OSError:  # the trainer says so in a sentence
        return ""
    run.stop()
    return str(run.state())


LOOKS: tuple[Callable[[Run, Path], Any], ...] = (
    look_at_listing,
    look_at_state,
    look_at_log,
    look_at_config,
    look_at_curves,
    look_at_metrics,
    look_at_previews,
    look_at_card,
    look_at_owner,
    look_at_model,
    look_at_map,
    look_at_samples,
    look_at_pull,
    look_at_push,
    look_at_estimator,
    look_at_position,
    look_at_writing,
)
