"""The model card: what a model is, how good it is, how to make it again and how to use it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from aecore.analysis.metrics import METRIC_DESCRIPTIONS
from aecore.data.catalog import CATALOG
from aecore.errors import ConfigError
from aecore.hub.client import LIBRARY
from aecore.model.config import RunConfig
from aecore.model.parts.base import Options
from aecore.model.variants import VARIANTS
from aecore.runs.recipe import RECIPE_PARTS, format_train_command, infer_data_kind
from aecore.runs.references import find_references

VARIANT_TAG = "aecore-variant:"
ON_THE_HUB = {  # catalog names whose data the Hub has too
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
    "svhn": "ufldl-stanford/svhn",
}
NO_ERROR = ("parameters", "active_units")  # metrics that are counts


def format_card(
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
    measured = keep_known_metrics(metrics)
    blocks = [
        format_front_matter(config, measured),
        f"# {format_card_title(config, escape_markdown)}",
        *describe_variant(config),
        *(
            [
                f"**[Explore it in the browser]({space})**: point anywhere on the map of its codes, and it decodes there."
            ]
            if space
            else []
        ),
        "## Parts\n\n" + format_parts_table(config),
    ]
    if measured:
        blocks.append("## Results\n\n" + format_results_table(config, measured))
    if training := format_training_section(config, history):
        blocks.append("## Training\n\n" + training)
    blocks.append(
        "## Use\n\nWith the package `aecore` of Autoencoder Lab:\n\n"
        + fence_code("python", format_snippet(config, repo, folder))
    )
    return "\n\n".join(blocks) + "\n"


# -- the blocks of the text


def format_front_matter(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """What the Hub reads: library, tags, data and results, as YAML."""
    task = (
        "image-feature-extraction" if infer_data_kind(config) == "image" else "feature-extraction"
    )
    tags = ["autoencoder", LIBRARY]
    if variant := VARIANTS.get(config.model.variant):
        tags += [variant.family.lower(), f"{VARIANT_TAG}{config.model.variant}"]
    values: dict[str, Any] = {"library_name": LIBRARY, "license": "mit", "pipeline_tag": task}
    values["tags"] = list(dict.fromkeys(tags))
    name = config.data.name if config.data else ""
    if name in ON_THE_HUB:
        values["datasets"] = [ON_THE_HUB[name]]
    rows = [
        {"type": key, "name": key, "value": value}
        for key, value in metrics.items()
        if key not in NO_ERROR
    ]
    if rows and name:
        data = {
            "type": ON_THE_HUB.get(name, clean_line(name)),
            "name": name_data_set(config),
            "split": "test",
        }
        result = {
            "task": {"type": task, "name": "Reconstruction"},
            "dataset": data,
            "metrics": rows,
        }
        values["model-index"] = [{"name": format_card_title(config), "results": [result]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"


def format_card_title(config: RunConfig, form: Any = str) -> str:
    """Such as `Denoising autoencoder (masking) on MNIST`; `form` is applied to what the config names."""
    variant = VARIANTS.get(config.model.variant)
    if variant is None:
        text = f"{form(clean_line(config.model.variant))} autoencoder"
    else:
        head, _, tail = variant.label.partition(", ")
        text = (head if "AE" in head else f"{head} autoencoder") + (f" ({tail})" if tail else "")
    return f"{text} on {form(name_data_set(config))}" if config.data else text


def describe_variant(config: RunConfig) -> list[str]:
    """The sentence, the formula and the paper of the variant."""
    shape = " x ".join(map(str, config.model.input_shape))
    what = "values" if len(config.model.input_shape) == 1 else "pixels (channels, height, width)"
    sizes = f"It takes {shape} {what} to a code of {config.model.latent_dim}."
    if (variant := VARIANTS.get(config.model.variant)) is None:
        return [sizes]
    return [
        f"{variant.summary} {sizes}",
        f"$$ {variant.formula} $$",
        f"[{variant.paper}]({variant.url})",
    ]


def format_parts_table(config: RunConfig) -> str:
    """One row for each part, with its options."""
    model = config.model
    rows = [(name, part) for name in RECIPE_PARTS if (part := getattr(model, name)) is not None]
    rows += [("penalty", penalty) for penalty in model.penalties]
    lines = [f"| {name} | {part.kind} | {format_part_options(part)} |" for name, part in rows]
    if model.scaling != "none":
        lines.append(f"| scaling | {model.scaling} | |")
    return "\n".join(["| part | kind | options |", "|---|---|---|", *lines])


def format_part_options(part: Options) -> str:
    values = part.model_dump(mode="json", exclude={"kind"})
    return ", ".join(
        f"{name} {escape_markdown(json.dumps(value).strip(chr(34)))}"
        for name, value in values.items()
    )


def format_results_table(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """The test metrics, with what they are, their units, and published figures to hold them against."""
    where = (
        f"the test split of {escape_markdown(name_data_set(config))}"
        if config.data
        else "test data"
    )
    units = "pixels in [0, 1]" if config.model.scaling == "none" else "scaled columns"
    lines = [
        f"| {name} | {format_card_number(value)} | {describe_metric(name)} |"
        for name, value in metrics.items()
    ]
    table = "\n".join(["| metric | value | what it is |", "|---|---|---|", *lines])
    published = [
        f"- {name} {format_card_number(metrics[name])}; {escape_markdown(reference.source)}: {format_card_number(reference.value)}"
        for name, reference in find_references(config).items()
        if name in metrics
    ]
    compared = "\n\nFor comparison:\n\n" + "\n".join(published) if published else ""
    tail = ", of PSNR higher" if "psnr" in metrics else ""
    return f"Measured on {where}, in {units}. Of errors and bounds lower is better{tail}.\n\n{table}{compared}"


def describe_metric(name: str) -> str:
    text = re.sub(r" (Lower|Higher) is better\.", "", METRIC_DESCRIPTIONS[name]).rstrip(".")
    return text.replace("|", "\\|")


def format_training_section(config: RunConfig, history: Sequence[Mapping[str, Any]]) -> str:
    """The command, and what came of it; empty where that is not known or not safe to paste."""
    try:
        line = format_train_command(config, infer_data_kind(config))
    except ConfigError:
        return ""
    if not line.isprintable():  # a line to paste must be what it looks like
        return ""
    losses, seconds = ([row.get(name) for row in history] for name in ("loss", "seconds"))
    text = "This makes the same run again:\n\n" + fence_code("sh", line)
    if losses and all(is_finite_number(value) for value in (*losses, *seconds)):
        first, last = format_card_number(losses[0]), format_card_number(losses[-1])
        took = format_card_number(math.fsum(seconds))
        text += f"\n\n{len(losses)} epochs took {took} s; the training loss went from {first} to {last}."
    return text


def format_snippet(config: RunConfig, repo: str | None, folder: str | None) -> str:
    """Python that runs as it stands."""
    source = (
        f"from_pretrained({quote_yaml(repo)})" if repo else f"load({quote_yaml(folder or '.')})"
    )
    shape = ", ".join(map(str, config.model.input_shape))
    draw, units = (
        ("rand", "pixels in [0, 1]")
        if infer_data_kind(config) == "image"
        else ("randn", "columns in their own units")
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


def keep_known_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The known metrics that are numbers."""
    return {
        name: metrics[name] for name in METRIC_DESCRIPTIONS if is_finite_number(metrics.get(name))
    }


def is_finite_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def name_data_set(config: RunConfig) -> str:
    """For people: a catalog set's label, else the name on one line."""
    name = config.data.name if config.data else ""
    return CATALOG[name].label if name in CATALOG else clean_line(name)


def clean_line(text: str) -> str:
    """On one line, printable, of bearable length."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:100] or "data"


def escape_markdown(text: str) -> str:
    """Text that Markdown, HTML and formulas leave as it is."""
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:@-])", r"\\\1", html)


def quote_yaml(text: str) -> str:
    return json.dumps(text)


def fence_code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def format_card_number(value: float) -> str:
    """Three significant digits, or whole with its thousands set apart."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"
