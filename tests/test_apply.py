"""`aecore apply`: what it writes of a file is what the model makes of all its rows at once."""

from __future__ import annotations

import gzip
import re
import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers import tiny, trained
from PIL import Image

from aecore.analysis.chunks import encode_in_chunks, reconstruct_in_chunks
from aecore.analysis.imputation import impute_cells
from aecore.cli.parser import main
from aecore.data.batch_writers import open_parquet_writer, widen_types
from aecore.data.datasets import load_dataset
from aecore.data.images.fitting import resize_images
from aecore.data.tables.batches import iterate_raw_tables
from aecore.data.tables.files import open_table
from aecore.data.tables.reading import fill_table, make_table_data, read_columns
from aecore.files import SHIPPED_FOLDER
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from aecore.tasks.anomaly import score_anomalies
from aecore.tasks.apply import choose_output
from aecore.tasks.impute import FILLING_DRAWS
from ui.kit.downloads import format_csv

IMPUTER, DETECTOR = (SHIPPED_FOLDER / f"breast-cancer-{name}" for name in ("imputer", "detector"))


@pytest.fixture(scope="module")
def cancer():
    """The columns of the shipped table models, and all of its rows (569, 30)."""
    found = load_dataset(DataConfig(name="breast-cancer"))
    return list(found.columns), torch.cat([found.train.x, found.test.x])


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of a few rows, and every text above 4 kB is a long one."""
    monkeypatch.setattr("aecore.analysis.chunks.CHUNK_ROWS", 37)
    monkeypatch.setattr("aecore.analysis.imputation.CHUNK_ROWS", 37)
    monkeypatch.setattr("aecore.tasks.apply.BATCH_BYTES", 4 * 30 * 100)
    monkeypatch.setattr("aecore.data.tables.batches.FIRST_BYTES", 4000)


def write_table(path, frame):
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=50)
    else:
        frame.to_csv(path, index=False)
    return path


def read_table(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def apply(capsys, *arguments):
    """Run the command; return what it printed."""
    status = main(["apply", *map(str, arguments)])
    said = capsys.readouterr()
    assert status == 0, said.err
    return said.out


def make_frame(cancer, holes=0.0):
    """The table as a person has it: other order, a column more, some cells missing."""
    columns, x = cancer
    x = x.double().clone()
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < holes] = torch.nan
    frame = pd.DataFrame(x.numpy(), columns=columns)[columns[::-1]]
    frame.insert(3, "patient", [f"p{i:04d}" for i in range(len(frame))])
    return frame, torch.tensor(frame[columns].to_numpy(), dtype=torch.float32)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("source", [".csv", ".parquet"])
def test_filled_cells_are_those_of_the_whole_table(
    source, ending, cancer, tmp_path, capsys, small_batches
):
    frame, x = make_frame(cancer, 0.2)
    frame, x = frame[:300], x[:300]
    path = write_table(tmp_path / f"holes{source}", frame)
    said = apply(capsys, IMPUTER, path, "--to", tmp_path / f"out{ending}")
    filled = read_table(tmp_path / f"out{ending}")
    assert list(filled.columns) == list(frame.columns)
    expected = impute_cells(Autoencoder.load(IMPUTER), x, FILLING_DRAWS)
    found = filled[cancer[0]].to_numpy(np.float64)
    known = ~np.isnan(frame[cancer[0]].to_numpy())
    assert np.array_equal(found[known], frame[cancer[0]].to_numpy()[known])
    assert np.allclose(found, expected.numpy(), rtol=1e-6)
    assert filled.patient.tolist() == frame.patient.tolist()
    assert f"filled of 300 examples of holes{source} by breast-cancer-imputer" in said
    assert f"Missing cells filled in: {(~known).sum():,}." in said


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_scores_stand_beside_the_columns_that_make_a_row_odd(
    ending, cancer, tmp_path, capsys, small_batches
):
    frame, x = make_frame(cancer)
    net = Autoencoder.load(DETECTOR)
    planted = torch.arange(len(x)) % 30
    x[torch.arange(len(x)), planted] += 30 * net.scale[planted]
    frame[cancer[0]] = x.double().numpy()
    path, out = write_table(tmp_path / "rows.csv", frame), tmp_path / f"out{ending}"
    apply(capsys, DETECTOR, path, "--to", out)
    found = read_table(out)
    assert list(found.columns)[:31] == list(frame.columns)
    assert np.allclose(found.score, score_anomalies(net, x), rtol=1e-6)
    names = np.array(cancer[0])[planted]
    assert (found.odd_1 == names).mean() > 0.98  # but for rows that are as odd elsewhere
    assert ((found.odd_1_by > 0) | (found.odd_1 != names)).all()
    assert (found.odd_1_by**2 <= found.score * 1.001).all()
    assert (found.odd_1_by.abs() >= found.odd_2_by.abs()).all() and "odd_3_by" in found


def test_codes_of_a_table_stand_beside_it_and_never_over_a_column(
    cancer, tmp_path, capsys, small_batches
):
    frame, x = make_frame(cancer, 0.05)
    frame["z1"] = "mine"
    path = write_table(tmp_path / "rows.csv", frame)
    said = apply(capsys, DETECTOR, path, "--to", tmp_path / "out.csv", "--what", "codes")
    found = read_table(tmp_path / "out.csv")
    train = load_dataset(Run(DETECTOR).config().data).train.x
    expected = encode_in_chunks(
        Autoencoder.load(DETECTOR), torch.where(x.isnan(), train.nanmean(0), x)
    )
    names = ["z0", "codes_z1", *(f"z{i}" for i in range(2, 128))]
    assert np.allclose(found[names], expected, atol=1e-5)
    assert (found.z1 == "mine").all()
    cells = f"{int(x.isnan().sum()):,} missing cells"
    assert f"{cells} are taken as their column's mean in training." in said


def test_reconstructions_of_rows_are_columns_under_their_names(cancer, tmp_path, capsys):
    columns, x = cancer
    path = write_table(tmp_path / "rows.parquet", make_frame(cancer)[0])
    for name in ("out.parquet", "out.npz", "out.npy"):
        out = tmp_path / name
        apply(capsys, DETECTOR, path, "--to", out, "--what", "reconstructions")
    expected = reconstruct_in_chunks(Autoencoder.load(DETECTOR), x).numpy()
    frame = read_table(tmp_path / "out.parquet")
    assert list(frame.columns) == columns and np.array_equal(frame, expected.astype(float))
    with np.load(tmp_path / "out.npz") as arrays:
        assert np.array_equal(arrays["reconstructions"], expected)
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)


@pytest.mark.parametrize("size", [28, 20])
def test_pictures_give_what_the_pages_show_whatever_their_size(
    size, tmp_path, capsys, small_batches
):
    pixels = np.random.default_rng(0).integers(0, 255, (90, size, size), np.uint8)
    (tmp_path / "set").mkdir()
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / "set" / f"{i:03d}.png")
    np.save(tmp_path / "x.npy", pixels)
    run = SHIPPED_FOLDER / "mnist-vae"
    x = resize_images(torch.from_numpy(pixels)[:, None], (1, 28, 28))[0]
    expected = encode_in_chunks(Autoencoder.load(run), x).numpy()
    apply(capsys, run, tmp_path / "set", "--to", tmp_path / "out.csv")
    found = read_table(tmp_path / "out.csv")
    assert found.name.tolist() == [f"{i:03d}.png" for i in range(90)]
    assert np.allclose(found.filter(regex=r"^z\d"), expected, atol=1e-5)
    said = apply(capsys, run, tmp_path / "x.npy", "--to", tmp_path / "out.npy")
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)
    assert ("were made to fit" in said) == (size != 28)
    apply(capsys, run, tmp_path / "x.npy", "--to", tmp_path / "s.npz", "--what", "scores")
    with np.load(tmp_path / "s.npz") as arrays:
        assert np.array_equal(arrays["scores"], score_anomalies(Autoencoder.load(run), x))
        assert arrays["residuals"].shape == (90, 1, 28, 28)


def test_a_known_set_and_its_classes_can_be_given(tmp_path, capsys):
    run = trained(tiny())
    apply(capsys, run.path, "digits", "--to", tmp_path / "out.csv")
    found = read_table(tmp_path / "out.csv")
    assert len(found) == 1797 and found["class"].value_counts()[3] == 183
    assert list(found.columns) == ["class", "z0", "z1", "z2", "z3"]


def test_a_run_on_a_table_with_words_finds_its_columns_again(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.random(60) * 9.1,
            "colour": ["red", "blue", "green"] * 20,
            "more": rng.random(60),
        }
    )
    path = write_table(tmp_path / "things.csv", frame)
    settings = {
        "data.unusable": "leave_out",
        "data.missing": "keep",
        "training.epochs": 1,
        "training.previews": 0,
        "training.device": "cpu",
    }
    run = trained(plan_run("iwae", str(path), settings=settings | {"missing": True}))
    holes = frame[["more", "colour", "size"]].astype(object)
    holes.loc[3, "colour"], holes.loc[5, "size"] = None, None
    source = write_table(tmp_path / "holes.csv", holes)
    said = apply(capsys, run.path, source, "--to", tmp_path / "o.csv")
    assert "Missing cells filled in: 2." in said  # a word is one cell and several inputs
    said = apply(capsys, run.path, source, "--to", tmp_path / "z.csv", "--what", "codes")
    assert "- 1 missing cell is taken as its column's mean in training." in said
    assert "1 missing cell is taken as its column's shares of words in training." in said
    found = read_table(tmp_path / "o.csv")
    assert list(found.columns) == ["more", "colour", "size", "colour_probability"]
    assert not found[["more", "colour", "size"]].isna().any().any()
    assert found.colour[3] in ("red", "blue", "green")
    chances = found.colour_probability
    assert 1 / 3 < chances[3] <= 1 and chances.notna().sum() == 1
    kept = ~holes.isna().any(axis=1)
    assert (found.colour[kept] == frame.colour[kept]).all()
    assert np.allclose(found["size"][kept], frame["size"][kept])


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_batches_of_a_table_are_the_table(ending, tmp_path, small_batches):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(400), "w": ["x", 'say "y,\nno"', "", "ü"] * 100})
    path = tmp_path / f"table{ending}"
    if ending == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=70)
    else:
        text = frame.to_csv(index=False, sep=";", decimal=",").encode("cp1252")
        path.write_bytes(gzip.compress(text, mtime=0) if ending.endswith("gz") else text)
    whole, parts = open_table(path), list(iterate_raw_tables(path, 64))
    assert [len(part.frame) for part in parts] == [64] * 6 + [16]
    assert {part.decimal for part in parts} == {whole.decimal}
    joined = pd.concat([part.frame for part in parts], ignore_index=True)
    assert joined.equals(whole.frame) and (joined.dtypes == whole.frame.dtypes).all()


def test_memory_holds_a_batch_and_not_the_file(tmp_path, monkeypatch):
    """At most three batches are alive at a time, of a Parquet and of a long text."""
    monkeypatch.setattr("aecore.data.tables.batches.FIRST_BYTES", 4000)
    frame = pd.DataFrame(np.random.default_rng(0).random((3000, 3)), columns=list("abc"))
    for ending in (".csv", ".parquet"):
        path, alive = write_table(tmp_path / f"t{ending}", frame), []
        for part in iterate_raw_tables(path, 100):
            alive.append(weakref.ref(part.frame))
            del part
            assert sum(one() is not None for one in alive) <= 2
        assert len(alive) == 30


def test_parquet_is_written_again_where_later_rows_need_wider_types(tmp_path):
    with open_parquet_writer(tmp_path / "out") as write:
        write(pd.DataFrame({"a": [1, 2], "b": pd.Series([None, None]), "c": ["x", "y"]}))
        write(pd.DataFrame({"a": [0.5, 3], "b": ["u", None], "c": [7, 8]}))
        write(pd.DataFrame({"a": [4, 5], "b": pd.Series([None, "v"]), "c": ["z", "z"]}))
    found = pq.read_table(tmp_path / "out")
    assert [str(kind) for kind in found.schema.types] == ["double", "string", "string"]
    assert found["a"].to_pylist() == [1, 2, 0.5, 3, 4, 5]
    assert found["b"].to_pylist() == [None, None, "u", None, None, "v"]
    assert found["c"].to_pylist() == ["x", "y", "7", "8", "z", "z"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    empty = pa.schema([("a", pa.null())])
    assert widen_types(empty, empty).field("a").type == pa.string()


@pytest.mark.parametrize(
    ("run", "output"),
    [
        ("breast-cancer-imputer", "filled"),
        ("breast-cancer-detector", "scores"),
        ("circles-denoising", "scores"),
        ("mnist-vae", "codes"),
        ("mnist-denoising-gaussian", "codes"),
    ],
)
def test_a_run_is_applied_as_it_is_meant(run, output):
    assert choose_output(Run(SHIPPED_FOLDER / run).config()) == output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rows.csv", "--to", "out.txt"], "out.txt has the wrong ending for scores"),
        (["rows.csv", "--to", "no/out.csv"], "cannot be written .*a folder that exists"),
        (["none.csv", "--to", "out.csv"], "no data set or path"),
        (["few.csv", "--to", "out.csv"], "few.csv lacks 29 columns"),
        (
            ["x.npy", "--to", "out.csv"],
            "x.npy holds .* 4 columns, but this run takes 30 columns",
        ),
        (["digits", "--to", "out.csv"], "digits holds examples of 8 x 8 pixels in grey, but"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(
    arguments, words, cancer, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    frame, _ = make_frame(cancer)
    write_table(tmp_path / "rows.csv", frame)
    write_table(tmp_path / "few.csv", frame[[cancer[0][0], "patient"]])
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((9, 4)))
    before = sorted(tmp_path.rglob("*"))
    assert main(["apply", str(DETECTOR), *arguments]) == 1
    said = capsys.readouterr().err
    assert re.search(words, said) and len(said.splitlines()) == 1, said
    assert sorted(tmp_path.rglob("*")) == before


def test_pixels_are_no_columns_and_cells_of_pictures_are_not_filled(tmp_path, capsys):
    run = SHIPPED_FOLDER / "mnist-vae"
    out = str(tmp_path / "out.csv")
    for output, words in {"reconstructions": "ends in .npz or .npy", "filled": "in tables"}.items():
        assert main(["apply", str(run), "digits", "--to", out, "--what", output]) == 1
        assert words in capsys.readouterr().err


SENSORS = [
    "Zeit;Temperatur;Druck;Soll;Sonde",
    *(f"2024-01-01T00:{i:02d}:57+01:00;{i % 7},{i % 10};{i % 5},25;7,5;-999,0" for i in range(60)),
]


def test_what_was_brought_is_written_as_its_file_has_it(tmp_path, capsys):
    source, out = tmp_path / "sensors.csv", tmp_path / "out.csv"
    source.write_text("\n".join(SENSORS))
    run = trained(plan_run("vanilla", str(source), settings={"training.epochs": 1}))
    for what in ("codes", "scores"):
        apply(capsys, run.path, source, "--to", out, "--what", what)
        lines = out.read_text().splitlines()
        assert all(a.startswith(f"{b};") for a, b in zip(lines, SENSORS, strict=True))
    assert read_columns(out, DataConfig(name="out")).schema["score"].kind == "number"


def test_filled_dates_are_written_as_the_others_of_their_file(tmp_path):
    whole, holes = tmp_path / "whole.csv", tmp_path / "holes.csv"
    lines = [*SENSORS[:3], ";;1,25;7,5;-999,0", *SENSORS[4:]]
    whole.write_text("\n".join(SENSORS))
    holes.write_text("\n".join(lines))
    known = read_columns(whole, DataConfig(name="whole"))
    x = make_table_data(known, DataConfig(name="whole"), "whole.csv").x
    table = read_columns(holes, DataConfig(name="holes"))
    filled = format_csv(fill_table(table, known.schema, x), table.csv).splitlines()
    assert filled[3].startswith(SENSORS[3][:22]) and "+01:00;" in filled[3]
    assert [a for a, b in zip(filled, lines, strict=True) if a != b] == [filled[3]]
