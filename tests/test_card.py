"""The model card and the command in it."""

from __future__ import annotations

import json
import shlex
from typing import Any

import numpy as np
import pytest
import yaml

from aecore.analysis.card import format_card
from aecore.cli import foreground
from aecore.cli.parser import main
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, RunConfig, TrainConfig
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.model.variants.overrides import override_config
from aecore.names import JOINER
from aecore.runs.plan import plan_run
from aecore.runs.recipe import format_train_command, infer_data_kind
from aecore.runs.records import EpochRecord
from aecore.runs.run import Run

DATA = {"image": "digits", "table": "iris", "manifold": "moons"}
CONVOLUTIONAL = [
    name for name, v in VARIANTS.items() if v.model.get("network", {}).get("kind") == "conv"
]
APPLY = [(v, kind) for v in VARIANTS for kind in DATA if kind == "image" or v not in CONVOLUTIONAL]
CHANGES: list[dict[str, Any]] = [
    {
        "training.lr": 3e-4,
        "training.schedule": "step",
        "training.early_stopping": 3,
        "training.device": "cpu",
    },
    {
        "training.epochs": 7,
        "training.batch_size": 17,
        "training.seed": 12345,
        "training.momentum": 0.25,
    },
    {
        "corruption.kind": "salt_and_pepper",
        "corruption.fraction": 0.1,
        "bottleneck.kind": "gaussian",
    },
    {
        "network.kind": "mlp",
        "network.hidden": [48, 16],
        "network.activation": "gelu",
        "latent_dim": 6,
    },
    {"penalties": [{"kind": "l1", "weight": 0.5}, {"kind": "l1", "layers": [0]}, {"kind": "mmd"}]},
    {"penalties": [], "corruption": None},
    {"data.limit": 100, "data.test_fraction": 0.3, "data.label": "true", "data.split_seed": 4},
    {
        "data.label": "a 'quoted' \"label\" = $HOME",
        "likelihood.kind": "gaussian",
        "likelihood.variance": 2,
    },
]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command line up to the training; the config that it planned."""
    planned: list[RunConfig] = []

    def note(run: Run) -> None:
        planned.append(run.config())

    monkeypatch.setattr(foreground, "train_here", note)

    def typed(line: str) -> RunConfig:
        python, dash_m, module, *words = shlex.split(line)
        assert (python, dash_m, module) == ("python", "-m", "aecore")
        assert main(words) == 0
        return planned.pop()

    return typed


def read_front_matter(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize(("variant", "kind"), APPLY)
def test_the_command_on_a_card_plans_the_same_run(variant: str, kind: str, typed: Any) -> None:
    config = plan_run(variant, DATA[kind])
    assert infer_data_kind(config) == kind
    line = format_train_command(config, kind)
    assert "--set" not in line
    assert line in format_card(config, {})
    assert typed(line) == config


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize(
    "variant", ["vanilla", "denoising-masking", "sparse-kl", "vae", "k-sparse"]
)
def test_whatever_was_set_is_in_the_command(
    variant: str, changes: dict[str, Any], typed: Any
) -> None:
    if "network.hidden" in changes and variant in ("sparse-kl", "k-sparse"):
        changes = {**changes, "penalties": [], "bottleneck.kind": "deterministic"}
    config = override_config(plan_run(variant, "digits"), changes)
    assert typed(format_train_command(config, "image")) == config


@pytest.mark.parametrize("kind", ["bernoulli", "calibrated", "gaussian"])
@pytest.mark.parametrize("greys", [(0, 256), (250, 256)], ids=["many tones", "white"])
def test_the_likelihood_of_brought_pictures_is_in_the_command(
    greys: tuple[int, int], kind: str, typed: Any, tmp_path: Any
) -> None:
    x = np.random.default_rng(0).integers(*greys, (12, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x)
    config = plan_run("vae", str(tmp_path / "x.npz"), settings={"likelihood.kind": kind})
    assert typed(format_train_command(config, "image")) == config


@pytest.mark.parametrize(
    "changes",
    [{}, {"likelihood.numbers": "student_t"}, {"likelihood.kind": "gaussian"}],
    ids=["as planned", "other numbers", "no heads"],
)
@pytest.mark.parametrize("variant", ["vae", "linear"])
def test_the_columns_of_a_table_are_known_from_it_and_in_no_command(
    variant: str, changes: dict[str, Any], typed: Any, tmp_path: Any
) -> None:
    if variant == "linear" and "likelihood.numbers" in changes:
        changes = {"likelihood.variance": 0.3}
    path = tmp_path / "words.csv"
    path.write_text("state,load\n" + "on,1.5\noff,2.5\nidle,0.25\n" * 9)
    config = plan_run(variant, str(path), settings=changes)
    line = format_train_command(config, "table")
    assert "heads" not in line and typed(line) == config
    card = format_card(config, {})
    assert "Head" not in card
    assert ("heads 1 category, 1 number" in card) == (config.model.likelihood.kind == "mixed")


def test_a_code_of_another_size_is_set_by_its_own_flag(typed: Any) -> None:
    config = plan_run("k-sparse", "digits", latent_dim=12)
    line = format_train_command(config, "image")
    assert "--latent-dim 12" in line and "--set" not in line
    assert typed(line) == config


def test_a_path_with_spaces_and_quotes_survives_the_shell(typed: Any, tmp_path: Any) -> None:
    path = tmp_path / "it's data; rm -rf $HOME.csv"
    path.write_text("a,b,c\n" + "".join(f"{i},{i * i},{-i}\n" for i in range(50)))
    config = plan_run("vanilla", str(path))
    assert typed(format_train_command(config, "table")) == config


def test_a_model_without_training_has_no_command() -> None:
    config = RunConfig(model=configure("vae", (1, 8, 8)).model)
    with pytest.raises(ConfigError, match="no data"):
        format_train_command(config, "image")
    assert "aecore train" not in format_card(config, {})


def test_the_front_matter_says_library_variant_data_and_results() -> None:
    config = configure("beta-vae", (1, 28, 28), data=DataConfig(name="mnist"))
    values = read_front_matter(
        format_card(
            config, {"se": 27.25, "psnr": 14.5, "active_units": 9, "parameters": 123}, repo="a/b"
        )
    )
    assert values["library_name"] == "aecore"
    assert {"autoencoder", "aecore", "variational", "aecore-variant:beta-vae"} == set(
        values["tags"]
    )
    assert values["datasets"] == ["ylecun/mnist"]
    (result,) = values["model-index"][0]["results"]
    assert [(m["type"], m["value"]) for m in result["metrics"]] == [("se", 27.25), ("psnr", 14.5)]
    assert result["dataset"] == {"type": "ylecun/mnist", "name": "MNIST", "split": "test"}


def test_the_front_matter_is_one_that_the_client_reads() -> None:
    from huggingface_hub import ModelCard

    config = configure("vae", (1, 28, 28), data=DataConfig(name="mnist"))
    data = ModelCard(format_card(config, {"se": 27.25})).data
    assert data.eval_results[0].metric_value == 27.25
    assert data.library_name == "aecore"


def test_the_text_shows_formula_paper_parts_and_results() -> None:
    config = configure("denoising-masking", (1, 8, 8), data=DataConfig(name="digits"))
    history = [
        EpochRecord(epoch=1, loss=20.5, seconds=1.5),
        EpochRecord(epoch=2, loss=10.25, seconds=1.5),
    ]
    text = format_card(
        config, {"se": 3.14159, "psnr": 13.1, "parameters": 1234567}, history=history
    )
    assert "# Denoising autoencoder (masking) on Digits" in text
    assert f"$$ {VARIANTS['denoising-masking'].formula} $$" in text
    assert VARIANTS["denoising-masking"].url in text
    assert "| corruption | masking | fraction 0.25 |" in text
    assert "| se | 3.14 |" in text and "| parameters | 1,234,567 |" in text
    assert text.count("ower is better") == 1
    assert "2 epochs took 3 s; the training loss went from 20.5 to 10.2." in text


def test_a_card_says_how_a_code_lies_on_a_grid() -> None:
    text = format_card(configure("conv", (3, 64, 64), data=DataConfig(name="svhn")), {})
    assert "to a code of 256: 16 at each of 4 x 4 places." in text


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_a_whole_card(variant: str) -> None:
    text = format_card(
        configure(variant, (3, 16, 16), data=DataConfig(name="cifar10")), {"se": 1.0}
    )
    assert read_front_matter(text)["tags"][:2] == ["autoencoder", "aecore"]
    assert text.count("```") == 4
    assert "autoencoder autoencoder" not in text.lower()


@pytest.mark.parametrize("shape", [(1, 8, 8), (5,)])
def test_the_snippet_for_a_folder_runs_as_it_stands(
    shape: tuple[int, ...], tmp_path: Any, capsys: Any
) -> None:
    config = configure("vae", shape, kind="image" if len(shape) == 3 else "table")
    Autoencoder(config.model).save(tmp_path / 'my "run"', config)
    text = format_card(config, {}, folder=str(tmp_path / 'my "run"'))
    exec(text.split("```python\n")[1].split("```")[0], {})
    assert capsys.readouterr().out.startswith(f"{(4, *shape)} squared error ")


EVIL = [
    "x\n---\nlicense: evil\n---\n",
    "```\n\n# Hacked\n",
    "<script>alert(1)</script>",
    "[click](http://evil)",
    "a | b $$\\input{x}$$ `c`",
    "\u202egnp.exe\x00\x1b[31m",
    "-rf",
    "!!python/object:os.system",
    "# {{ 7 * 7 }} **bold**",
]


@pytest.mark.parametrize("text", EVIL)
def test_a_hostile_name_stays_text(text: str) -> None:
    model = configure("vae", (4,), kind="table").model
    plain = format_card(
        RunConfig(model=model, data=DataConfig(name="plain"), training=TrainConfig()), {"se": 1.0}
    )
    made = format_card(
        RunConfig(model=model, data=DataConfig(name=text), training=TrainConfig()), {"se": 1.0}
    )
    assert list(read_front_matter(made)) == list(read_front_matter(plain))
    assert read_front_matter(made)["license"] == "mit"
    assert [x for x in made.splitlines() if x.startswith("#")][1:] == [
        x
        for x in plain.splitlines()
        if x.startswith("#") and (x != "## Training" or "## Training" in made)
    ][1:]
    body = made.split("---\n", 2)[2]
    prose = "".join(body.split("```")[::2])
    assert "<script" not in prose and "](http://evil" not in prose and "\n# Hacked" not in prose
    assert all(c.isprintable() or c in f"\n{JOINER}" for c in made)
    assert made.count("\n```") % 2 == 0


def test_a_hostile_variant_and_hostile_metrics_stay_out(typed: Any) -> None:
    model = configure("vae", (4,), kind="table").model.model_copy(
        update={"variant": "<img src=x>\n# hi"}
    )
    config = RunConfig(model=model, data=DataConfig(name="iris"), training=TrainConfig())
    metrics = {
        "se": float("nan"),
        "kl": "<b>",
        "psnr": [1],
        "evil": 3.0,
        "nll_bound": 4.0,
        "iwae_bound": True,
    }
    text = format_card(config, metrics)
    rows = read_front_matter(text)["model-index"][0]["results"][0]["metrics"]
    assert [row["type"] for row in rows] == ["nll_bound"]
    assert "<img" not in text.split("---\n", 2)[2] and "\n# hi" not in text
    assert "aecore train" not in text


def test_a_data_name_like_a_flag_is_no_flag() -> None:
    config = configure("vae", (4,), kind="table", data=DataConfig(name="--epochs"))
    assert "--data=--epochs" in format_train_command(config, "table")


def test_text_that_looks_like_json_is_quoted() -> None:
    config = configure("vae", (4,), kind="table", data=DataConfig(name="x.csv", label="5"))
    (word,) = [
        w for w in shlex.split(format_train_command(config, "table")) if w.startswith("data.label=")
    ]
    assert json.loads(word.partition("=")[2]) == "5"


def test_a_published_figure_stands_beside_ours_where_there_is_one():
    shape = (1, 28, 28)
    linear = configure("linear", shape, data=DataConfig(name="mnist"), latent_dim=30)
    assert "se 13.9; PCA with 30 components: 13.9" in format_card(linear, {"se": 13.87}).replace(
        "\\", ""
    )
    vae = configure("vae", shape, data=DataConfig(name="mnist"), latent_dim=20)
    assert "Kingma & Welling".replace("&", "&amp;") in format_card(vae, {"nll_bound": 101.0})
    for other in (
        configure("beta-vae", shape, data=DataConfig(name="mnist"), latent_dim=20),
        configure("vae", shape, data=DataConfig(name="mnist", binarise="static"), latent_dim=20),
        override_config(vae, {"bottleneck.free_bits": 0.5}),
        override_config(vae, {"bottleneck.capacity": 20.0}),
        configure("vae", shape, data=DataConfig(name="kmnist"), latent_dim=20),
    ):
        assert "Kingma &amp; Welling (2013), Fig" not in format_card(
            other, {"nll_bound": 101.0}
        ).replace("\\", "")
