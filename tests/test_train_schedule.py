"""Training: how the rate and the weights of the loss move, when it stops, and pretraining."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import VAE, tiny, trained
from safetensors.torch import load_file

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig
from aecore.runs.listing import create_run
from aecore.training import optimizer
from aecore.training.schedule import scheduled_learning_rate
from aecore.training.trainer import Trainer, fit


def test_the_schedules_follow_their_curves():
    def rates(**options):
        config = TrainConfig(epochs=4, lr=2.0, **options)
        return [scheduled_learning_rate(config, step, 10) for step in range(40)]

    assert rates(schedule="constant") == [2.0] * 40
    cosine = rates()
    assert (
        cosine[0] == 2
        and cosine[20] == pytest.approx(1)
        and cosine[-1] == pytest.approx(2 * 0.00154, rel=0.01)
    )
    assert cosine == sorted(cosine, reverse=True)
    assert rates(schedule="step") == pytest.approx([2.0] * 20 + [0.2] * 10 + [0.02] * 10)
    assert rates(schedule="constant", warmup_steps=3)[:5] == pytest.approx([0.5, 1, 1.5, 2, 2])


def test_the_optimiser_is_given_the_rate_of_each_step(monkeypatch):
    used, adam = [], optimizer.adam

    def adam_watched(*tensors, lr, **options):
        used.append(lr)
        adam(*tensors, lr=lr, **options)

    monkeypatch.setattr(optimizer, "adam", adam_watched)
    config = tiny(training={"epochs": 2, "schedule": "cosine", "warmup_steps": 2})
    list(fit(create_run(config)))
    steps = math.ceil(190 / 64)
    assert used == [
        scheduled_learning_rate(config.training, step, steps) for step in range(2 * steps)
    ]


def test_the_kl_fades_in_over_its_warm_up_and_validation_sees_all_of_it(monkeypatch):
    seen, loss = [], Autoencoder.loss

    def spy(self, x, kl_weight=1.0):
        seen.append((torch.is_grad_enabled(), kl_weight))
        return loss(self, x, kl_weight)

    monkeypatch.setattr(Autoencoder, "loss", spy)
    list(
        fit(
            create_run(
                tiny(**VAE, training={"epochs": 5, "kl_warmup_epochs": 3, "batch_size": 1000})
            )
        )
    )
    assert [weight for learning, weight in seen if learning] == [0.25, 0.5, 0.75, 1, 1]
    assert [weight for learning, weight in seen if not learning] == [1.0] * 5


def test_the_noise_of_the_validation_is_there_and_the_same_in_every_epoch():
    noisy, clean = (
        trained(
            tiny(corruption=corruption, training={"epochs": 3, "lr": 1e-12, "optimizer": "sgd"})
        ).epochs()
        for corruption in ({"kind": "gaussian", "sigma": 2.0}, None)
    )
    assert noisy[0].validation_loss == pytest.approx(noisy[2].validation_loss, rel=1e-5)
    assert noisy[0].validation_loss > 1.1 * clean[0].validation_loss


def test_training_stops_after_so_many_epochs_without_gain():
    run = trained(
        tiny(training={"epochs": 500, "lr": 1e-12, "early_stopping": 3, "optimizer": "sgd"})
    )
    losses = [record.validation_loss for record in run.epochs()]
    best = losses.index(min(losses)) + 1
    assert run.state().state == "done" and run.state().epoch == len(losses) == best + 3 < 500
    assert run.test_metrics()


def test_weight_decay_counts_a_tied_weight_once():
    network = {"kind": "mlp", "hidden": (), "tied": True}
    config = tiny(
        network=network,
        training={
            "optimizer": "adamw",
            "weight_decay": 10,
            "lr": 1e-3,
            "epochs": 1,
            "schedule": "constant",
        },
    )
    run = trained(config)
    steps = math.ceil(190 / 64)
    torch.manual_seed(0)
    start = Autoencoder(config.model).encoder.layers[0].weight
    end = Autoencoder.load(run.path).encoder.layers[0].weight
    assert (
        end - start * (1 - 10 * 1e-3) ** steps
    ).abs().max() <= steps * 1e-3 * 1.01  # adam moves lr a step at most


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimiser_learns(optimizer):
    lr = {"adam": 1e-2, "adamw": 1e-2, "sgd": 3e-3}[optimizer]
    run = trained(
        tiny(training={"epochs": 8, "optimizer": optimizer, "lr": lr, "weight_decay": 1e-4})
    )
    assert run.epochs()[-1].loss < 0.8 * run.epochs()[0].loss


def test_pretraining_gives_the_network_a_better_start():
    deep = {
        "network": {
            "kind": "mlp",
            "hidden": (32, 16),
            "activation": "sigmoid",
            "code_activation": "sigmoid",
        }
    }
    plain, pretrained = (
        trained(tiny(**deep, training={"epochs": 2, "lr": 1e-2, "pretrain_epochs": n}))
        for n in (0, 15)
    )
    records = pretrained.pretraining()
    assert [(r.layer, r.epoch) for r in records] == [
        (layer, e) for layer in (1, 2, 3) for e in range(1, 16)
    ]
    for layer in (1, 2, 3):
        losses = [r.loss for r in records if r.layer == layer]
        assert losses[-1] < losses[0]
    assert pretrained.epochs()[0].loss < 0.95 * plain.epochs()[0].loss


@pytest.mark.parametrize(
    "options",
    [
        {"network": {"kind": "mlp", "hidden": (16,), "tied": True}},
        {"network": {"kind": "mlp", "hidden": ()}, **VAE},
        {"network": {"kind": "mlp", "hidden": (16, 12), "norm": "batch"}, **VAE},
        {"corruption": {"kind": "masking"}, "bottleneck": {"kind": "top_k", "k": 2}},
        {
            "bottleneck": {"kind": "vector_quantized", "dim": 2},
            "network": {"kind": "mlp", "hidden": (8,), "tied": True},
        },
    ],
)
def test_pretraining_works_with_tied_variational_and_corrupted_networks(options):
    run = trained(tiny(**options, training={"epochs": 1, "pretrain_epochs": 2}))
    layers = len(run.config().model.network.hidden) + 1
    assert len(run.pretraining()) == 2 * layers and run.state().state == "done"


def test_the_best_epoch_is_not_one_at_which_more_units_were_kept():
    options = {"bottleneck": {"kind": "top_k", "k": 1, "start": 8}, "latent_dim": 8}
    run = trained(tiny(training={"epochs": 8, "lr": 3e-2}, **options))
    losses = [row.validation_loss for row in run.epochs()]
    assert min(losses[:4]) < min(
        losses[4:]
    )  # with more units it was better, but that is another model
    model = Autoencoder.load(run.path)
    assert (model.encode(torch.rand(5, 1, 8, 8)) != 0).sum(1).tolist() == [1] * 5
    trainer = Trainer(run, lambda: False, None)
    trainer.model.load_state_dict(load_file(run.path / "model.safetensors"))
    trainer.model.bottleneck.anneal(1.0)
    assert trainer.validate() == pytest.approx(min(losses[4:]))
