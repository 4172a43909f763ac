"""The trainer: from a run folder to the same folder with a model in it, without any user interface.

The order of the examples is a function of seed and epoch alone, whatever the number of ranks, and
so is the noise of each rank: a run that was killed and resumed from the end of its last whole epoch
ends with the weights of one that was not, bit for bit on a CPU, also where knobs were moved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

from torch import Tensor, get_num_threads

from aecore.analysis.doctor import draw_specimen, examine_specimen
from aecore.analysis.metrics import evaluate_model
from aecore.files import RESUME_FILE, WEIGHTS_FILE
from aecore.model.weights import read_tensors
from aecore.runs.records import EpochRecord, MetricsRecord, Record
from aecore.runs.run import Run
from aecore.training.augmentation import build_augmentation
from aecore.training.averaging import WeightAverage
from aecore.training.batches import arrange_batches
from aecore.training.calibration import HeldOutCells
from aecore.training.data_start import start_from_examples
from aecore.training.devices import limited_threads, open_device
from aecore.training.failures import explain_divergence, has_finite_weights, keep_failure
from aecore.training.live_knobs import LiveKnobs
from aecore.training.position import Position, TrainingParts, restore_position
from aecore.training.preparation import (
    Examples,
    build_initial_model,
    check_examples,
    load_examples,
    require_settings,
)
from aecore.training.pretraining import pretrain_layers
from aecore.training.prior_stage import PriorStage
from aecore.training.ranks import Ranks
from aecore.training.run_writer import DownloadReport, RunWriter
from aecore.training.schedule import (
    choose_preview_epochs,
    scheduled_kl_weight,
    scheduled_learning_rate,
)
from aecore.training.threads import RunThreads
from aecore.training.update import Step, build_update
from aecore.training.validation import measure_validation_loss

Stop = Callable[[], bool]


def fit(
    run: Run,
    stop: Stop = lambda: False,
    progress: DownloadReport | None = None,
    queued: bool = False,
) -> Iterator[Record]:
    """Trains or resumes `run`; yields the records that it writes to metrics.jsonl.

    Ends early when `stop()` turns true, keeping the best weights. `progress` is told what is being
    downloaded and its share. A `queued` run that was stopped on its way is refused. Whatever goes
    wrong is written into state.json and raised: an AecoreError where the user can act on it.
    """
    ranks = Ranks()
    with (
        run.lock(queued) if ranks.leads else nullcontext(),
        limited_threads(get_num_threads()),
        keep_failure(run, ranks),
    ):
        yield from Trainer(run, stop, progress, ranks).records()


class Trainer:
    """One run on its device, as one of its ranks: model, optimiser and examples."""

    def __init__(
        self,
        run: Run,
        stop: Stop,
        progress: DownloadReport | None,
        ranks: Ranks | None = None,
        examples: Examples | None = None,
    ):
        self.run, self.stop, self.ranks = run, stop, ranks or Ranks()
        self.writer = RunWriter(run, self.ranks.leads, progress)
        self.config = run.config()
        data_config, self.training = require_settings(run, self.config)
        self.device, description = open_device(self.training.device, self.ranks)
        self.writer.write_start(description)
        report = self.writer.report_download
        dataset, data = self.examples = examples or load_examples(data_config, self.device, report)
        self.writer.write_state(note="")
        check_examples(dataset, data_config, self.config.model)
        self.specimen = draw_specimen(dataset, data_config)
        self.held_out = HeldOutCells(self.config, data)
        data = self.held_out.hide(data)
        self.validation, self.sample, self.test = data.validation, data.sample, data.test
        seed = self.training.seed
        self.model = build_initial_model(self.config.model, self.sample, self.device, seed)
        self.batches = arrange_batches(self.model, data, self.training, self.ranks)
        is_drawn_anew = data_config.binarise == "dynamic"  # the static kind comes with the data
        self.update = build_update(self.model, self.training, is_drawn_anew, self.ranks)
        average = WeightAverage(self.model, self.training)
        self.prior_stage = PriorStage(self.model, seed, self.writer)
        self.parts = TrainingParts(
            self.model, self.update.optimizer, average, self.prior_stage.optimizer
        )
        self.augment = build_augmentation(self.training.augment, self.config.model.input_shape)
        self.knobs = LiveKnobs(run, self.config, self.ranks, self.writer)
        self.threads = RunThreads(run, self.writer, self.ranks)
        self.is_loss_moved = self.is_cut = False  # the epoch under way, by a knob or a stop
        self.epoch, self.best, self.since_best, self.started = 0, math.inf, 0, 0.0

    def records(self) -> Iterator[Record]:
        """Trains to the end, from wherever the folder stands; yields each record as it is kept."""
        self.threads.begin(self.update, self.batches, self.training.epochs)
        yield from self.start()
        while self.goes_on():
            for step in self.iterate_steps():
                self.update(*step)
            yield from self.end_epoch(self.sum_losses())
        if self.ranks.leads:
            yield from self.conclude()

    def start(self) -> Iterator[Record]:
        """Takes up the run where its folder stands."""
        if (self.run.path / RESUME_FILE).exists():
            self.restore()
        else:
            yield from self.begin()
        self.knobs.catch_up(self.epoch)
        self.use_knobs()

    def goes_on(self) -> bool:
        """Returns True where there is another epoch to train."""
        return not (self.is_cut or self.is_trained() or self.ranks.any(self.stop()))

    def is_trained(self) -> bool:
        has_converged = 0 < self.training.early_stopping <= self.since_best
        return has_converged or self.epoch >= self.training.epochs

    def begin(self) -> Iterator[Record]:
        """Pretrains or starts as PCA where asked for, and writes weights before the first epoch."""
        if self.training.pretrain_epochs:
            for record in pretrain_layers(self.model, self.sample, self.training, self.stop):
                yield self.writer.append(record)
            self.ranks.align(self.model)
        is_good_start = start_from_examples(self.model, self.sample, self.training.seed)
        self.ranks.align(self.model)
        if is_good_start:
            start = self.validate()  # an epoch is kept where it is better
            self.best = math.inf if start is None else self.ranks.value_of_leader(start)
        self.writer.save_weights(self.model)
        if self.training.previews:
            self.writer.save_preview(0, self.model, self.test, self.device)

    def conclude(self) -> Iterator[Record]:
        """Learns the prior, measures the model and writes its card; marks others as stopped."""
        is_trained, stage = self.is_trained(), self.prior_stage
        if is_trained and not stage.epoch and self.parts.average.apply(self.epoch):
            self.writer.save_weights(self.model)
        if is_trained:
            yield from stage.records(self.sample, self.validation, self.stop, self.save_position)
        if not is_trained or not stage.is_over():
            self.writer.write_state(state="stopped", progress=0.0)
            return
        metrics = self.test_metrics()
        yield self.writer.append(MetricsRecord(metrics))
        findings = examine_specimen(self.model, self.specimen, self.run)
        self.writer.save_card(self.config, metrics, findings)
        self.writer.write_state(state="done", progress=0.0)

    # -- one epoch

    def iterate_steps(self) -> Iterator[Step]:
        """Yields what each update of an epoch takes, which is made before the next is asked for."""
        self.started = time.perf_counter()
        self.model.bottleneck.anneal(self.epoch / self.training.epochs)
        self.model.train()
        self.update.sums.zero_()
        self.is_loss_moved = False
        kl_weight = scheduled_kl_weight(self.training, self.epoch)
        for step, x in enumerate(self.batches.iterate_epoch(self.epoch)):
            if self.ranks.are_told(self.stop, step):
                self.is_cut = True
                return
            if self.knobs.turn(self.epoch + 1, step):
                self.use_knobs()
            yield Step(self.augment(x), self.learning_rate(step), kl_weight)
            self.writer.report_progress((step + 1) / self.batches.steps)

    def sum_losses(self) -> Tensor | None:
        """Returns sums over the examples of an epoch: the loss and its parts; None if cut short."""
        return None if self.is_cut else self.ranks.sum(self.update.sums)

    def use_knobs(self) -> None:
        """Takes over knobs that were moved."""
        config = self.knobs.config
        self.training = config.training or self.training
        if config.model is not self.model.config:
            self.model.retune(config.model)
            self.model.bottleneck.anneal(self.epoch / self.training.epochs)
            self.is_loss_moved = True

    def learning_rate(self, step: int) -> float:
        """Returns the rate of a step of this epoch."""
        steps = self.batches.steps
        return scheduled_learning_rate(self.training, self.epoch * steps + step, steps)

    def end_epoch(self, sums: Tensor | None) -> Iterator[Record]:
        """Keeps an epoch with these sums of losses, or what there is of one that was cut short."""
        yield from self.knobs.take_records()
        if sums is None:
            self.keep_part_of_epoch()
        else:
            seconds = time.perf_counter() - self.started
            yield self.finish_epoch(sums, seconds)
            self.threads.review(self.update, self.batches, seconds)

    def finish_epoch(self, sums: Tensor, seconds: float) -> EpochRecord:
        """Measures and saves the epoch; RunError where the loss is not finite any more."""
        number = self.epoch + 1
        means = (sums / self.batches.count).tolist()
        record, loss = self.make_epoch_record(means, seconds), means[0]
        watched = loss if record.validation_loss is None else record.validation_loss
        watched = self.ranks.value_of_leader(watched)
        if not (math.isfinite(watched) and math.isfinite(loss) and has_finite_weights(self.model)):
            raise explain_divergence(number, loss, self.learning_rate(0))
        # before the position: a kill in between repeats a line rather than losing it
        self.writer.append(record)
        self.keep_best(watched)
        self.parts.average.add(number)
        self.save_position()
        if number in choose_preview_epochs(self.training):
            self.writer.save_preview(number, self.model, self.test, self.device)
        kept = None if self.training.averaged else self.epoch - self.since_best
        self.writer.write_state(epoch=self.epoch, kept_epoch=kept, best=self.best, progress=0.0)
        return record

    def make_epoch_record(self, means: Sequence[float], seconds: float) -> EpochRecord:
        """Returns the record of an epoch: the mean loss and its parts, and the validation loss."""
        loss, reconstruction, rate, penalty = means
        return EpochRecord(
            epoch=self.epoch + 1,
            seconds=round(seconds, 4),
            lr=self.learning_rate(0),
            loss=loss,
            reconstruction=reconstruction,
            rate=rate,
            penalty=penalty,
            validation_loss=self.validate(),
        )

    def keep_best(self, watched: float) -> None:
        """Counts the epoch, and saves the weights where the watched loss is the best so far.

        While the loss changes its meaning, by annealing, KL warm-up or a knob, no earlier epoch
        compares with the latest, which then counts as the best.
        """
        is_annealing = self.model.bottleneck.anneal(self.epoch / self.training.epochs)
        is_annealing |= self.is_loss_moved
        self.epoch, self.since_best = self.epoch + 1, self.since_best + 1
        if is_annealing or self.epoch <= self.training.kl_warmup_epochs or watched < self.best:
            self.best, self.since_best = (math.inf if is_annealing else watched), 0
            self.writer.save_weights(self.model)

    def keep_part_of_epoch(self) -> None:
        """Saves weights of a first epoch that was stopped, unless the start validates better."""
        if self.epoch == 0:
            held_out = self.validate()
            if held_out is None or self.is_loss_moved or held_out < self.best:
                self.writer.save_weights(self.model)

    def validate(self) -> float | None:
        """Returns the loss on the examples held out; None without any."""
        return measure_validation_loss(self.update.objective, self.validation, self.training.seed)

    def test_metrics(self) -> dict[str, float]:
        """Calibrates the best weights, and returns their metrics on the test set."""
        best_weights = read_tensors(self.run.path / WEIGHTS_FILE, self.model.state_dict())
        self.model.load_state_dict(best_weights)
        self.model.eval()
        self.model.bottleneck.anneal(1.0)
        self.held_out.calibrate(self.model, self.training, self.writer, self.stop)
        return evaluate_model(self.model, self.test, 0, self.training.seed, self.sample)

    def save_position(self) -> None:
        stage = self.prior_stage
        position = Position(self.epoch, self.best, self.since_best, stage.epoch, stage.best)
        self.writer.save_position(self.parts, position)

    def restore(self) -> None:
        """Goes back to the end of the last whole epoch; CheckpointError for an unsound file."""
        position = restore_position(self.run.path / RESUME_FILE, self.parts)
        self.epoch, self.best, self.since_best = position[:3]
        self.prior_stage.epoch, self.prior_stage.best = position[3:]
        self.writer.write_state(epoch=self.epoch)
