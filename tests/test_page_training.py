"""Training in JavaScript against PyTorch: gradients, steps of Adam, run folders."""

from __future__ import annotations

import base64

import pytest
import torch

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, RunConfig, TrainConfig
from aecore.model.scaling import fit_columns
from aecore.runs.listing import create_run
from aecore.runs.records import EpochRecord, MetricsRecord
from aecore.runs.run import Run
from aecore.training.optimizer import Optimizer
from aecore.training.schedule import scheduled_kl_weight, scheduled_learning_rate
from aecore.training.trainer import fit
from tests.helpers import tiny
from tests.javascript import run_modules
from tests.page_training import (
    MODULES,
    TOOLS,
    make_pair,
    measure_difference,
    record_noise,
)

ROW = {"input_shape": [13], "latent_dim": 5, "network": {"kind": "mlp", "hidden": [9]}}
PICTURE = {**ROW, "input_shape": [2, 7, 10]}
SIGMOID = {"kind": "mlp", "hidden": [], "code_activation": "sigmoid"}
TWO_LAYERS = {"kind": "mlp", "hidden": [11, 6]}
GAUSSIAN_CODE = {"kind": "gaussian"}
THRESHOLDS = {"kind": "jump_relu", "target": None}
NET = {"kind": "residual", "channels": [3, 12], "blocks": [1, 2]}
NETS = [
    {},
    {"norm": "none", "activation": "relu", "linear_path": False},
    {"upsampling": "nearest", "downsampling": "strided", "activation": "gelu"},
    {"size": "medium", "blocks": [0, 1], "code": "dense"},
]
RESIDUAL = {"likelihood": {"kind": "calibrated", "variance": "channel"}}


def build_penalties(**options):
    return {"network": SIGMOID, "penalties": [options]}


PARTS = [
    *({**ROW, "network": {**TWO_LAYERS, "activation": f}} for f in ("relu", "sigmoid", "tanh")),
    *({**ROW, "network": {**TWO_LAYERS, "activation": f}} for f in ("gelu", "silu", "linear")),
    *({**ROW, "network": {**TWO_LAYERS, "norm": norm}} for norm in ("batch", "layer")),
    *({**ROW, "network": {**TWO_LAYERS, "norm": n, "tied": True}} for n in ("none", "batch")),
    {**ROW, "network": {**TWO_LAYERS, "linear_path": True}, "bottleneck": GAUSSIAN_CODE},
    {**ROW, "network": {**TWO_LAYERS, "tied": True}, "bottleneck": GAUSSIAN_CODE},
    {**ROW, "network": {**TWO_LAYERS, "code_activation": "tanh"}, "bottleneck": GAUSSIAN_CODE},
    {**PICTURE, "network": {"kind": "conv", "channels": [3]}},
    {**PICTURE, "network": {"kind": "conv", "channels": [3, 5, 2], "activation": "gelu"}},
    *({**PICTURE, "latent_dim": 12, **RESIDUAL, "network": {**NET, **more}} for more in NETS),
    {**PICTURE, **RESIDUAL, "network": {**NET, "code": "dense"}, "bottleneck": GAUSSIAN_CODE},
    {**PICTURE, "latent_dim": 12, "network": NET, "bottleneck": GAUSSIAN_CODE},
    {**ROW, "bottleneck": {**GAUSSIAN_CODE, "beta": 3.0}, "likelihood": {"kind": "bernoulli"}},
    {**ROW, "bottleneck": {**GAUSSIAN_CODE, "free_bits": 0.3}},
    {**ROW, "bottleneck": {**GAUSSIAN_CODE, "capacity": 2.0}},
    *(
        {**ROW, "bottleneck": {**GAUSSIAN_CODE, "samples": 3}, **more}
        for more in (
            {"network": {**TWO_LAYERS, "norm": "batch"}, "penalties": [{"kind": "mmd"}]},
            {"likelihood": {"kind": "gaussian", "learned": True}},
            {"likelihood": {"kind": "calibrated"}},
        )
    ),
    *(
        {
            **ROW,
            "network": {**TWO_LAYERS, "norm": "layer"},
            "bottleneck": {**GAUSSIAN_CODE, "bound": "iwae", "samples": 4, "beta": 0.7},
            "likelihood": likelihood,
        }
        for likelihood in ({"kind": "bernoulli"}, {"kind": "gaussian", "learned": True})
    ),
    {**ROW, "bottleneck": {"kind": "top_k", "k": 2}},
    {**ROW, "bottleneck": {"kind": "top_k", "k": 3, "by": "value"}},
    *(
        {**ROW, "bottleneck": {"kind": "jump_relu", "bandwidth": 1.5, **cost}}
        for cost in ({"target": 2, "weight": 3.0}, {"target": 1}, {"target": None, "price": 0.7})
    ),
    {
        **ROW,
        "network": {**TWO_LAYERS, "code_activation": "tanh"},
        "bottleneck": {"kind": "finite_scalar", "levels": 5},
    },
    {**ROW, "latent_dim": 6, "bottleneck": {"kind": "vector_quantized", "codes": 7, "dim": 3}},
    {
        **ROW,
        "latent_dim": 6,
        "bottleneck": {"kind": "vector_quantized", "codes": 7, "dim": 2, "stages": 3},
    },
    {
        **ROW,
        "latent_dim": 6,
        "bottleneck": {"kind": "vector_quantized", "codes": 7, "dim": 3, "update": "ema"},
    },
    {**ROW, "corruption": {"kind": "gaussian", "sigma": 0.4}},
    {**ROW, "corruption": {"kind": "gaussian", "sigma": 0.4, "lowest_sigma": 0.1}},
    {**ROW, "corruption": {"kind": "masking", "fraction": 0.4}},
    {**ROW, "corruption": {"kind": "salt_and_pepper", "fraction": 0.4}},
    {**ROW, **build_penalties(kind="kl_sparsity", weight=0.7)},
    {**ROW, **build_penalties(kind="l1", weight=0.7)},
    {**ROW, **build_penalties(kind="l2", weight=0.7)},
    {**ROW, **build_penalties(kind="contractive", weight=0.7)},
    {**ROW, **build_penalties(kind="contractive"), "bottleneck": GAUSSIAN_CODE},
    {**ROW, **build_penalties(kind="mmd", weight=20), "bottleneck": GAUSSIAN_CODE},
    {
        **PICTURE,
        "network": {"kind": "conv", "channels": [3, 4], "activation": "tanh"},
        "penalties": [
            {"kind": "kl_sparsity", "layers": [0, 1]},
            {"kind": "l1", "layers": [0, -1]},
            {"kind": "mmd", "weight": 3.0},
        ],
    },
    {**ROW, "likelihood": {"kind": "gaussian", "variance": 0.1, "output": "sigmoid"}},
    {**ROW, "likelihood": {"kind": "gaussian", "learned": True}},
    *(
        {**PICTURE, "likelihood": {"kind": "calibrated", "variance": unit, "output": "sigmoid"}}
        for unit in ("shared", "channel", "image")
    ),
]


@pytest.fixture(scope="module")
def javascript():
    with run_modules(MODULES, TOOLS) as evaluate:
        yield evaluate


@pytest.mark.parametrize("options", PARTS, ids=str)
def test_losses_and_gradients_of_every_part_are_those_of_autograd(javascript, options):
    model, same = make_pair(options)
    x = torch.rand(9, *model.config.input_shape).double()
    with record_noise() as noise:
        losses = model.loss(x, 0.6)
        losses.total.backward()
    answers = javascript(
        """({ config, weights, rows, noise }) => KERNELS.map((makeKernel) => {
          const model = loadModel(config, weights, 9, makeKernel), random = new Replay(noise);
          const pass = { random, corrupts: true, followsBatch: true, klWeight: 0.6 };
          const losses = model.computeLoss(Float32Array.from(rows), pass);
          model.computeGradients();
          return { losses, gradients: readGradients(model), weights: readWeights(model) };
        })""",
        {**same, "rows": x.flatten().tolist(), "noise": noise},
    )
    gradients = {name: p.grad for name, p in model.named_parameters()}
    is_divided = options.get("network", {}).get("norm") == "batch"  # by deviations of 9 examples
    tolerance = 2e-5 if is_divided else 1e-5
    for answer in answers:
        for part, value in zip(answer["losses"].values(), losses, strict=True):
            assert part == pytest.approx(value.item(), rel=1e-5, abs=1e-7)
        assert answer["gradients"].keys() == gradients.keys()
        # biases in front of a batch normalisation have none but rounding errors
        largest = max(gradient.abs().max() for gradient in gradients.values())
        for name, gradient in gradients.items():
            if gradient.abs().max() > 1e-9 * largest:
                assert measure_difference(answer["gradients"][name], gradient) < tolerance, name
        for name, value in model.state_dict().items():
            if name in answer["weights"]:  # statistics and codebooks that follow the batch
                assert measure_difference(answer["weights"][name], value) < 1e-5, name


STEPS = [
    {**ROW, "network": {**TWO_LAYERS, "linear_path": True}, "bottleneck": GAUSSIAN_CODE},
    {**ROW, "network": {**TWO_LAYERS, "norm": "layer", "tied": True}},
    {**PICTURE, "network": {"kind": "conv", "channels": [3, 4], "activation": "gelu"}},
    {**ROW, "bottleneck": {"kind": "top_k", "k": 3}},
    {**ROW, "bottleneck": {**THRESHOLDS, "target": 2}},
    {
        **ROW,
        "latent_dim": 6,
        "bottleneck": {"kind": "vector_quantized", "codes": 7, "dim": 3, "update": "ema"},
    },
    {**ROW, "corruption": {"kind": "masking"}, "likelihood": {"kind": "calibrated"}},
]
OPTIMIZERS = [{}, {"optimizer": "adamw", "weight_decay": 0.1}, {"weight_decay": 0.01}]


@pytest.mark.parametrize(
    ("options", "training"),
    [*((options, OPTIMIZERS[0]) for options in STEPS), *((STEPS[0], o) for o in OPTIMIZERS[1:])],
    ids=str,
)
def test_ten_steps_of_adam_end_at_the_weights_of_the_python_trainer(javascript, options, training):
    model, same = make_pair(options)
    model.float()
    config = TrainConfig(epochs=2, batch_size=8, lr=0.01, warmup_steps=3, **training)
    optimizer = Optimizer(model.parameters(), config)
    batches, noises, losses = torch.rand(10, 8, *model.config.input_shape), [], []
    rates = [scheduled_learning_rate(config, step, 10) for step in range(10)]
    for x, rate in zip(batches, rates, strict=True):
        with record_noise() as noise:
            loss = model.loss(x)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step(rate)
        noises.append(noise)
        losses.append(loss.total.item())
    same["config"]["training"] = config.model_dump(mode="json")
    got = javascript(
        """({ config, weights, batches, noises }) => {
          const rows = batches.map((batch) => Float32Array.from(batch.flat(3)));
          const trainer = new Trainer(config, rows[0]), { training } = trainer.config;
          setWeights(trainer.model.graph, weights);
          const rates = rows.map((_, step) => scheduleRate(training, step, 10));
          const losses = rows.map((batch, step) => {
            trainer.random = new Replay(noises[step]);
            return trainer.update(batch, rates[step]).loss;
          });
          return { rates, losses, weights: readWeights(trainer.model) };
        }""",
        {**same, "batches": batches.flatten(2).tolist(), "noises": noises},
    )
    assert got["rates"] == pytest.approx(rates, rel=1e-9)
    assert got["losses"] == pytest.approx(losses, rel=1e-4)
    for name, value in model.state_dict().items():
        if name in got["weights"]:
            assert measure_difference(got["weights"][name], value) < 1e-4, name


VARIATIONS = [
    ({"bottleneck": GAUSSIAN_CODE, "likelihood": {"kind": "bernoulli"}}, 12),
    ({"network": {**NET, "channels": [8]}, "latent_dim": 32}, 3),  # begins as PCA
    ({"bottleneck": THRESHOLDS}, 12),
]


def train_in_page(javascript, config: RunConfig, steps: int | None = None, **options):
    """Train in JavaScript; return files, and the first ten examples as codes and rebuilt.

    Codes and reconstructions are those of the trainer, and those of the steps on the map.
    """
    return javascript(
        """({ config, rows, steps, knobs }) => {
          const inputs = Float32Array.from(rows.flat()), trainer = new Trainer(config, inputs);
          if (knobs) trainer.turn(knobs);
          for (let i = 0; i !== steps && !trainer.isDone; i++) trainer.makeStep();
          const some = inputs.subarray(0, 10 * rows[0].length), codes = trainer.encode(some);
          const { meta, tensors } = exportNetwork(trainer), network = new Network(meta, tensors);
          const forEach = (values, f, width = values.length / 10) =>
            Array.from({ length: 10 }, (_, i) =>
              Array.from(f(values.subarray(i * width, (i + 1) * width))));
          const drawn = forEach(codes, (z) => network.decode(z));
          const encoded = forEach(some, (x) => network.encode(x).z);
          const letter = (byte) => String.fromCharCode(byte);
          const encode64 = (bytes) => btoa(Array.from(bytes, letter).join(""));
          const files = Object.entries(writeRunFolder(trainer))
            .map(([name, bytes]) => [name, encode64(bytes)]);
          return { files: Object.fromEntries(files), codes: Array.from(codes), drawn, encoded,
                   rebuilt: Array.from(trainer.decode(codes)), losses: trainer.measure(some) };
        }""",
        {
            "config": config.model_dump(mode="json"),
            "rows": as_float(load_dataset(config.data).train.x).flatten(1).tolist(),
            "steps": steps,
            **options,
        },
    )


def write_files(folder, files):
    """Write files that came in Base64; return the run of this folder."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_bytes(base64.b64decode(text))
    return Run(folder)


RUNS = [
    {"network": {"kind": "mlp", "hidden": [16], "linear_path": True}, "bottleneck": GAUSSIAN_CODE},
    {
        "network": {"kind": "mlp", "hidden": [16], "norm": "batch"},
        "corruption": {"kind": "masking"},
    },
    {"network": {"kind": "mlp", "hidden": [16], "norm": "batch", "tied": True}},
    {"network": {"kind": "conv", "channels": [4, 6]}, "likelihood": {"kind": "bernoulli"}},
    {"bottleneck": {"kind": "vector_quantized", "codes": 9, "dim": 2, "update": "ema"}},
    {"network": {"kind": "mlp", "hidden": [], "tied": True}, "bottleneck": THRESHOLDS},
    {"network": {**NET, "channels": [8]}, "latent_dim": 32, "bottleneck": GAUSSIAN_CODE},
    {"network": {**NET, "code": "dense"}, "likelihood": {"kind": "calibrated"}},
    {"network": {**NET, **NETS[2]}, "likelihood": {"kind": "bernoulli"}},
    {
        "network": {**NET, "channels": [8]},
        "latent_dim": 32,
        "bottleneck": {"kind": "vector_quantized", "codes": 9, "dim": 2, "update": "ema"},
    },
    {"likelihood": {"kind": "calibrated"}, "scaling": "minmax"},
    {"likelihood": {"kind": "gaussian", "learned": True}, "scaling": "standard", "clip": 2.0},
]


@pytest.mark.parametrize("options", RUNS, ids=str)
def test_a_run_folder_of_a_page_opens_in_python_and_is_resumed(javascript, tmp_path, options):
    config = tiny(training={"epochs": 3}, **options)
    done = train_in_page(javascript, config, steps=8)  # in the third epoch of three steps each
    run = write_files(tmp_path / "run", done["files"])
    assert run.state().state == "stopped" and run.config().model == config.model
    assert [record.epoch for record in run.epochs()] == [1, 2]
    assert run.epochs()[1].loss < run.epochs()[0].loss
    records = list(fit(run))
    assert [r.epoch for r in records if isinstance(r, EpochRecord)] == [3]
    assert isinstance(records[-1], MetricsRecord) and run.state().state == "done"
    assert len(run.epochs()) == 3


@pytest.mark.parametrize("options", RUNS, ids=str)
def test_a_model_of_a_page_does_the_same_in_python_and_on_the_map(javascript, tmp_path, options):
    config = tiny(data={"validation_fraction": 0.0}, training={"epochs": 2}, **options)
    done = train_in_page(javascript, config)
    run = write_files(tmp_path / "run", done["files"])
    assert run.epochs()[1].loss < run.epochs()[0].loss  # the best weights are the last ones
    model = Autoencoder.load(run.path)
    codes = model.encode(as_float(load_dataset(config.data).train.x)[:10])
    rebuilt = model.decode(codes).flatten(1)
    for name, values in {
        "codes": codes,
        "encoded": codes,
        "rebuilt": rebuilt,
        "drawn": rebuilt,
    }.items():
        assert measure_difference(done[name], values) < 1e-5, name


def test_knobs_act_while_it_trains_and_are_kept_with_the_weights(javascript, tmp_path):
    config = tiny(bottleneck=GAUSSIAN_CODE, training={"epochs": 2})
    done = train_in_page(javascript, config, knobs={"bottleneck.beta": 4.0, "training.lr": 1e-3})
    run = write_files(tmp_path / "run", done["files"])
    assert run.config().model == config.model
    assert run.knob_moves()[0].knobs == {"bottleneck.beta": 4.0, "training.lr": 1e-3}
    assert Autoencoder.load(run.path).config.bottleneck.beta == 4.0
    assert run.epochs()[0].lr == pytest.approx(1e-3)
    refused = javascript(
        """(config) => [{ "bottleneck.beta": -1 }, { "bottleneck.k": 3 }].map((knobs) =>
             catchMessage(() => turnKnobs(completeConfig(config), knobs)))""",
        config.model_dump(mode="json"),
    )
    assert refused[0] == "bottleneck.beta must be from 0 to 1000, got -1."
    assert refused[1].startswith("bottleneck.k is no knob of this run. It has bottleneck.beta")
    half = javascript(
        """(config) =>
             catchMessage(() => turnKnobs(completeConfig(config), { "bottleneck.k": 2.5 }))""",
        tiny(bottleneck={"kind": "top_k", "k": 2}).model_dump(mode="json"),
    )
    assert half == "bottleneck.k must be a whole number, got 2.5."


@pytest.mark.parametrize(("options", "epochs"), [*VARIATIONS, ({}, 12)], ids=str)
def test_losses_after_training_are_those_of_the_python_trainer(
    javascript, tmp_path, options, epochs
):
    config = tiny(training={"epochs": epochs}, **options)
    run = create_run(config)
    list(fit(run))
    done = train_in_page(javascript, config)
    ours = write_files(tmp_path / "page", done["files"]).epochs()[-1]
    assert ours.loss == pytest.approx(run.epochs()[-1].loss, rel=0.05)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_rates_and_kl_weights_follow_the_schedules_of_python(javascript, schedule):
    config = TrainConfig(epochs=4, schedule=schedule, warmup_steps=3, kl_warmup_epochs=2)
    rates, weights = javascript(
        """(config) => [Array.from({ length: 40 }, (_, step) => scheduleRate(config, step, 10)),
                        [0, 1, 2, 3].map((epoch) => scheduleKl(config, epoch))]""",
        config.model_dump(mode="json"),
    )
    assert rates == pytest.approx([scheduled_learning_rate(config, i, 10) for i in range(40)])
    assert weights == pytest.approx([scheduled_kl_weight(config, epoch) for epoch in range(4)])


def test_pictures_are_moved_turned_and_mirrored_by_as_much_as_in_python(javascript):
    ramp = torch.arange(40.0).expand(2, 40, 40)  # it rises by 1 a column
    pictures = {
        kind: torch.tensor(
            javascript(
                """([rows, kind]) => Array.from({ length: 12 }, (_, seed) => {
                     const picture = Float32Array.from(rows), random = new Random(seed);
                     return Array.from(augment(picture, [2, 40, 40], [kind], random));
                   })""",
                [ramp.flatten().tolist(), kind],
            )
        ).view(12, 2, 40, 40)
        for kind in ("flip", "shift", "rotation")
    }
    assert all((p[:, 0] == p[:, 1]).all() for p in pictures.values())  # channels move together
    flips = {tuple(picture[0, 0].tolist()) for picture in pictures["flip"]}
    assert flips == {tuple(ramp[0, 0].tolist()), tuple(ramp[0, 0].flip(0).tolist())}
    inner = (slice(None), 0, slice(12, 28), slice(12, 28))
    moved = (pictures["shift"] - ramp)[inner].flatten(1)
    assert moved.std(1).max() < 1e-4 and moved.std() > 0.5 and moved.abs().max() <= 4
    down, right = (pictures["rotation"][inner].diff(dim=dim).mean((1, 2)) for dim in (1, 2))
    angles = torch.atan2(down, right).rad2deg()
    assert torch.allclose(down.square() + right.square(), torch.ones(12), atol=1e-4)
    assert 3 < angles.abs().max() <= 15


def test_options_that_are_not_given_are_those_of_python(javascript):
    for parts in PARTS:
        config = RunConfig(model=ModelConfig.model_validate(parts), training=TrainConfig())
        complete = javascript("(config) => completeConfig(config)", {"model": parts})
        expected = config.model_dump(mode="json")
        assert complete == {"model": expected["model"], "training": expected["training"]}


def test_what_cannot_be_trained_on_says_why(javascript):
    message = """([values, likelihood]) => {
      const model = { input_shape: [3], likelihood: { kind: likelihood } };
      return catchMessage(() => new Trainer({ model }, Float32Array.from(values, (v) => v ?? NaN)));
    }"""
    assert "have 3 values each, got 4" in javascript(message, [[0, 0, 0, 1], "gaussian"])
    assert "2 examples or more, got 1" in javascript(message, [[0, 0, 0], "gaussian"])
    assert "no numbers" in javascript(message, [[0, None, 0, 1, 1, 1], "gaussian"])
    wide = """(hidden) => {
      const model = { input_shape: [2], network: { kind: "mlp", hidden } };
      return catchMessage(() => new Trainer({ model }, new Float32Array(8)));
    }"""
    assert "MB, and a page has 1024" in javascript(wide, [16384, 16384])
    assert "go from 0.00 to 2.00" in javascript(message, [[0, 0, 0, 1, 2, 1], "bernoulli"])


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_columns_are_scaled_as_in_python(javascript, scaling):
    x = torch.randn(500, 5) * torch.tensor([1.0, 100.0, 1e-3, 1.0, 1.0]) + 3
    x[:, 3] = (x[:, 3] > 3).float()  # a flag
    x[:, 4] = 7.0  # constant
    x[::50, 1] *= 1e5  # a long tail
    fitted = fit_columns(x, scaling)
    got = javascript(
        """([rows, scaling]) => {
          const { shift, scale } = fitScaling(Float32Array.from(rows.flat()), 5, scaling);
          return [Array.from(shift), Array.from(scale)];
        }""",
        [x.tolist(), scaling],
    )
    for ours, theirs in zip(got, fitted, strict=True):
        assert torch.allclose(torch.tensor(ours), theirs, rtol=1e-4)


def test_components_are_those_of_an_exact_decomposition(javascript):
    x = torch.randn(200, 12) * torch.linspace(3, 0.1, 12) + 1
    got = javascript(
        """(rows) => KERNELS.map((makeKernel) => {
          const tools = { makeKernel, random: new Random(1) };
          const x = Float32Array.from(rows.flat());
          const { components, deviations } = fitComponents(x, 12, 4, tools);
          return [Array.from(components), deviations];
        })""",
        x.tolist(),
    )
    _, values, vectors = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    for components, deviations in got:
        assert deviations == pytest.approx((values[:4] / 199**0.5).tolist(), rel=1e-4)
        along = torch.tensor(components).view(4, 12) @ vectors[:4].T
        assert torch.allclose(along.abs(), torch.eye(4), atol=1e-2)


def test_random_numbers_are_evenly_and_normally_distributed_and_those_of_the_seed(javascript):
    uniform, normal, order, again = javascript("""() => {
      const random = new Random(3);
      const draw = (fill) => Array.from(random[fill](new Float32Array(4001)));
      return [draw("fillUniform"), draw("fillNormal"), Array.from(random.permute(50)),
              new Random(3).drawUniform()];
    }""")
    for values, (mean, deviation) in ((uniform, (0.5, 12**-0.5)), (normal, (0, 1))):
        assert torch.tensor(values).mean().item() == pytest.approx(mean, abs=0.05)
        assert torch.tensor(values).std().item() == pytest.approx(deviation, abs=0.05)
    assert sorted(order) == list(range(50)) and order != list(range(50))
    assert again == pytest.approx(uniform[0])
