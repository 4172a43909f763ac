"""The commands of the command line: one function each, named after its command.

A command imports what it computes with when it is called, after it has checked what it can: help,
lists and wrong names are answered without torch.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from aecore.backends.launch import launch_runs, stop_run
from aecore.backends.local import continue_queue
from aecore.cli.ordering import make_order
from aecore.cli.output import print_findings, print_metrics, print_rows, write_examples
from aecore.cli.settings import parse_setting
from aecore.errors import AecoreError, ConfigError, RunError
from aecore.files import REMOTE_FILE
from aecore.model.variants import VARIANTS, find_variant
from aecore.runs.listing import (
    create_run,
    create_shared_run,
    find_run,
    is_sweep,
    list_runs,
    runs_folder,
)
from aecore.runs.run import Run
from aecore.training.torchrun import is_one_of_several


def run_variants(options: argparse.Namespace) -> None:
    """List the variants."""
    rows = [
        {
            "name": name,
            "label": variant.label,
            "summary": variant.summary,
            "paper": variant.paper,
        }
        for name, variant in VARIANTS.items()
    ]
    print_rows(rows, options.json, ("name", "summary", "paper"))


def run_runs(options: argparse.Namespace) -> None:
    """List the runs."""
    continue_queue()
    print_rows([describe_run(run) for run in list_runs()], options.json)


def describe_run(run: Run) -> dict[str, Any]:
    """Returns a run as one flat row; one whose config names no variant is `broken`."""
    row: dict[str, Any] = {"id": run.id, "variant": "", "data": "", "state": "broken", "epoch": 0}
    try:
        names, state = run.names(), run.state()
    except AecoreError:
        return row
    row |= {"variant": names.variant, "data": names.data}
    metrics = {name: value for name, value in run.test_metrics().items() if name not in row}
    return row | {"state": state.state, "epoch": state.epoch, **metrics}


def run_train(options: argparse.Namespace) -> None:
    """Train a variant on a data set or a path."""
    find_variant(options.variant)
    settings = dict(parse_setting(text) for text in options.set)
    for name in ("epochs", "batch_size", "lr", "seed", "device"):
        value = getattr(options, name)
        if value is not None:
            settings[f"training.{name}"] = value

    from aecore.cli.foreground import print_progress, train_here, train_seeds
    from aecore.runs.plan import plan_run
    from aecore.training.devices import pick_device

    config = plan_run(
        options.variant,
        options.data,
        latent_dim=options.latent_dim,
        settings=settings,
        progress=print_progress,
    )
    if options.seeds != 1:
        if options.out is not None or is_one_of_several():
            raise ConfigError("--seeds trains several runs in one process: leave it or --out out.")
        train_seeds(config, options.seeds)
        return
    if is_one_of_several():
        train_here(create_shared_run(config, options.out, first=os.environ["RANK"] == "0"))
        return
    pick_device(config.training.device if config.training else "auto")  # before there is a folder
    run = create_run(config, options.out)
    print(f"{run.id}: {config.model.variant} on {options.data}, in {run.path}", flush=True)
    train_here(run)


def run_sweep(options: argparse.Namespace) -> None:
    """Train a grid of variants, latent sizes and seeds."""
    for variant in options.variants:
        find_variant(variant)
    settings = dict(parse_setting(text) for text in options.set)
    if options.epochs is not None:
        settings["training.epochs"] = options.epochs

    from aecore.cli.foreground import print_progress
    from aecore.runs.plan import plan_run
    from aecore.runs.sweep import create_sweep

    configs = [
        plan_run(variant, options.data, latent_dim=size, settings=settings, progress=print_progress)
        for variant in options.variants
        for size in options.latent_dim or [None]
    ]
    order, token = make_order(options)
    runs = create_sweep(configs, options.seeds, options.name)
    launch_runs(runs, order, token)
    for run in runs:
        print(run.id)
    name = runs[0].config().sweep
    print(f"{name}: {len(runs)} runs are queued. Watch them: python -m aecore results {name}")


def run_results(options: argparse.Namespace) -> None:
    """Mean and deviation over the seeds of a sweep."""
    from aecore.analysis.metrics import METRICS
    from aecore.runs.sweep import group_by_seed, list_sweep_runs, list_sweeps

    continue_queue()
    members = list_sweep_runs(options.sweep)
    if not members:
        raise RunError(
            f"There is no sweep {options.sweep!r}. Known: {', '.join(list_sweeps()) or 'none'}."
        )
    rows = []
    for group in group_by_seed(members):
        row: dict[str, Any] = {"variant": group.variant, "latent_dim": group.latent_dim}
        row["done"] = f"{group.count_done()} of {len(group.runs)}"
        for name, estimate in group.metrics().items():
            if name in METRICS:
                row[name] = estimate if options.json else str(estimate)
        rows.append(row)
    print_rows(rows, options.json)


def run_resume(options: argparse.Namespace) -> None:
    """Go on with a run that was stopped, lost or queued, or with those of a sweep."""
    try:
        run = find_run(options.run)
    except RunError:
        if not is_sweep(options.run):
            raise
        from aecore.cli.foreground import train_runs
        from aecore.runs.sweep import list_sweep_runs

        train_runs(list_sweep_runs(options.run))
        return
    state = run.state().state
    if options.queued and state == "stopped":  # stopped in the moment between queue and start
        return
    if state == "done" and is_one_of_several():  # a process died just after the last epoch
        return
    if state == "done":
        from aecore.training.preparation import check_trainable

        check_trainable(run, run.config())
        raise RunError(f"{run.id} is done: all its epochs are trained. Start a new run for more.")
    (run.path / REMOTE_FILE).unlink(missing_ok=True)  # from now on it is here

    from aecore.cli.foreground import train_here, train_together_here
    from aecore.runs.sweep import list_companions

    companions = list_companions(run) if options.queued else [run]
    if len(companions) > 1:
        train_together_here(companions, queued=True)
    else:
        train_here(run, options.queued)


def run_stop(options: argparse.Namespace) -> None:
    """Stop a run; it keeps its best model."""
    run = find_run(options.run)
    stop_run(run)
    print(f"{run.id}: {run.state().state}" + (", about to stop" if run.is_locked() else ""))


def run_evaluate(options: argparse.Namespace) -> None:
    """Measure a run on its test split, or on other data; on its own the doctor looks at it too."""
    run = find_run(options.run)
    if options.samples < 0:
        raise ConfigError(f"--samples must be 0 or more, got {options.samples}.")

    from aecore import Autoencoder
    from aecore.analysis.doctor import examine
    from aecore.analysis.metrics import evaluate_model
    from aecore.cli.run_data import load_run_data, read_training_examples

    model, dataset = Autoencoder.load(run.path), load_run_data(run, options.data)
    x = (dataset.train if options.split == "train" else dataset.test).x
    model.check_input(x)
    training_x, seed = read_training_examples(run, dataset)
    metrics = evaluate_model(model, x, options.samples, seed, training_x)
    findings = [] if options.data else examine(model, dataset, run)
    if options.json:
        print(json.dumps({**metrics, "doctor": [finding.to_row() for finding in findings]}))
        return
    print_metrics(metrics)
    print_findings(findings)


def run_sample(options: argparse.Namespace) -> None:
    """Draw new examples into a picture (or a .npz)."""
    run = find_run(options.run)

    from aecore import Autoencoder
    from aecore.analysis.latent import sample_examples
    from aecore.cli.run_data import load_run_data

    model = Autoencoder.load(run.path)
    x, source = sample_examples(
        model,
        options.n,
        options.seed,
        lambda: load_run_data(run).train.x,
        options.source,
    )
    print(f"{options.n} examples from {source}, in {write_examples(options.out, x)}")


def run_interpolate(options: argparse.Namespace) -> None:
    """Walk between two test examples, as a picture (or a .npz)."""
    run = find_run(options.run)

    from aecore import Autoencoder
    from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
    from aecore.analysis.latent import interpolate_codes
    from aecore.cli.run_data import load_run_data

    model, x = Autoencoder.load(run.path), load_run_data(run).test.x
    for i in options.between:
        if not 0 <= i < len(x):
            raise ConfigError(f"There are {len(x)} test examples, got number {i}. Count from 0.")
    start, end = encode_in_chunks(model, x[list(options.between)])
    x = decode_in_chunks(model, interpolate_codes(start, end, options.steps, options.path))
    path, (first, last) = write_examples(options.out, x), options.between
    print(f"{options.steps} steps between test examples {first} and {last}, in {path}")


def run_export(options: argparse.Namespace) -> None:
    """Write a run as a static page, as ONNX or as a PyTorch program."""
    run = find_run(options.run)

    from aecore.explorer.static_page import export_static_page
    from aecore.model.autoencoder import Autoencoder
    from aecore.model.export import export_model

    if options.to == "static":
        page = export_static_page(
            run,
            options.out,
            points=options.points,
            maps=options.maps,
            thumbnails=options.thumbnails,
            trainable=options.trainable,
        )
        if page.remark:
            print(page.remark)
        print(f"{options.out / 'index.html'}: {page.size:,} bytes in all. Open it in a browser.")
        return
    model = Autoencoder.load(run.path)
    for path, difference in export_model(model, options.to, options.out).items():
        print(f"{path}: agrees with PyTorch to {difference:.1e}")


def run_push(options: argparse.Namespace) -> None:
    """Push a run to the Hugging Face Hub, with its card."""
    run = find_run(options.run)

    from aecore.hub.push import push_run

    print(push_run(run, options.repo, private=options.private))


def run_pull(options: argparse.Namespace) -> None:
    """Pull a run, or an autoencoder of diffusers, from the Hugging Face Hub."""
    from aecore.hub.pretrained import choose_pictures
    from aecore.hub.pull import pull_run

    repo, _, revision = options.repo.partition("@")
    out = options.out or runs_folder() / repo.replace("/", "--")
    path = pull_run(
        repo,
        revision=revision or None,
        out=out,
        subfolder=options.subfolder,
        pictures=choose_pictures(options.data, options.side),
    )
    print(path)
