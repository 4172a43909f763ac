"""The command line: python -m aecore COMMAND. `--help` on each says the rest."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: idle threads must not spin on shared cores

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from aecore import runs
from aecore.backends.base import REMOTE
from aecore.errors import AecoreError, ConfigError, RunError
from aecore.ranks import end_with_parent, is_launched
from aecore.runs import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 1 where it ends with an AecoreError, whose sentence is printed."""
    if is_launched():
        end_with_parent()
    options = parser().parse_args(arguments)
    try:
        options.call(options)
    except AecoreError as error:
        print(f"aecore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a listing had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("python -m aecore", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(call: Any, text: str, *, lists: bool = False) -> argparse.ArgumentParser:
        made = commands.add_parser(call.__name__.strip("_"), help=text, description=text)
        made.set_defaults(call=call)
        if lists:
            made.add_argument("--json", action="store_true", help="print JSON")
        return made

    command(variants, "List the variants.", lists=True)
    command(data, "List the data sets.", lists=True)
    command(runs_, "List the runs.", lists=True)
    add_train_options(command(train, "Train a variant on a data set or a path."))
    add_sweep_options(command(sweep, "Train a grid of variants, latent sizes and seeds."))
    command(results, "Mean and deviation over the seeds of a sweep.", lists=True).add_argument("sweep", metavar="SWEEP")
    one = command(resume, "Go on with a run that was stopped, lost or queued.")
    one.add_argument("run", metavar="RUN", help="a run's id or folder")
    one.add_argument("--queued", action="store_true", help=argparse.SUPPRESS)
    command(stop, "Stop a run; it keeps its best model.").add_argument("run", metavar="RUN")
    one = command(evaluate, "Measure a run on its test split, or on other data.", lists=True)
    one.add_argument("run", metavar="RUN")
    one.add_argument("--split", choices=("test", "train"), default="test")
    one.add_argument("--data", metavar="NAME_OR_PATH", help="other data than the run's own")
    one.add_argument("--samples", type=int, default=0, metavar="K", help="importance samples for iwae_bound")
    one = command(sample, "Draw new examples into a picture (or a .npz).")
    add_output_options(one, "sample.png")
    one.add_argument("-n", type=int, default=16, help="how many")
    one = command(interpolate, "Walk between two test examples, as a picture (or a .npz).")
    add_output_options(one, "interpolation.png")
    one.add_argument("--between", type=int, nargs=2, default=(0, 1), metavar=("I", "J"), help="test examples")
    one.add_argument("--steps", type=int, default=10)
    one.add_argument("--path", choices=("linear", "spherical"), default="linear")
    one = command(export, "Write a run as a static page, as ONNX or as a PyTorch program.")
    one.add_argument("run", metavar="RUN")
    one.add_argument("--to", choices=("static", "onnx", "torch-export"), required=True, help="what to make of it")
    one.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    one.add_argument("--points", type=int, default=10_000, help="static: test examples on the map")
    one.add_argument("--maps", nargs="+", choices=("pca", "tsne", "umap"), default=["pca"], help="static: which maps")
    one.add_argument("--thumbnails", action="store_true",
                     help="static: show the inputs themselves, where the data's licence allows it")  # fmt: skip
    one = command(push, "Push a run to the Hugging Face Hub, with its card.")
    one.add_argument("run", metavar="RUN")
    one.add_argument("repo", metavar="REPO", help="user/name")
    one.add_argument("--private", action="store_true")
    one = command(pull, "Pull a run from the Hugging Face Hub.")
    one.add_argument("repo", metavar="REPO[@REVISION]")
    one.add_argument("--out", type=Path, metavar="FOLDER", help="where to put it; default: among the runs")
    return top


def add_train_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("variant", metavar="VARIANT", help="see: python -m aecore variants")
    made.add_argument("--data", default="digits", metavar="NAME_OR_PATH", help="see: python -m aecore data")
    made.add_argument("--epochs", type=int)
    made.add_argument("--batch-size", type=int)
    made.add_argument("--latent-dim", type=int)
    made.add_argument("--lr", type=float)
    made.add_argument("--seed", type=int)
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    made.add_argument(
        "--set", action="append", default=[], metavar="PART.FIELD=VALUE",
        help="any option, such as bottleneck.samples=5, network.hidden=[512,128], training.schedule=cosine",
    )  # fmt: skip
    made.add_argument("--out", type=Path, metavar="FOLDER", help="the run folder; default: a new one among the runs")


def add_sweep_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("variants", nargs="+", metavar="VARIANT", help="see: python -m aecore variants")
    made.add_argument("--data", default="digits", metavar="NAME_OR_PATH", help="see: python -m aecore data")
    made.add_argument(
        "--latent-dim", type=int, nargs="+", metavar="D", help="sizes of the code; default: the variant's"
    )
    made.add_argument("--seeds", type=int, default=3, help="how many; default: 3")
    made.add_argument("--epochs", type=int)
    made.add_argument("--set", action="append", default=[], metavar="PART.FIELD=VALUE", help="as for train")
    made.add_argument("--name", default="", help="what the sweep is called; default: by its time")
    made.add_argument("--on", choices=("local", "ray", "hf"), default="local", help="where to train")
    made.add_argument(
        "--device", default="", metavar="DEVICE", help="what to train on there, such as gpu:1 or t4-small"
    )
    made.add_argument("--minutes", type=int, default=30, help="hf: time limit of each run")


def add_output_options(made: argparse.ArgumentParser, name: str) -> None:
    made.add_argument("run", metavar="RUN")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, default=Path(name), help=f"default: {name}")


# -- commands


def variants(options: argparse.Namespace) -> None:
    from aecore.variants import VARIANTS

    rows = [{"name": n, "label": v.label, "summary": v.summary, "paper": v.paper} for n, v in VARIANTS.items()]
    show(rows, options.json, ("name", "summary", "paper"))


def data(options: argparse.Namespace) -> None:
    from aecore.data import CATALOG

    fields = ("name", "kind", "input_shape", "sizes", "classes", "description")
    rows = [{name: getattr(entry, name) for name in fields} | {"local": entry.local()} for entry in CATALOG.values()]
    show(rows, options.json, ("name", "kind", "input_shape", "sizes", "local", "description"))


def runs_(options: argparse.Namespace) -> None:
    show([describe(run) for run in runs.list_runs()], options.json)


def describe(run: Run) -> dict[str, Any]:
    """A run in one flat row; one whose config is unsound says so instead of hiding the others."""
    from aecore.metrics import DESCRIPTIONS

    row: dict[str, Any] = {"id": run.id, "variant": "", "data": "", "state": "broken", "epoch": 0}
    try:
        config, state = run.config(), run.state()
    except AecoreError:
        return row
    row |= {"variant": config.model.variant, "data": config.data.name if config.data else ""}
    row |= {
        "state": state.state,
        "epoch": state.epoch,
        **{n: v for n, v in run.test_metrics().items() if n in DESCRIPTIONS},
    }
    return row


def train(options: argparse.Namespace) -> None:
    from aecore import plan

    settings = dict(setting(text) for text in options.set)
    for name in ("epochs", "batch_size", "lr", "seed", "device"):
        if (value := getattr(options, name)) is not None:
            settings[f"training.{name}"] = value
    config = plan.plan(options.variant, options.data, latent_dim=options.latent_dim, settings=settings, tell=tell_data)
    if is_launched():
        follow(runs.shared(config, options.out, first=os.environ["RANK"] == "0"))
        return
    run = runs.create(config, options.out)
    print(f"{run.id}: {config.model.variant} on {options.data}, in {run.path}", flush=True)
    follow(run)


def sweep(options: argparse.Namespace) -> None:
    from aecore import backends, plan
    from aecore import sweep as sweeps

    settings = dict(setting(text) for text in options.set)
    if options.epochs is not None:
        settings["training.epochs"] = options.epochs
    configs = [
        plan.plan(variant, options.data, latent_dim=size, settings=settings, tell=tell_data)
        for variant in options.variants
        for size in options.latent_dim or [None]
    ]
    order, token = place(options)
    made = sweeps.create(configs, options.seeds, options.name)
    for run in made:
        backends.start(run, order, token)
        print(run.id)
    name = made[0].config().sweep
    print(f"{name}: {len(made)} runs are queued. Watch them: python -m aecore results {name}")


def place(options: argparse.Namespace) -> tuple[Any, str | bool]:
    """Where runs are to be sent, and who pays; (None, False) for this machine."""
    from aecore import backends

    if options.on == "local":
        return None, False
    token: str | bool = False
    if options.on == "hf":
        from huggingface_hub import get_token

        token = get_token() or False
    found = {device.name: device for device in backends.engine(options.on, token).devices() if not device.why_not}
    if options.device not in found:
        known = ", ".join(found) or backends.engine(options.on, token).devices()[0].why_not
        raise ConfigError(f"Give --device one of what is there: {known}")
    device = found[options.device]
    minutes = options.minutes if options.on == "hf" else 0
    if device.price:
        print(f"At most ${device.price * minutes / 60:.2f} a run.")
    return backends.Order(
        backend=options.on, device=device.name, label=device.label, minutes=minutes, price=device.price
    ), token


def results(options: argparse.Namespace) -> None:
    from aecore import sweep as sweeps
    from aecore.metrics import DESCRIPTIONS

    if not (members := sweeps.members(options.sweep)):
        raise RunError(f"There is no sweep {options.sweep!r}. Known: {', '.join(sweeps.names()) or 'none'}.")
    rows = []
    for group in sweeps.groups(members):
        row: dict[str, Any] = {"variant": group.variant, "latent_dim": group.latent_dim}
        row["done"] = f"{group.count()} of {len(group.runs)}"
        for name, found in group.metrics().items():
            if name in DESCRIPTIONS:
                row[name] = found if options.json else str(found)
        rows.append(row)
    show(rows, options.json)


def resume(options: argparse.Namespace) -> None:
    run = runs.find(options.run)
    state = run.state().state
    if options.queued and state == "stopped":  # stopped in the moment between queue and start
        return
    if state == "done" and is_launched():  # a process died just after the last epoch
        return
    if state == "done":
        raise RunError(f"{run.id} is done: all its epochs are trained. Start a new run for more.")
    (run.path / REMOTE).unlink(missing_ok=True)  # from now on it is here
    follow(run)


def stop(options: argparse.Namespace) -> None:
    from aecore import backends

    run = runs.find(options.run)
    backends.stop(run)
    print(f"{run.id}: {run.state().state}" + (", about to stop" if run.is_locked() else ""))


def evaluate(options: argparse.Namespace) -> None:
    from aecore import Autoencoder, metrics
    from aecore.plan import load_for

    run = runs.find(options.run)
    model, dataset = Autoencoder.load(run.path), load_for(run.config(), options.data)
    x = (dataset.train if options.split == "train" else dataset.test).x
    model.checked(x)
    if options.samples < 0:
        raise ConfigError(f"--samples must be 0 or more, got {options.samples}.")
    print_metrics(metrics.evaluate(model, x, samples=options.samples), options.json)


def sample(options: argparse.Namespace) -> None:
    from aecore import Autoencoder, latent
    from aecore.plan import load_for

    run = runs.find(options.run)
    model = Autoencoder.load(run.path)
    x, source = latent.sample(model, options.n, options.seed, lambda: load_for(run.config()).train.x)
    print(f"{options.n} examples from {source}, in {write_examples(options.out, x)}")


def interpolate(options: argparse.Namespace) -> None:
    from aecore import Autoencoder, latent
    from aecore.plan import load_for

    run = runs.find(options.run)
    model, x = Autoencoder.load(run.path), load_for(run.config()).test.x
    if bad := [i for i in options.between if not 0 <= i < len(x)]:
        raise ConfigError(f"There are {len(x)} test examples, got number {bad[0]}. Count from 0.")
    start, end = latent.codes(model, x[list(options.between)])
    x = latent.decode(model, latent.interpolate(start, end, options.steps, options.path))
    first, last = options.between
    print(f"{options.steps} steps between test examples {first} and {last}, in {write_examples(options.out, x)}")


def export(options: argparse.Namespace) -> None:
    from aecore import exchange, static

    run = runs.find(options.run)
    if options.to == "static":
        made = static.export(run, options.out, points=options.points, maps=options.maps, thumbnails=options.thumbnails)
        if made.remark:
            print(made.remark)
        print(f"{options.out / 'index.html'}: {made.size:,} bytes in all. Open it in a browser.")
        return
    for path, difference in exchange.export(run, options.to, options.out).items():
        print(f"{path}: agrees with PyTorch to {difference:.1e}")


def push(options: argparse.Namespace) -> None:
    from aecore import hub

    print(hub.push(runs.find(options.run), options.repo, private=options.private))


def pull(options: argparse.Namespace) -> None:
    from aecore import hub

    repo, _, revision = options.repo.partition("@")
    print(hub.pull(repo, revision=revision or None, out=options.out or runs.root() / repo.replace("/", "--")))


# -- what they share


def setting(text: str) -> tuple[str, Any]:
    """`part.field=value`: the value as JSON where it is that, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set takes PART.FIELD=VALUE, got {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def follow(run: Run) -> None:
    """Train here and now, with a bar on a terminal and plain lines elsewhere; Ctrl-C keeps the best model."""
    from aecore import train

    stopped: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):  # the last: its time is up
        signal.signal(signum, lambda number, _: stopped.append(number))
    if os.environ.get("RANK", "0") != "0":  # one of several: the first one speaks
        list(train.fit(run, lambda: bool(stopped)))
        return
    state, total = run.state(), (run.config().training or train.TrainConfig()).epochs
    with tqdm(total=total, initial=state.epoch, unit="epoch", disable=not sys.stderr.isatty()) as bar:
        for record in train.fit(run, lambda: bool(stopped), tell_data):
            if record["kind"] == "test":
                continue
            if bar.disable:
                print(line(record, total), flush=True)
            elif record["kind"] == "epoch":
                bar.set_postfix(loss=f"{record['loss']:.4g}")
                bar.update()
    if signal.SIGALRM in stopped and run.state().state == "stopped":
        run.write_state(error="Its time was up; the best model so far is kept. Resume it to go on.")
    state = run.state()
    print(f"{run.id}: {state.state} after {state.epoch} of {total} epochs, in {run.path}")
    print_metrics(run.test_metrics(), False)


def line(record: dict[str, Any], total: int) -> str:
    """One record as a plain line."""
    if record["kind"] == "pretrain":
        return f"layer {record['layer']} epoch {record['epoch']}  loss {record['loss']:.4f}  {record['seconds']:.1f} s"
    parts = [f"epoch {record['epoch']}/{total}", f"loss {record['loss']:.4f}"]
    if "validation_loss" in record:
        parts.append(f"validation {record['validation_loss']:.4f}")
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


def tell_data(what: str, share: float) -> None:
    """Progress of a download."""
    if sys.stderr.isatty():
        print(f"\r{what} {share:4.0%}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


def print_metrics(values: dict[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        print(f"{name:16} {value:.4f}" if isinstance(value, float) else f"{name:16} {value}")


def show(rows: list[dict[str, Any]], as_json: bool, columns: Iterable[str] | None = None) -> None:
    """Rows as JSON, or as aligned columns."""
    if as_json:
        print(json.dumps(rows))
        return
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    table = [names, *([cell(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(names))]
    for cells in table:
        print("  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip())


def cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_examples(path: Path, x: Any) -> Path:
    """Images as one PNG grid; anything else, or a .npz by name, as arrays. Where they went."""
    import numpy

    from aecore.pictures import grid

    try:
        if path.suffix == ".npz" or x.dim() != 4:
            path = path.with_suffix(".npz")
            numpy.savez(path, x=x.numpy())
        else:
            grid(x).save(path)
        return path
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be written: {error}. Give a .png or .npz in a folder that exists.") from error


if __name__ == "__main__":
    sys.exit(main())
