"""The model card: what a model is, how good it is, how to make it again and how to use it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from aecore.config import RunConfig
from aecore.data import CATALOG
from aecore.errors import ConfigError
from aecore.hub_client import LIBRARY
from aecore.metrics import DESCRIPTIONS
from aecore.parts.base import Options
from aecore.recipe import PARTS, command, kind_of
from aecore.references import references
from aecore.variants import VARIANTS

VARIANT_TAG = "aecore-variant:"
ON_THE_HUB = {  # catalog names whose data the Hub has too
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
    "svhn": "ufldl-stanford/svhn",
}
NO_ERROR = ("parameters", "active_units")  # metrics that are counts


def card(
    config: RunConfig,
    metrics: Mapping[str, Any],
    *,
    repo: str | None = None,
    folder: str | None = None,
    space: str = "",
    history: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The text of README.md for a run with these test metrics.

    The snippet pulls from `repo` where that is given, else it loads `folder`. `space` is the
    address of a page that shows the model. `history` is `Run.epochs()`.
    Nothing in a stranger's config or metrics can break out of its place in the text.
    """
    measured = sound(metrics)
    blocks = [
        front_matter(config, measured),
        f"# {title(config, escape)}",
        *about(config),
        *(
            [f"**[Explore it in the browser]({space})**: point anywhere on the map of its codes, and it decodes there."]
            if space
            else []
        ),
        "## Parts\n\n" + parts_table(config),
    ]
    if measured:
        blocks.append("## Results\n\n" + results(config, measured))
    if training := how_trained(config, history):
        blocks.append("## Training\n\n" + training)
    blocks.append(
        "## Use\n\nWith the package `aecore` of Autoencoder Lab:\n\n" + fenced("python", snippet(config, repo, folder))
    )
    return "\n\n".join(blocks) + "\n"


# -- the blocks of the text


def front_matter(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """What the Hub reads: library, tags, data and results, as YAML."""
    task = "image-feature-extraction" if kind_of(config) == "image" else "feature-extraction"
    tags = ["autoencoder", LIBRARY]
    if variant := VARIANTS.get(config.model.variant):
        tags += [variant.family.lower(), f"{VARIANT_TAG}{config.model.variant}"]
    values: dict[str, Any] = {"library_name": LIBRARY, "license": "mit", "pipeline_tag": task}
    values["tags"] = list(dict.fromkeys(tags))
    name = config.data.name if config.data else ""
    if name in ON_THE_HUB:
        values["datasets"] = [ON_THE_HUB[name]]
    rows = [{"type": key, "name": key, "value": value} for key, value in metrics.items() if key not in NO_ERROR]
    if rows and name:
        data = {"type": ON_THE_HUB.get(name, clean(name)), "name": data_name(config), "split": "test"}
        result = {"task": {"type": task, "name": "Reconstruction"}, "dataset": data, "metrics": rows}
        values["model-index"] = [{"name": title(config), "results": [result]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"


def title(config: RunConfig, form: Any = str) -> str:
    """Such as `Denoising autoencoder (masking) on MNIST`; `form` is applied to what the config names."""
    variant = VARIANTS.get(config.model.variant)
    if variant is None:
        text = f"{form(clean(config.model.variant))} autoencoder"
    else:
        head, _, tail = variant.label.partition(", ")
        text = (head if "AE" in head else f"{head} autoencoder") + (f" ({tail})" if tail else "")
    return f"{text} on {form(data_name(config))}" if config.data else text


def about(config: RunConfig) -> list[str]:
    """The sentence, the formula and the paper of the variant."""
    shape = " x ".join(map(str, config.model.input_shape))
    what = "values" if len(config.model.input_shape) == 1 else "pixels (channels, height, width)"
    sizes = f"It takes {shape} {what} to a code of {config.model.latent_dim}."
    if (variant := VARIANTS.get(config.model.variant)) is None:
        return [sizes]
    return [f"{variant.summary} {sizes}", f"$$ {variant.formula} $$", f"[{variant.paper}]({variant.url})"]


def parts_table(config: RunConfig) -> str:
    """One row for each part, with its options."""
    model = config.model
    rows = [(name, part) for name in PARTS if (part := getattr(model, name)) is not None]
    rows += [("penalty", penalty) for penalty in model.penalties]
    lines = [f"| {name} | {part.kind} | {options(part)} |" for name, part in rows]
    if model.scaling != "none":
        lines.append(f"| scaling | {model.scaling} | |")
    return "\n".join(["| part | kind | options |", "|---|---|---|", *lines])


def options(part: Options) -> str:
    values = part.model_dump(mode="json", exclude={"kind"})
    return ", ".join(f"{name} {escape(json.dumps(value).strip(chr(34)))}" for name, value in values.items())


def results(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """The test metrics, with what they are, their units, and published figures to hold them against."""
    where = f"the test split of {escape(data_name(config))}" if config.data else "test data"
    units = "pixels in [0, 1]" if config.model.scaling == "none" else "scaled columns"
    lines = [f"| {name} | {number(value)} | {description(name)} |" for name, value in metrics.items()]
    table = "\n".join(["| metric | value | what it is |", "|---|---|---|", *lines])
    published = [
        f"- {name} {number(metrics[name])}; {escape(reference.source)}: {number(reference.value)}"
        for name, reference in references(config).items()
        if name in metrics
    ]
    compared = "\n\nFor comparison:\n\n" + "\n".join(published) if published else ""
    tail = ", of PSNR higher" if "psnr" in metrics else ""
    return f"Measured on {where}, in {units}. Of errors and bounds lower is better{tail}.\n\n{table}{compared}"


def description(name: str) -> str:
    text = re.sub(r" (Lower|Higher) is better\.", "", DESCRIPTIONS[name]).rstrip(".")
    return text.replace("|", "\\|")


def how_trained(config: RunConfig, history: Sequence[Mapping[str, Any]]) -> str:
    """The command, and what came of it; empty where that is not known or not safe to paste."""
    try:
        line = command(config, kind_of(config))
    except ConfigError:
        return ""
    if not line.isprintable():  # a line to paste must be what it looks like
        return ""
    losses, seconds = ([row.get(name) for row in history] for name in ("loss", "seconds"))
    text = "This makes the same run again:\n\n" + fenced("sh", line)
    if losses and all(is_finite(value) for value in (*losses, *seconds)):
        first, last = number(losses[0]), number(losses[-1])
        took = number(math.fsum(seconds))
        text += f"\n\n{len(losses)} epochs took {took} s; the training loss went from {first} to {last}."
    return text


def snippet(config: RunConfig, repo: str | None, folder: str | None) -> str:
    """Python that runs as it stands."""
    source = f"from_pretrained({quoted(repo)})" if repo else f"load({quoted(folder or '.')})"
    shape = ", ".join(map(str, config.model.input_shape))
    draw, units = (
        ("rand", "pixels in [0, 1]") if kind_of(config) == "image" else ("randn", "columns in their own units")
    )
    return "\n".join(
        [
            "import torch",
            "from aecore import Autoencoder",
            "",
            f"model = Autoencoder.{source}",
            f"x = torch.{draw}(4, {shape})  # put your examples here: {units}",
            "reconstruction = model.reconstruct(x)",
            "error = (reconstruction - x).square().flatten(1).sum(1).mean()",
            'print(tuple(reconstruction.shape), f"squared error {error:.4g}")',
        ]
    )


# -- text that cannot break out


def sound(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The known metrics that are numbers."""
    return {name: metrics[name] for name in DESCRIPTIONS if is_finite(metrics.get(name))}


def is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def data_name(config: RunConfig) -> str:
    """For people: a catalog set's label, else the name on one line."""
    name = config.data.name if config.data else ""
    return CATALOG[name].label if name in CATALOG else clean(name)


def clean(text: str) -> str:
    """On one line, printable, of bearable length."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:100] or "data"


def escape(text: str) -> str:
    """Text that Markdown, HTML and formulas leave as it is."""
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:@-])", r"\\\1", html)


def quoted(text: str) -> str:
    return json.dumps(text)


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def number(value: float) -> str:
    """Three significant digits, or whole with its thousands set apart."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"
