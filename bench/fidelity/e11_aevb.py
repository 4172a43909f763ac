"""E11: the lower bound of Kingma & Welling (2013), Fig. 2, on MNIST."""

from __future__ import annotations

from aecore.analysis.pictures import draw_grid
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_least

SAMPLES = 1e7  # training examples seen, where the paper's curve is read
PAPER = {
    10: (-108.5, -103.7),
    20: (-104.8, -100.2),
}  # at 1e7 and at 1e8 samples, read off the figure, +-0.3


def run_full(lab: Lab) -> Result:
    """Check the bound of VAEs of two sizes on MNIST."""
    runs = {units: train_aevb_network(lab, units) for units in PAPER}
    return Result(
        [check for units, trained in runs.items() for check in check_bound(units, trained)],
        curves={
            "x": "epoch",
            "y": "negative bound of the examples held out, nats",
            "lines": {f"{units} units": trained.read_curve() for units, trained in runs.items()},
            "marks": {f"paper, {units} units": -PAPER[units][0] for units in PAPER},
        },
        pictures=[
            ("Drawn from the prior, 20 units.", draw_grid(runs[20].model.sample(40), columns=10))
        ],
        notes="The moonshot is the paper's value after ten times as many examples. Adam with a "
        "cosine schedule in place of Adagrad; 57,000 of the 60,000 training examples are trained "
        "on.",
    )


def train_aevb_network(lab: Lab, units: int) -> TrainedRun:
    """Train 784-500-units-500-784 in tanh, on grey pixels, for 1e7 examples."""
    epochs = round(SAMPLES / 57_000)
    return lab.train_variant(
        f"vae-{units}",
        "vae",
        "mnist",
        latent_dim=units,
        network__hidden=[500],
        network__activation="tanh",
        training__epochs=epochs,
        training__batch_size=100,
        training__lr=1.5e-3,
        training__schedule="cosine",
        training__precision="bfloat16",
    )


def check_bound(units: int, trained: TrainedRun) -> list[Check]:
    """Returns the checks of the bound and of the active units."""
    metrics, (paper, later) = trained.run.test_metrics(), PAPER[units]
    name = f"{units} units"
    return [
        Check(
            f"test bound at 1e7 examples, {name}",
            -metrics["nll_bound"],
            at_least(paper),
            at_least(later),
            paper=paper,
        ),
        Check(f"active units of {units}", metrics["active_units"], (10, 20)),
    ]


def run_quick(lab: Lab) -> Result:
    """Check KL and bound of a small VAE on the digits."""
    trained = lab.train_variant(
        "vae",
        "vae",
        "digits",
        latent_dim=4,
        network__hidden=[128],
        network__activation="tanh",
        training__epochs=60,
    )
    metrics = trained.run.test_metrics()
    pixels = load_dataset(trained.run.config().data).test.x
    x = as_float(pixels).clamp(1e-6, 1 - 1e-6)
    entropy = -(x * x.log() + (1 - x) * (1 - x).log()).flatten(1).sum(1).mean().item()
    return Result(
        [
            Check("KL, digits, 4 units, nats", metrics["kl"], (1.5, 5.0)),
            Check(
                "bound above the entropy of the pixels, nats",
                metrics["nll_bound"] - entropy,
                (8.0, 15.0),
            ),
        ]
    )


EXPERIMENT = Experiment(
    "E11",
    "The bound of auto-encoding variational Bayes",
    "A VAE reaches the lower bound on the likelihood that its first paper plots, after as many "
    "examples.",
    "Kingma & Welling (2013), Auto-Encoding Variational Bayes, Fig. 2",
    "https://arxiv.org/abs/1312.6114",
    run_full,
    run_quick,
)
