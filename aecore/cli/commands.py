"""The commands of the command line: one function each."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from aecore.errors import AecoreError, ConfigError, RunError
from aecore.files import REMOTE_FILE
from aecore.runs.listing import create_run, create_shared_run, find_run, list_runs, runs_folder
from aecore.runs.run import Run
from aecore.training.ranks import is_one_of_several

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # before torch: idle threads must not spin on shared cores


# -- commands


def run_variants(options: argparse.Namespace) -> None:
    from aecore.model.variants import VARIANTS

    rows = [
        {"name": n, "label": v.label, "summary": v.summary, "paper": v.paper}
        for n, v in VARIANTS.items()
    ]
    print_rows(rows, options.json, ("name", "summary", "paper"))


def run_data(options: argparse.Namespace) -> None:
    from aecore.data.catalog import CATALOG

    fields = ("name", "kind", "input_shape", "sizes", "classes", "description")
    rows = [
        {name: getattr(entry, name) for name in fields} | {"local": entry.is_local()}
        for entry in CATALOG.values()
    ]
    print_rows(rows, options.json, ("name", "kind", "input_shape", "sizes", "local", "description"))


def run_runs(options: argparse.Namespace) -> None:
    print_rows([describe_run(run) for run in list_runs()], options.json)


def describe_run(run: Run) -> dict[str, Any]:
    """A run in one flat row; one whose config is unsound says so instead of hiding the others."""
    from aecore.analysis.metrics import METRIC_DESCRIPTIONS

    row: dict[str, Any] = {"id": run.id, "variant": "", "data": "", "state": "broken", "epoch": 0}
    try:
        config, state = run.config(), run.state()
    except AecoreError:
        return row
    row |= {"variant": config.model.variant, "data": config.data.name if config.data else ""}
    row |= {
        "state": state.state,
        "epoch": state.epoch,
        **{n: v for n, v in run.test_metrics().items() if n in METRIC_DESCRIPTIONS},
    }
    return row


def run_train(options: argparse.Namespace) -> None:
    from aecore.runs.plan import plan_run

    settings = dict(parse_setting(text) for text in options.set)
    for name in ("epochs", "batch_size", "lr", "seed", "device"):
        if (value := getattr(options, name)) is not None:
            settings[f"training.{name}"] = value
    config = plan_run(
        options.variant,
        options.data,
        latent_dim=options.latent_dim,
        settings=settings,
        tell=print_progress,
    )
    if is_one_of_several():
        train_here(create_shared_run(config, options.out, first=os.environ["RANK"] == "0"))
        return
    run = create_run(config, options.out)
    print(f"{run.id}: {config.model.variant} on {options.data}, in {run.path}", flush=True)
    train_here(run)


def run_sweep(options: argparse.Namespace) -> None:
    from aecore.backends.registry import start_run
    from aecore.runs.plan import plan_run
    from aecore.runs.sweep import create_sweep

    settings = dict(parse_setting(text) for text in options.set)
    if options.epochs is not None:
        settings["training.epochs"] = options.epochs
    configs = [
        plan_run(variant, options.data, latent_dim=size, settings=settings, tell=print_progress)
        for variant in options.variants
        for size in options.latent_dim or [None]
    ]
    order, token = choose_place(options)
    made = create_sweep(configs, options.seeds, options.name)
    for run in made:
        start_run(run, order, token)
        print(run.id)
    name = made[0].config().sweep
    print(f"{name}: {len(made)} runs are queued. Watch them: python -m aecore results {name}")


def choose_place(options: argparse.Namespace) -> tuple[Any, str | bool]:
    """Where runs are to be sent, and who pays; (None, False) for this machine."""
    from aecore.backends.base import Order
    from aecore.backends.registry import open_backend

    if options.on == "local":
        return None, False
    token: str | bool = False
    if options.on == "hf":
        from huggingface_hub import get_token

        token = get_token() or False
    found = {
        device.name: device
        for device in open_backend(options.on, token).devices()
        if not device.why_not
    }
    if options.device not in found:
        known = ", ".join(found) or open_backend(options.on, token).devices()[0].why_not
        raise ConfigError(f"Give --device one of what is there: {known}")
    device = found[options.device]
    minutes = options.minutes if options.on == "hf" else 0
    if device.price:
        print(f"At most ${device.price * minutes / 60:.2f} a run.")
    return Order(
        backend=options.on,
        device=device.name,
        label=device.label,
        minutes=minutes,
        price=device.price,
    ), token


def run_results(options: argparse.Namespace) -> None:
    from aecore.analysis.metrics import METRIC_DESCRIPTIONS
    from aecore.runs.sweep import group_by_seed, list_sweep_runs, list_sweeps

    if not (members := list_sweep_runs(options.sweep)):
        raise RunError(
            f"There is no sweep {options.sweep!r}. Known: {', '.join(list_sweeps()) or 'none'}."
        )
    rows = []
    for group in group_by_seed(members):
        row: dict[str, Any] = {"variant": group.variant, "latent_dim": group.latent_dim}
        row["done"] = f"{group.count()} of {len(group.runs)}"
        for name, found in group.metrics().items():
            if name in METRIC_DESCRIPTIONS:
                row[name] = found if options.json else str(found)
        rows.append(row)
    print_rows(rows, options.json)


def run_resume(options: argparse.Namespace) -> None:
    run = find_run(options.run)
    state = run.state().state
    if options.queued and state == "stopped":  # stopped in the moment between queue and start
        return
    if state == "done" and is_one_of_several():  # a process died just after the last epoch
        return
    if state == "done":
        raise RunError(f"{run.id} is done: all its epochs are trained. Start a new run for more.")
    (run.path / REMOTE_FILE).unlink(missing_ok=True)  # from now on it is here
    train_here(run)


def run_stop(options: argparse.Namespace) -> None:
    from aecore.backends.registry import stop_run

    run = find_run(options.run)
    stop_run(run)
    print(f"{run.id}: {run.state().state}" + (", about to stop" if run.is_locked() else ""))


def run_evaluate(options: argparse.Namespace) -> None:
    from aecore import Autoencoder
    from aecore.analysis.metrics import evaluate_model
    from aecore.runs.plan import load_matching_data

    run = find_run(options.run)
    model, dataset = Autoencoder.load(run.path), load_matching_data(run.config(), options.data)
    x = (dataset.train if options.split == "train" else dataset.test).x
    model.checked(x)
    if options.samples < 0:
        raise ConfigError(f"--samples must be 0 or more, got {options.samples}.")
    print_metrics(evaluate_model(model, x, samples=options.samples), options.json)


def run_sample(options: argparse.Namespace) -> None:
    from aecore import Autoencoder
    from aecore.analysis.latent import sample_examples
    from aecore.runs.plan import load_matching_data

    run = find_run(options.run)
    model = Autoencoder.load(run.path)
    x, source = sample_examples(
        model, options.n, options.seed, lambda: load_matching_data(run.config()).train.x
    )
    print(f"{options.n} examples from {source}, in {write_examples(options.out, x)}")


def run_interpolate(options: argparse.Namespace) -> None:
    from aecore import Autoencoder
    from aecore.analysis.latent import decode_codes, encode_codes, interpolate_codes
    from aecore.runs.plan import load_matching_data

    run = find_run(options.run)
    model, x = Autoencoder.load(run.path), load_matching_data(run.config()).test.x
    if bad := [i for i in options.between if not 0 <= i < len(x)]:
        raise ConfigError(f"There are {len(x)} test examples, got number {bad[0]}. Count from 0.")
    start, end = encode_codes(model, x[list(options.between)])
    x = decode_codes(model, interpolate_codes(start, end, options.steps, options.path))
    first, last = options.between
    print(
        f"{options.steps} steps between test examples {first} and {last}, in {write_examples(options.out, x)}"
    )


def run_export(options: argparse.Namespace) -> None:
    from aecore.explorer.static_page import export_static_page
    from aecore.model.export import export_model

    run = find_run(options.run)
    if options.to == "static":
        made = export_static_page(
            run,
            options.out,
            points=options.points,
            maps=options.maps,
            thumbnails=options.thumbnails,
        )
        if made.remark:
            print(made.remark)
        print(f"{options.out / 'index.html'}: {made.size:,} bytes in all. Open it in a browser.")
        return
    for path, difference in export_model(run, options.to, options.out).items():
        print(f"{path}: agrees with PyTorch to {difference:.1e}")


def run_push(options: argparse.Namespace) -> None:
    from aecore.hub.push import push_run

    print(push_run(find_run(options.run), options.repo, private=options.private))


def run_pull(options: argparse.Namespace) -> None:
    from aecore.hub.pull import pull_run

    repo, _, revision = options.repo.partition("@")
    print(
        pull_run(
            repo,
            revision=revision or None,
            out=options.out or runs_folder() / repo.replace("/", "--"),
        )
    )


# -- what they share


def parse_setting(text: str) -> tuple[str, Any]:
    """`part.field=value`: the value as JSON where it is that, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set takes PART.FIELD=VALUE, got {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def train_here(run: Run) -> None:
    """Train here and now, with a bar on a terminal and plain lines elsewhere; Ctrl-C keeps the best model."""
    from aecore.model.config import TrainConfig
    from aecore.training.trainer import fit

    stopped: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):  # the last: its time is up
        signal.signal(signum, lambda number, _: stopped.append(number))
    if os.environ.get("RANK", "0") != "0":  # one of several: the first one speaks
        list(fit(run, lambda: bool(stopped)))
        return
    state, total = run.state(), (run.config().training or TrainConfig()).epochs
    with tqdm(
        total=total, initial=state.epoch, unit="epoch", disable=not sys.stderr.isatty()
    ) as bar:
        for record in fit(run, lambda: bool(stopped), print_progress):
            if record["kind"] == "test":
                continue
            if bar.disable:
                print(format_record(record, total), flush=True)
            elif record["kind"] == "epoch":
                bar.set_postfix(loss=f"{record['loss']:.4g}")
                bar.update()
    if signal.SIGALRM in stopped and run.state().state == "stopped":
        run.write_state(error="Its time was up; the best model so far is kept. Resume it to go on.")
    state = run.state()
    print(f"{run.id}: {state.state} after {state.epoch} of {total} epochs, in {run.path}")
    print_metrics(run.test_metrics(), False)


def format_record(record: dict[str, Any], total: int) -> str:
    """One record as a plain line."""
    if record["kind"] == "pretrain":
        return f"layer {record['layer']} epoch {record['epoch']}  loss {record['loss']:.4f}  {record['seconds']:.1f} s"
    parts = [f"epoch {record['epoch']}/{total}", f"loss {record['loss']:.4f}"]
    if "validation_loss" in record:
        parts.append(f"validation {record['validation_loss']:.4f}")
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


def print_progress(what: str, share: float) -> None:
    """Progress of a download."""
    if sys.stderr.isatty():
        print(f"\r{what} {share:4.0%}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


def print_metrics(values: dict[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        print(f"{name:16} {value:.4f}" if isinstance(value, float) else f"{name:16} {value}")


def print_rows(
    rows: list[dict[str, Any]], as_json: bool, columns: Iterable[str] | None = None
) -> None:
    """Rows as JSON, or as aligned columns."""
    if as_json:
        print(json.dumps(rows))
        return
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    table = [names, *([format_cell(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(names))]
    for cells in table:
        print(
            "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()
        )


def format_cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_examples(path: Path, x: Any) -> Path:
    """Images as one PNG grid; anything else, or a .npz by name, as arrays. Where they went."""
    import numpy

    from aecore.analysis.pictures import draw_grid

    try:
        if path.suffix == ".npz" or x.dim() != 4:
            path = path.with_suffix(".npz")
            numpy.savez(path, x=x.numpy())
        else:
            draw_grid(x).save(path)
        return path
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be written: {error}. Give a .png or .npz in a folder that exists."
        ) from error
