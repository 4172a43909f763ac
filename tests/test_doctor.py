"""The model doctor: ten diseases made on purpose are named, ten healthy twins have none."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch
from helpers import tiny, trained

from aecore.analysis.card import format_card
from aecore.analysis.doctor import DISEASES, examine, examine_by_catalog
from aecore.analysis.doctor.bounds import clip_settings
from aecore.analysis.doctor.codes import measure_prior_distance
from aecore.analysis.doctor.fit import list_final_losses, measure_rise
from aecore.analysis.doctor.patient import Patient, draw_rows, draw_specimen
from aecore.cli.parser import main
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset, Split
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.model.variants.fitting import configure
from aecore.model.variants.overrides import override_config
from aecore.runs.recipe import list_changes
from aecore.runs.records import EpochRecord, KnobRecord
from bench.doctor import CASES, examine_run, list_sick, train_case
from ui.kit.doctor import describe_change

CHEAP = [case for case in CASES if case.disease in ("copying", "divergence", "posterior collapse")]


def name_case(case):
    return case.disease


def test_there_is_a_case_of_every_disease():
    assert sorted(case.disease for case in CASES) == sorted(d.name for d in DISEASES)
    assert len(CASES) == 10


@pytest.mark.parametrize("case", CASES, ids=name_case)
def test_a_model_made_sick_is_found_and_its_twin_is_not(case, tmp_path):
    findings = examine_run(train_case(case.plan_sick(), tmp_path / "sick"))
    finding = next(f for f in findings if f.name == case.disease)
    assert finding.kind == "sick", finding
    assert finding.evidence > finding.threshold and finding.meaning and finding.cure
    assert any(character.isdigit() for character in finding.text) or math.isinf(finding.evidence)
    twin = examine_run(train_case(case.plan_healthy(), tmp_path / "twin"))
    assert list_sick(twin) == "none"
    assert next(f for f in twin if f.name == "underfitting").text


@pytest.mark.parametrize("case", CHEAP, ids=name_case)
def test_the_cure_makes_a_healthy_model(case, tmp_path):
    config = case.plan_sick()
    findings = examine_run(train_case(config, tmp_path / "sick"))
    cure = next(f.cure for f in findings if f.name == case.disease)
    cured = examine_run(train_case(override_config(config, cure), tmp_path / "cured"))
    assert list_sick(cured) == "none"


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """A run whose KL term outweighs all else."""
    options = {
        "bottleneck": {"kind": "gaussian", "beta": 100.0},
        "likelihood": {"kind": "bernoulli"},
    }
    return trained(tiny(variant="vae", **options), tmp_path_factory.mktemp("doctor") / "run")


def test_evaluate_tells_the_diagnosis_as_text_and_as_json(collapsed, capsys):
    assert main(["evaluate", str(collapsed.path)]) == 0
    text = capsys.readouterr().out
    assert "sick  posterior collapse" in text and "4 of 4 units" in text
    assert "--set bottleneck.free_bits=0.25" in text
    assert main(["evaluate", str(collapsed.path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["doctor"]
    collapse = next(row for row in rows if row["name"] == "posterior collapse")
    assert collapse["kind"] == "sick" and collapse["evidence"] == 1
    assert collapse["cure"] == {"bottleneck.free_bits": 0.25}


def test_the_card_of_a_finished_run_has_the_diagnosis(collapsed):
    card = (collapsed.path / "README.md").read_text()
    assert "## Diagnosis" in card
    assert "| posterior collapse | sick | 4 of 4 units have a KL under" in card
    assert "`--set bottleneck.free_bits=0.25`" in card
    again = format_card(collapsed.config(), {}, findings=examine_by_catalog(collapsed))
    assert "| posterior collapse | sick |" in again


def test_losing_to_pca_is_a_note_where_the_kl_explains_it(collapsed):
    findings = examine_run(collapsed)
    underfit = next(f for f in findings if f.name == "underfitting")
    assert underfit.kind == "note" and "KL" in underfit.meaning and not underfit.cure
    count = len(load_dataset(collapsed.config().data).test.x)
    assert f"({count} test examples)" in underfit.text, "the run page has those of its own data"


def test_the_doctor_takes_a_model_without_a_run(collapsed):
    dataset = load_dataset(collapsed.config().data)
    findings = examine(Autoencoder.load(collapsed.path), dataset)
    assert "posterior collapse" in list_sick(findings)


def test_nothing_is_told_of_too_few_examples(collapsed):
    x = torch.rand(30, 1, 8, 8)
    dataset = Dataset("few", "image", Split(x, None), Split(x[:5], None))
    assert examine(Autoencoder.load(collapsed.path), dataset) == []


def test_the_settings_of_a_cure_make_the_same_run_from_the_defaults(collapsed):
    config = override_config(collapsed.config(), {"bottleneck.free_bits": 0.25, "data.limit": 90})
    default = configure("vae", (1, 8, 8), examples=160, data=DataConfig(name="digits"))
    assert override_config(default, dict(list_changes(config, default))).model == config.model
    base = configure("vae", (1, 8, 8))  # which does not know how many examples there are
    assert override_config(default, dict(list_changes(config, base))) == config


def test_a_loss_that_rises_while_a_term_fades_in_is_no_divergence(collapsed):
    x = torch.rand(40, 1, 8, 8)
    specimen = draw_specimen(Dataset("few", "image", Split(x, None), Split(x, None)))
    losses = [9.0, 1.0, 2.0, 3.0, 3.1, 3.0]
    history = [EpochRecord(epoch=i + 1, loss=loss) for i, loss in enumerate(losses)]
    config = collapsed.config()
    model = Autoencoder.load(collapsed.path)
    assert measure_rise(Patient(model, specimen, config, history)) == 0.0  # 2 of the 8 gained
    history = [*history, EpochRecord(epoch=7, loss=7.0)]
    assert measure_rise(Patient(model, specimen, config, history)) == pytest.approx(6.0)
    warm = override_config(config, {"training.kl_warmup_epochs": 6})
    assert list_final_losses(Patient(model, specimen, warm, history)) == [7.0]


@pytest.mark.parametrize(("path", "rise"), [("bottleneck.beta", 0.0), ("training.lr", 6.0)])
def test_a_loss_that_rises_because_a_knob_was_moved_is_no_divergence(collapsed, path, rise):
    x = torch.rand(40, 1, 8, 8)
    specimen = draw_specimen(Dataset("few", "image", Split(x, None), Split(x, None)))
    history = [EpochRecord(epoch=i + 1, loss=loss) for i, loss in enumerate([9.0, 1.0, 7.0, 7.0])]
    patient = Patient(
        Autoencoder.load(collapsed.path),
        specimen,
        collapsed.config(),
        history,
        [KnobRecord(3, 2, {path: 50.0})],
    )
    assert measure_rise(patient) == pytest.approx(rise)


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (1.7, "The last training loss lies 70.0% above the lowest one."),
        (7.389e12, "The training loss rose from 1, its lowest, to 7.39 x 10^12."),
    ],
)
def test_a_learning_rate_raised_by_hand_is_named_and_the_cure_is_the_one_before(
    collapsed, last, text
):
    x = torch.rand(40, 1, 8, 8)
    specimen = draw_specimen(Dataset("few", "image", Split(x, None), Split(x, None)))
    history = [EpochRecord(epoch=i + 1, loss=loss) for i, loss in enumerate([2.0, 1.0, last])]
    model, config = Autoencoder.load(collapsed.path), collapsed.config()
    config = override_config(config, {"training.lr": 0.002})
    moves = [
        KnobRecord(1, 3, {"training.lr": 0.003}),  # with which the loss fell
        KnobRecord(3, 1, {"training.lr": 0.1}),
        KnobRecord(3, 2, {"training.lr": 0.7}),
    ]
    (divergence,) = (disease for disease in DISEASES if disease.name == "divergence")
    finding = divergence.check(Patient(model, specimen, config, history, moves))
    moved = "The learning rate was moved from 0.003 to 0.7 in epoch 3."
    assert finding.text == f"{moved} {text}"
    assert finding.cure == {"training.lr": 0.003}
    unmoved = divergence.check(Patient(model, specimen, config, history))
    assert unmoved.text == text and unmoved.cure != {"training.lr": 0.002}


def test_a_run_without_a_record_of_its_losses_is_not_told_of_them(collapsed):
    model, dataset = Autoencoder.load(collapsed.path), load_dataset(collapsed.config().data)
    assert "divergence" in {finding.name for finding in examine(model, dataset, collapsed)}
    assert "divergence" not in {finding.name for finding in examine(model, dataset)}


def test_the_prior_distance_of_a_wide_code_needs_no_matrix_between_its_units(monkeypatch):
    codes = torch.randn(100, 16_384, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch, "cov", lambda *_: pytest.fail("a matrix of 2 GB"))
    assert measure_prior_distance(SimpleNamespace(drawn_codes=codes)) < 0.01
    assert measure_prior_distance(SimpleNamespace(drawn_codes=codes + 1)) == pytest.approx(
        0.5, abs=0.02
    )


def test_few_large_pictures_are_examined():
    picture = torch.zeros(1, 3, 1024, 1024, dtype=torch.uint8)
    assert len(draw_rows(picture.expand(100, -1, -1, -1), 5000)) == 20


def test_a_cure_that_takes_an_option_away_is_told_in_words():
    assert describe_change("bottleneck.capacity", None) == "capacity none"


def test_a_cure_stays_within_the_bounds_of_what_it_changes():
    config = tiny(training={"epochs": 90_000}, bottleneck={"kind": "gaussian", "beta": 1000})
    settings = {
        "training.epochs": 360_000,
        "bottleneck.beta": 2000.0,
        "corruption.kind": "gaussian",
    }
    cure = clip_settings(config, settings)
    assert cure == {"training.epochs": 100_000, "corruption.kind": "gaussian"}
    assert override_config(config, cure).training.epochs == 100_000
