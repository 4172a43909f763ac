"""Which columns make a row odd, on a table of payments with dates, words and long tails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.cli.parser import main
from aecore.data.datasets import load_dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run
from aecore.runs.run import Run
from aecore.tasks.anomaly import compute_scaled_residuals, plan_detector, score_anomalies
from aecore.tasks.odd_columns import ColumnFeatures, OddColumns
from aecore.training.trainer import fit

ROWS = 600
LARGE, NIGHT = slice(0, 8), slice(8, 12)  # rows of large amounts, and of payments by night


def write_payments(path: Path, currency: str = "USD") -> pd.DataFrame:
    """Payments at any time of three months' days; `currency` is that of the United States."""
    rng = np.random.default_rng(0)
    hours = rng.uniform(9, 17, ROWS)
    hours[NIGHT] = 2.5
    when = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 90, ROWS), "D")
    country = rng.choice(["DE", "FR", "US"], ROWS)
    frame = pd.DataFrame(
        {
            "when": (when + pd.to_timedelta((hours * 60).round(), "m")).strftime("%Y-%m-%d %H:%M"),
            "amount": np.exp(rng.normal(3, 0.6, ROWS)).round(2),
            "country": country,
            "currency": np.where(country == "US", currency, "EUR"),
        }
    )
    frame.loc[: LARGE.stop - 1, "amount"] *= 40
    frame.to_csv(path, index=False)
    return frame


@pytest.fixture(scope="module")
def payments(tmp_path_factory) -> tuple[Run, Path]:
    folder = tmp_path_factory.mktemp("payments")
    write_payments(folder / "payments.csv")
    settings = {"data.missing": "keep", "data.test_fraction": 0.01}
    run = create_run(plan_detector(str(folder / "payments.csv"), settings), folder / "run")
    list(fit(run))
    return run, folder


def explain(run: Run, rows: torch.Tensor) -> OddColumns:
    dataset, model = load_dataset(run.config().data), Autoencoder.load(run.path)
    columns = ColumnFeatures(dataset.schema, dataset.columns)
    return columns.find_oddest(model, compute_scaled_residuals(model, rows), rows)


def take_rows(run: Run, rule) -> torch.Tensor:
    """Return the rows that a rule on features, by their names, chooses."""
    dataset = load_dataset(run.config().data)
    x = torch.cat([dataset.train.x, dataset.test.x])
    return x[rule(dict(zip(dataset.columns, x.T, strict=True)))]


def test_a_large_amount_is_the_reason_and_not_the_date_that_nobody_can_predict(payments):
    rows = take_rows(payments[0], lambda x: x["amount"] > 300)
    odd = explain(payments[0], rows)
    assert len(rows) >= 7 and (odd.names[:, 0] == "amount").all()
    assert odd.signed[:, 0].all() and (odd.by[:, 0] > 0).all() and (odd.shares[:, 0] > 0.8).all()
    assert (np.diff(odd.shares, axis=1) <= 0).all()


def test_the_part_of_a_date_is_named_that_is_odd(payments):
    night = take_rows(payments[0], lambda x: (x["when[hour cos]"] - 0.793).abs() < 0.01)
    odd = explain(payments[0], night)
    assert len(night) == NIGHT.stop - NIGHT.start
    assert (odd.names[:, 0] == "when").all() and not odd.signed[:, 0].any()
    assert all(why.startswith("hour 02:30, expected 1") for why in odd.why[:, 0])


def test_words_that_are_what_was_expected_are_no_reason(payments):
    odd = explain(payments[0], take_rows(payments[0], lambda x: x["amount"] > 0))
    is_word = np.isin(odd.names, ["country", "currency"])
    for why in odd.why[is_word]:
        word, expected = why.split(", expected ")
        assert not expected.startswith(word)
    is_none = odd.names == ""
    assert (odd.shares[is_none] == 0).all() and (odd.why[is_none] == "").all()


def test_a_word_that_is_new_is_said_named_and_odd(payments, tmp_path, capsys):
    run, folder = payments
    frame = write_payments(tmp_path / "new.csv", currency="JPY")
    for name in ("payments.csv", "new.csv"):
        path = tmp_path / name if name == "new.csv" else folder / name
        assert main(["apply", str(run.path), str(path), "--to", str(tmp_path / f"out_{name}")]) == 0
    count = int((frame["currency"] == "JPY").sum())
    said = f"'currency': 'JPY' ({count} rows) was not in training"
    assert said in capsys.readouterr().out
    before, after = (pd.read_csv(tmp_path / f"out_{n}") for n in ("payments.csv", "new.csv"))
    is_new = (after["currency"] == "JPY") & (after["amount"] < 100)
    assert (after["score"] > before["score"] + 1)[is_new].mean() > 0.9
    assert (after["odd_1"] == "currency")[is_new].mean() > 0.9
    why = after["odd_1_why"][is_new & (after["odd_1"] == "currency")]
    assert why.str.match(r"JPY \(new\), expected USD").mean() > 0.9


def test_a_word_without_a_feature_adds_the_error_of_one_that_is_never_expected(payments):
    run, _ = payments
    dataset, model = load_dataset(run.config().data), Autoencoder.load(run.path)
    row = dataset.train.x[:1].clone()
    part = [i for i, name in enumerate(dataset.columns) if name.startswith("currency=")]
    row[:, part] = 0
    expected = compute_scaled_residuals(model, row)[:, part].square().sum()
    assert 1 <= expected <= 3 and float(score_anomalies(model, row)) >= 1
