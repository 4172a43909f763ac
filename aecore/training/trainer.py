"""The trainer: from a run folder to the same folder with a model in it. It knows no screen.

The order of the examples is a function of seed and epoch alone, whatever the number of ranks, and so is a
rank's noise: a run that was killed and resumed from the end of its last whole epoch ends with the weights
of one that was not, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import torch
from torch import Tensor

from aecore.analysis.metrics import (
    count_rows_at_once,
    encode_in_chunks,
    evaluate_model,
    reconstruct_in_chunks,
)
from aecore.data import datasets
from aecore.data.datasets import load_dataset
from aecore.data.on_disk import explain_read_errors
from aecore.data.splits import Dataset, as_float
from aecore.data.stored import StoredArray
from aecore.errors import AecoreError, CheckpointError, ConfigError, RunError
from aecore.files import RESUME_FILE, WEIGHTS_FILE, write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig, TrainConfig
from aecore.model.weights import read_tensors, write_tensors
from aecore.runs.card import format_card
from aecore.runs.run import Run
from aecore.training.devices import describe_device, pick_device, prepare_device
from aecore.training.pretraining import pretrain_layers
from aecore.training.ranks import VOTE_EVERY, Ranks, is_one_of_several
from aecore.training.update import build_update

RESIDENT_BYTES = (
    4 * 2**30
)  # data that fits is kept on the device as float, indexed and never decoded again
OUT_OF_MEMORY = (
    "The memory ran out. Use a smaller batch or network, or fewer examples (data.limit)."
)
PREVIEW_ROWS = 16
TRACKED_VALUES = 16_000  # values of codes that each preview keeps, for the map over the epochs


Record = dict[str, Any]
Stop = Callable[[], bool]


def fit(
    run: Run, stop: Stop = lambda: False, progress: Callable[[str, float], None] | None = None
) -> Iterator[Record]:
    """Train or resume `run`; yields the records that it writes to metrics.jsonl.

    Ends early when `stop()` turns true, keeping the best weights. Whatever goes wrong is told in
    state.json and raised: an AecoreError where the user can act on it.
    """
    ranks = Ranks()
    with run.lock() if ranks.leads else nullcontext():
        try:
            yield from Trainer(run, stop, progress, ranks).records()
        except AecoreError as error:
            record_failure(run, str(error))
            raise
        except OSError as error:  # most often a full disk: what was there before is whole
            message = f"{run.path} cannot be written: {error.strerror or error}. The best model so far is kept."
            record_failure(run, message)
            raise RunError(message) from error
        except (torch.OutOfMemoryError, MemoryError) as error:
            record_failure(run, OUT_OF_MEMORY)
            raise RunError(OUT_OF_MEMORY) from error
        except Exception as error:
            if "can't allocate memory" in str(error):  # what torch says under a limit
                record_failure(run, OUT_OF_MEMORY)
                raise RunError(OUT_OF_MEMORY) from error
            if is_one_of_several() and ranks.lost_one(error):
                run.write_state(
                    state="queued", since=time.time(), note="A process died; all are started again"
                )
            else:  # a fault of ours: who reads the folder is told too
                record_failure(run, f"{type(error).__name__}: {error}")
            raise
        finally:
            ranks.leave()


def record_failure(run: Run, message: str) -> None:
    """Say in state.json what went wrong."""
    with suppress(OSError):  # if even that fails, the lock, let go, says that the run is lost
        run.write_state(state="failed", error=message[:2000])


class Trainer:
    """One run on its device: model, optimiser and resident data. One of several ranks, where there are."""

    def __init__(
        self,
        run: Run,
        stop: Stop,
        progress: Callable[[str, float], None] | None,
        ranks: Ranks | None = None,
    ):
        self.run, self.stop, self.ranks = run, stop, ranks or Ranks()
        self.config: RunConfig = run.config()
        if self.config.data is None or self.config.training is None:
            raise RunError(
                f"{run.id} holds a model without its data and training settings, so it cannot be trained."
            )
        self.training: TrainConfig = self.config.training
        self.device = pick_device(self.training.device, self.ranks.local)
        prepare_device(self.device)
        self.ranks.join(self.device)
        several = f", {self.ranks.world} processes" if self.ranks.world > 1 else ""
        self.write_state(state="running", device=describe_device(self.device) + several, error="")
        self.told, self.progress = 0.0, progress
        dataset = load_dataset(self.config.data, self.tell_data)
        self.write_state(note="")
        if dataset.input_shape != self.config.model.input_shape:
            raise RunError(
                f"{self.config.data.name} now has examples of shape {dataset.input_shape}, but this run was made for "
                f"{self.config.model.input_shape}. Restore the data or start a new run."
            )
        train, validation = hold_out_validation(dataset, self.config.data)
        self.x = train if isinstance(train, StoredArray) else self.resident(train)
        self.validation = self.resident(validation)
        self.sample = (
            self.x if isinstance(self.x, Tensor) else self.resident(dataset.train.x)
        )  # to take statistics of
        self.binarises = (
            self.config.data.binarise == "dynamic"
        )  # the other kind was done by data.load
        self.test = dataset.test.x
        torch.manual_seed(self.training.seed)
        self.model = Autoencoder(self.config.model).to(self.device)
        if self.config.model.scaling != "none":
            self.model.fit_scaling(as_float(self.sample))
        self.check_range()
        self.model.fit_output(self.mean())
        self.update = build_update(self.model, self.training, self.binarises, self.ranks)
        self.epoch, self.best, self.since_best = 0, math.inf, 0
        self.steps = math.ceil(len(self.x) / self.training.batch_size)

    def resident(self, x: Tensor) -> Tensor:
        """x on the device, decoded once if there is room."""
        return (as_float(x) if x.numel() * 4 <= RESIDENT_BYTES else x).to(self.device)

    def mean(self) -> Tensor:
        """Of the training examples, in the network's units: (*input_shape)."""
        parts = (self.model.to_scaled(as_float(part)) for part in self.sample.split(4096))
        return (sum(part.sum(0, dtype=torch.float64) for part in parts) / len(self.sample)).float()

    def check_range(self) -> None:
        """ConfigError where a cross-entropy would meet values that are no probabilities."""
        if self.config.model.likelihood.needs_unit_interval and self.sample.is_floating_point():
            low, high = (bound.item() for bound in self.model.to_scaled(self.sample).aminmax())
            if low < 0 or high > 1:
                raise ConfigError(
                    f"A cross-entropy needs values between 0 and 1, but these go from {low:.3g} to {high:.3g}. "
                    "Set scaling to minmax, or use the gaussian likelihood."
                )

    def records(self) -> Iterator[Record]:
        """Train to the end, from wherever the folder stands."""
        if (self.run.path / RESUME_FILE).exists():
            self.restore()
        else:
            yield from self.begin()
        while (
            self.epoch < self.training.epochs
            and not self.ranks.any(self.stop())
            and not self.has_converged()
        ):
            started = time.perf_counter()
            sums = self.run_epoch()
            if sums is None:
                if self.epoch == 0 and self.ranks.leads:
                    self.save_best()  # a part of an epoch is better than the weights it began with
                break
            yield self.finish_epoch(sums, time.perf_counter() - started)
        finished = self.epoch >= self.training.epochs or self.has_converged()
        if not self.ranks.leads:
            return
        if not finished:
            self.run.write_state(state="stopped", progress=0.0)
            return
        measured = self.test_metrics()
        yield self.keep({"kind": "test", **measured})
        folder = f"{self.run.path.parent.name}/{self.run.id}"
        text = format_card(self.config, measured, folder=folder, history=self.run.epochs())
        write_text_file(self.run.path / "README.md", text)
        self.run.write_state(state="done", progress=0.0)

    def begin(self) -> Iterator[Record]:
        """A fresh start: layer-wise pretraining where asked for, then weights on disk before the first epoch."""
        if self.training.pretrain_epochs:
            for record in pretrain_layers(self.model, self.sample, self.training, self.stop):
                yield self.keep(record)
            if not self.is_finite():
                raise RunError("The pretraining diverged. Try a tenth of the learning rate.")
            self.ranks.align(self.model)
        if self.ranks.leads:
            self.save_best()
            if self.training.previews:
                self.preview(0)

    def has_converged(self) -> bool:
        return 0 < self.training.early_stopping <= self.since_best

    def run_epoch(self) -> Tensor | None:
        """One pass over the data: sums of the loss and its parts, or None when stopped on the way."""
        self.model.bottleneck.anneal(self.epoch / self.training.epochs)
        self.model.train()
        self.update.sums.zero_()
        kl_weight = min(1.0, (self.epoch + 1) / (self.training.kl_warmup_epochs + 1))
        for step, x in enumerate(self.batches()):
            if self.is_stopped(step):
                return None
            self.update(
                x,
                scheduled_learning_rate(self.training, self.epoch * self.steps + step, self.steps),
                kl_weight,
            )
            self.tell((step + 1) / self.steps)
        return self.ranks.sum(self.update.sums)

    def batches(self) -> Iterator[Tensor]:
        """All examples once, in the epoch's order: (batch_size, *input_shape) each, as float."""
        seed = self.training.seed * 1_000_003 + self.epoch + 1
        torch.manual_seed(seed)
        order = torch.randperm(len(self.x)) if isinstance(self.x, Tensor) else None
        if self.ranks.rank:  # the same order, but noise of its own
            torch.manual_seed(seed + self.ranks.rank * 7_777_777_777)
        if order is None:
            with explain_read_errors(self.x.path.name):
                for batch in self.x.batches(self.training.batch_size, seed):
                    yield as_float(batch.to(self.device))
            return
        for rows in order.to(self.device).split(self.training.batch_size):
            yield as_float(self.x.index_select(0, rows))

    def is_stopped(self, step: int) -> bool:
        """Whether to leave before this step; several ranks ask each other now and then, and agree."""
        return (
            self.stop()
            if self.ranks.world == 1
            else step % VOTE_EVERY == 0 and self.ranks.any(self.stop())
        )

    def finish_epoch(self, sums: Tensor, seconds: float) -> Record:
        """Measure, save, and say how it went. RunError where the loss is no number any more."""
        means = (sums / len(self.x)).tolist()
        number = self.epoch + 1
        record: Record = {"kind": "epoch", "epoch": number, "seconds": round(seconds, 4)}
        record["lr"] = scheduled_learning_rate(self.training, self.epoch * self.steps, self.steps)
        record |= dict(zip(("loss", "reconstruction", "rate", "penalty"), means, strict=True))
        record |= self.validate()
        watched = self.ranks.leaders(record.get("validation_loss", means[0]))
        if not (math.isfinite(watched) and math.isfinite(means[0]) and self.is_finite()):
            raise RunError(
                f"The training diverged in epoch {number}: loss {means[0]:.3g} at learning rate {record['lr']:.3g}. "
                "The best weights before that are kept. Try a tenth of the learning rate."
            )
        self.keep(
            record
        )  # before the position, so that a kill in between repeats a line rather than losing it
        annealing = self.model.bottleneck.anneal(self.epoch / self.training.epochs)
        self.epoch, self.since_best = number, self.since_best + 1
        if annealing or number <= self.training.kl_warmup_epochs or watched < self.best:
            # while the loss changes its meaning there is nothing to compare with: the latest is the best
            self.best, self.since_best = (math.inf if annealing else watched), 0
            if self.ranks.leads:
                self.save_best()
        if self.ranks.leads:
            self.save_position()
            if number in choose_preview_epochs(self.training):
                self.preview(number)
        self.write_state(epoch=self.epoch, progress=0.0)
        return record

    def is_finite(self) -> bool:
        return all(bool(parameter.isfinite().all()) for parameter in self.model.parameters())

    @torch.no_grad()
    def validate(self) -> Record:
        """Training loss on the examples held out, with the KL at full weight; nothing where none are.

        The model stays in training mode: a denoising one is to be chosen by how well it denoises.
        """
        if not len(self.validation):
            return {}
        torch.manual_seed(self.training.seed)
        freeze_statistics(self.model)
        total = 0.0
        for part in self.validation.split(count_rows_at_once(self.model)):
            total += self.update.objective(as_float(part), 1.0).total.item() * len(part)
        return {"validation_loss": total / len(self.validation)}

    def test_metrics(self) -> dict[str, float]:
        """The best weights on the test set."""
        self.model.load_state_dict(
            read_tensors(self.run.path / WEIGHTS_FILE, self.model.state_dict())
        )
        self.model.eval()
        self.model.bottleneck.anneal(1.0)
        return evaluate_model(self.model, self.test, seed=self.training.seed)

    def keep(self, record: Record) -> Record:
        if self.ranks.leads:
            self.run.append(record)
        return record

    def write_state(self, **changes: Any) -> None:
        if self.ranks.leads:
            self.run.write_state(**changes)

    def tell_data(self, what: str, share: float) -> None:
        """Let watchers see a download move."""
        if self.progress:
            self.progress(what, share)
        if time.monotonic() - self.told > 1:
            self.told = time.monotonic()
            self.write_state(note=f"{what}, {share:.0%}"[:200])

    def tell(self, progress: float) -> None:
        """Let watchers see a long epoch move, at most once a second."""
        if time.monotonic() - self.told > 1 and progress < 1:
            self.told = time.monotonic()
            self.write_state(progress=progress)

    def save_best(self) -> None:
        write_tensors(self.run.path / WEIGHTS_FILE, self.model.state_dict())

    def preview(self, epoch: int) -> None:
        """Keep the same few test inputs as they are reconstructed now, and the codes of the first of the test set."""
        folder = self.run.path / "previews"
        folder.mkdir(exist_ok=True)
        self.model.eval()
        rows = torch.linspace(
            0, len(self.test) - 1, min(PREVIEW_ROWS, len(self.test))
        ).long()  # sets may be sorted by class
        x = as_float(self.test[rows])
        if self.config.model.missing:  # a picture shows the mean in their place
            x = self.model.from_scaled(self.model.to_scaled(x.to(self.device))).cpu()
        tensors = {"x": x, "reconstruction": reconstruct_in_chunks(self.model, x)}
        if x.dim() == 4:  # pixels keep as bytes, in a quarter of the room
            tensors = {name: (t.clamp(0, 1) * 255).round().byte() for name, t in tensors.items()}
        tensors["z"] = encode_in_chunks(
            self.model, self.test[: max(1, TRACKED_VALUES // self.config.model.latent_dim)]
        ).half()
        write_tensors(folder / f"{epoch:05d}.safetensors", tensors)

    # -- position: everything a resumed run needs to go on as if nothing had happened

    def save_position(self) -> None:
        position = {
            "epoch": str(self.epoch),
            "best": repr(self.best),
            "since_best": str(self.since_best),
        }
        write_tensors(self.run.path / RESUME_FILE, self.snapshot(), position)

    def snapshot(self) -> dict[str, Tensor]:
        """Weights and optimiser state under flat names."""
        model = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        return model | {
            f"optimizer.{name}": t for name, t in self.update.optimizer.tensors().items()
        }

    def restore(self) -> None:
        """Go back to the end of the last whole epoch. CheckpointError where the file is unsound."""
        from safetensors import SafetensorError, safe_open

        path, here = self.run.path / RESUME_FILE, self.snapshot()
        for name, saved in read_tensors(path, here).items():
            here[name].copy_(saved)
        try:
            with safe_open(path, "pt") as file:
                position = file.metadata() or {}
            self.epoch, self.since_best = int(position["epoch"]), int(position["since_best"])
            self.best = float(position["best"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not say where the run stood. Start it anew."
            ) from error
        self.write_state(epoch=self.epoch)


def freeze_statistics(model: Autoencoder) -> None:
    """Batch normalisation as it will be used, though the rest stays in training mode."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            part.eval()


def hold_out_validation(
    dataset: Dataset, config: datasets.DataConfig
) -> tuple[Tensor | StoredArray, Tensor]:
    """Training and validation examples, divided by the data's own seed; of a set on the disk no more than fit."""
    x = dataset.train.x
    if dataset.stored is not None:
        count = min(round(len(dataset.stored) * config.validation_fraction), len(x))
        return dataset.stored.hold_out(count, config.split_seed + 1)
    count = round(len(x) * config.validation_fraction)
    if not 0 < count < len(x):
        return x, x[:0]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(config.split_seed + 1))
    return x[order[count:].sort().values], x[order[:count]]


def scheduled_learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of one step, by warm-up and schedule."""
    done = step / max(1, config.epochs * steps_per_epoch)
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "cosine":
        return config.lr * warm * 0.5 * (1 + math.cos(math.pi * done))
    if config.schedule == "step":
        return config.lr * warm * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
    return config.lr * warm


def choose_preview_epochs(config: TrainConfig) -> set[int]:
    """Dense at first, where most happens, and always the last: about `previews` epochs."""
    if not config.previews:
        return set()
    n = min(config.previews, config.epochs)
    return {round(config.epochs ** (i / max(1, n - 1))) for i in range(n)} | {config.epochs}
