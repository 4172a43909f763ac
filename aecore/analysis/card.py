"""The model card, README.md: the model, its metrics, how to train it again and how to use it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from aecore.analysis.card_results import format_diagnosis, format_results_section
from aecore.analysis.card_text import (
    fence_code,
    format_card_number,
    keep_known_metrics,
    name_data_set,
    quote_yaml,
)
from aecore.analysis.doctor.base import Finding
from aecore.analysis.metrics import COUNT, METRICS
from aecore.errors import ConfigError
from aecore.files import LIBRARY
from aecore.model.config import ModelConfig, RunConfig
from aecore.model.parts.base import Options
from aecore.model.parts.column_heads import count_kinds
from aecore.model.parts.networks.pretrained import PretrainedNetwork
from aecore.model.variants import VARIANTS
from aecore.names import clean_name, escape_markdown
from aecore.runs.knobs import apply_moves
from aecore.runs.recipe import (
    RECIPE_PARTS,
    format_train_command,
    infer_data_kind,
)
from aecore.runs.records import EpochRecord, KnobRecord

VARIANT_TAG = "aecore-variant:"
MAX_LISTED_MOVES = 100
ON_THE_HUB = {  # catalog names whose data the Hub has too
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
    "svhn": "ufldl-stanford/svhn",
}


def format_card(
    config: RunConfig,
    metrics: Mapping[str, Any],
    *,
    repo: str | None = None,
    folder: str | None = None,
    space: str = "",
    history: Sequence[EpochRecord] = (),
    moves: Sequence[KnobRecord] = (),
    findings: Sequence[Finding] = (),
) -> str:
    """Returns the text of README.md for a run with these test metrics, and the doctor's findings.

    The snippet pulls from `repo` where that is given, else it loads `folder`. `space` is the
    address of a page that shows the model. `history` is `Run.epochs()`, `moves` `Run.knob_moves()`.
    Nothing in a stranger's config or metrics can break out of its place in the text.
    """
    known = keep_known_metrics(metrics)
    blocks = [
        format_front_matter(config, known),
        f"# {format_card_title(config, escape_markdown)}",
        *describe_variant(config),
    ]
    if isinstance(config.model.network, PretrainedNetwork):
        blocks.append(describe_origin(config.model.network))
    if space:
        blocks.append(
            f"**[Explore it in the browser]({space})**: point anywhere on the map of its codes, "
            "and it decodes there."
        )
    blocks.append("## Parts\n\n" + format_parts_table(config))
    if known:
        results = format_results_section(apply_moves(config, moves), known)
        blocks.append("## Results\n\n" + results)
    if findings:
        blocks.append("## Diagnosis\n\n" + format_diagnosis(findings))
    if training := format_training_section(config, history):
        blocks.append("## Training\n\n" + training + format_moves(moves))
    blocks.append(
        "## Use\n\nWith the package `aecore` of Autoencoder Lab:\n\n"
        + fence_code("python", format_snippet(config, repo, folder))
    )
    return "\n\n".join(blocks) + "\n"


# -- the front matter


def format_front_matter(config: RunConfig, metrics: Mapping[str, float]) -> str:
    """Returns the YAML block that the Hub reads: library, tags, data and results."""
    is_image = infer_data_kind(config) == "image"
    task = "image-feature-extraction" if is_image else "feature-extraction"
    values: dict[str, Any] = {"library_name": LIBRARY, "license": "mit", "pipeline_tag": task}
    if isinstance(config.model.network, PretrainedNetwork):
        network = config.model.network
        values |= {"license": network.license or "unknown", "base_model": network.source}
    values["tags"] = list_tags(config)
    name = config.data.name if config.data else ""
    if name in ON_THE_HUB:
        values["datasets"] = [ON_THE_HUB[name]]
    errors = {key: value for key, value in metrics.items() if METRICS[key].unit != COUNT}
    if errors and name:
        result = make_result(config, name, task, errors)
        values["model-index"] = [{"name": format_card_title(config), "results": [result]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"


def list_tags(config: RunConfig) -> list[str]:
    """Returns the tags by which the Hub finds the model, each once."""
    tags = ["autoencoder", LIBRARY]
    if variant := VARIANTS.get(config.model.variant):
        tags += [variant.family.lower(), f"{VARIANT_TAG}{config.model.variant}"]
    return list(dict.fromkeys(tags))


def make_result(
    config: RunConfig, name: str, task: str, errors: Mapping[str, float]
) -> dict[str, Any]:
    """Returns the entry of `model-index`: these metrics on the test split of a data set."""
    return {
        "task": {"type": task, "name": "Reconstruction"},
        "dataset": {
            "type": ON_THE_HUB.get(name, name_data_set(config)),
            "name": name_data_set(config),
            "split": "test",
        },
        "metrics": [{"type": key, "name": key, "value": value} for key, value in errors.items()],
    }


# -- the blocks of the text


def format_card_title(config: RunConfig, escape: Callable[[str], str] = str) -> str:
    """Returns a title like `Denoising autoencoder (masking) on MNIST`, names through `escape`."""
    variant = VARIANTS.get(config.model.variant)
    if isinstance(config.model.network, PretrainedNetwork):
        return f"{config.model.network.layout} of {escape(config.model.network.source)}"
    if variant is None:
        title = f"{escape(clean_name(config.model.variant))} autoencoder"
    else:
        head, _, tail = variant.label.partition(", ")
        title = (head if "AE" in head else f"{head} autoencoder") + (f" ({tail})" if tail else "")
    return f"{title} on {escape(name_data_set(config))}" if config.data else title


def describe_variant(config: RunConfig) -> list[str]:
    """Returns the sentence, the formula and the paper of the variant, each a block of text."""
    shape = config.model.input_shape
    unit = "values" if len(shape) == 1 else "pixels (channels, height, width)"
    code = f"a code of {config.model.latent_dim}{describe_code_grid(config.model)}"
    sizes = f"It takes {' x '.join(map(str, shape))} {unit} to {code}."
    variant = VARIANTS.get(config.model.variant)
    if variant is None:
        return [sizes]
    return [
        f"{variant.summary} {sizes}",
        f"$$ {variant.formula} $$",
        f"[{variant.paper}]({variant.url})",
    ]


def describe_origin(network: PretrainedNetwork) -> str:
    """Returns where the weights of a pretrained network are from, and under which licence."""
    link = f"[{escape_markdown(network.source)}](https://huggingface.co/{network.source})"
    commit = f", commit {network.revision[:12]}" if network.revision else ""
    license = network.license or "not stated, see there"
    return (
        f"**Read-only.** The weights are those of {link}{commit}; licence: {license}. They are not "
        f"trained here. Diffusion models of these codes subtract {network.shift_factor:g} from "
        f"them and multiply them by {network.scaling_factor:g}."
    )


def describe_code_grid(config: ModelConfig) -> str:
    """Returns how a code is arranged, such as ": 16 at each of 4 x 4 places"; "" of a dense one."""
    if config.code_grid is None:
        return ""
    channels, height, width = config.code_grid
    return f": {channels} at each of {height} x {width} places"


def format_parts_table(config: RunConfig) -> str:
    """Returns a table with one row for each part, with its options."""
    model = config.model
    parts = [(name, getattr(model, name)) for name in RECIPE_PARTS]
    parts += [("penalty", penalty) for penalty in model.penalties]
    lines = ["| part | kind | options |", "|---|---|---|"]
    for name, part in parts:
        if part is not None:
            lines.append(f"| {name} | {part.kind} | {format_part_options(part)} |")
    if model.scaling != "none":
        lines.append(f"| scaling | {model.scaling} | |")
    return "\n".join(lines)


def format_part_options(part: Options) -> str:
    """Returns the options of a part with their values, in one cell of a table."""
    values = part.model_dump(mode="json", exclude={"kind"})
    if "heads" in values:
        values["heads"] = count_kinds(values["heads"])
    return ", ".join(
        f"{name} {escape_markdown(json.dumps(value).strip(chr(34)))}"
        for name, value in values.items()
    )


def format_training_section(config: RunConfig, history: Sequence[EpochRecord]) -> str:
    """Returns the command and its outcome; empty where it is not known or not safe to paste."""
    try:
        command = format_train_command(config, infer_data_kind(config))
    except ConfigError:
        return ""
    if not command.isprintable():  # a line to paste must be what it looks like
        return ""
    text = "This makes the same run again:\n\n" + fence_code("sh", command)
    losses = [record.loss for record in history if record.loss is not None]
    seconds = [record.seconds for record in history if record.seconds is not None]
    if not losses or not len(losses) == len(seconds) == len(history):
        return text
    first, last = format_card_number(losses[0]), format_card_number(losses[-1])
    took = format_card_number(math.fsum(seconds))
    return (
        f"{text}\n\n{len(losses)} epochs took {took} s; "
        f"the training loss went from {first} to {last}."
    )


def format_moves(moves: Sequence[KnobRecord]) -> str:
    """Returns a list of the knobs that were moved while the run trained; empty without any."""
    moved = [(move, path, value) for move in moves for path, value in move.knobs.items()]
    lines = [
        f"- epoch {move.epoch}, step {move.step}: {escape_markdown(clean_name(path))} "
        f"{format_card_number(value)}"
        for move, path, value in moved[:MAX_LISTED_MOVES]
    ]
    if len(moved) > MAX_LISTED_MOVES:
        lines.append(f"- and {len(moved) - MAX_LISTED_MOVES:,} more")
    text = "\n\nMoved while it trained, which the command does not repeat:\n\n"
    return text + "\n".join(lines) if lines else ""


def format_snippet(config: RunConfig, repo: str | None, folder: str | None) -> str:
    """Returns Python code that loads the model and reconstructs examples, as it stands."""
    load = f"from_pretrained({quote_yaml(repo)})" if repo else f"load({quote_yaml(folder or '.')})"
    shape = ", ".join(map(str, config.model.input_shape))
    if infer_data_kind(config) == "image":
        draw, units = "rand", "pixels in [0, 1]"
    else:
        draw, units = "randn", "columns in their own units"
    return "\n".join(
        [
            "import torch",
            "from aecore import Autoencoder",
            "",
            f"model = Autoencoder.{load}",
            f"x = torch.{draw}(4, {shape})  # put your examples here: {units}",
            "reconstruction = model.reconstruct(x)",
            "error = (reconstruction - x).square().flatten(1).sum(1).mean()",
            'print(tuple(reconstruction.shape), f"squared error {error:.4g}")',
        ]
    )
