"""The Compress page: a file that opens to what is shown, of the size that is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers import wait_for
from PIL import Image

from aecore.analysis.pictures import encode_png
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset, Split, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.tasks.compress import compress_examples, expand_file, plan_compressor
from aecore.training.trainer import fit
from tests.app.conftest import bring_photo
from tests.app.test_data_page import bring_data, read_texts
from ui.apply_compress.packing import pack_examples
from ui.kit.jobs import get_job_registry, start_job
from ui.kit.memory import memory_store
from ui.kit.photo import PHOTO_KEY, Photo


def test_a_first_visit_shows_a_shipped_run_below_the_curve_of_pca(open_page):
    app = open_page("apply_compress.py")
    assert not app.exception and not app.error
    assert app.image and "bytes" in app.metric[0].value
    lines = read_curves(app)
    assert {"JPEG", "WebP", "this file"} <= set(lines)
    ours, pca = (
        next(points for name, points in lines.items() if key in name) for key in ("mnist-", "PCA")
    )
    for bits, se in pca:
        at = (
            np.interp(np.log(bits), *np.log([sorted(p) for p in ours]).T.tolist()[:2])
            if len(ours) > 1
            else None
        )
        assert at is None or np.exp(at) < se * 1.05 or bits < min(b for b, _ in ours)


def read_curves(app):
    """{coder: [(bits, squared error), ...]} as they were drawn."""
    figure = json.loads(app.get_by_key("curve").proto.spec)
    return {
        trace["name"]: list(zip(read_values(trace["x"]), read_values(trace["y"]), strict=True))
        for trace in figure["data"]
    }


def read_values(part):
    from base64 import b64decode

    return (
        np.frombuffer(b64decode(part["bdata"]), part["dtype"]).tolist()
        if isinstance(part, dict)
        else part
    )


def test_the_file_is_as_large_as_its_curve_says_and_opens_to_what_is_shown(
    open_page, trained, no_shipped
):
    run = trained("vanilla")
    app = open_page("apply_compress.py", packed="64", step="0.25")
    x = as_float(load_dataset(run.config().data).test.x[:64])
    made = pack_examples(run, 0.25, x)
    assert app.metric[0].value == f"{len(made.file):,} bytes"
    bits = 8 * len(made.file) / x.numel()
    lines = read_curves(app)
    assert lines["this file"][0][0] == pytest.approx(bits)
    assert (
        min(abs(b - bits) for b, _ in lines[f"{run.id}, {run.config().model.latent_dim} units"])
        < 1e-9
    )
    assert torch.equal(expand_file(Autoencoder.load(run.path), made.file), made.opened)


def bring_packed_file(app, file):
    """As if this file had come from the visitor's disk."""
    memory_store.keep("a file", file)
    app.session_state["packed_file"] = "a file"


def test_a_file_is_opened_by_the_run_that_made_it_and_no_other(open_page, trained, no_shipped):
    run, other = trained("vanilla"), trained("vae")
    file = compress_examples(
        Autoencoder.load(run.path), load_dataset(run.config().data).test.x[:20]
    )
    app = open_page("apply_compress.py", run=run.id)
    bring_packed_file(app, file)
    assert "It holds 20 examples" in read_texts(app.run())
    app = open_page("apply_compress.py", run=other.id)
    bring_packed_file(app, file)
    app.run()
    assert not app.exception and "another model" in app.error[0].value
    bring_packed_file(app, file[:-4])
    assert "damaged or cut short" in app.run().error[0].value


@pytest.mark.parametrize("variant", ["vq-vae", "k-sparse"])
def test_countable_and_sparse_codes_have_a_file_too(open_page, trained, no_shipped, variant):
    trained(variant)
    app = open_page("apply_compress.py")
    assert not app.exception and not app.error and app.metric


def test_rows_of_a_table_and_points_are_packed_as_well(open_page, trained, no_shipped):
    for name in ("wine", "swiss-roll"):
        run = trained("vanilla", name)
        app = open_page("apply_compress.py", run=run.id)
        assert not app.exception and not app.error
        assert app.metric[3].label == "Bits per cell"


def test_a_table_of_ones_own_with_holes_is_filled_first_and_that_is_said(
    open_page, trained, no_shipped
):
    lines = ["a,b,c,class"] + [f"{i},{i * i % 17 if i % 5 else ''},{i % 7},x" for i in range(80)]
    one = bring_data("own.csv", "\n".join(lines).encode())
    run = trained("vanilla", "wine")
    app = open_page("apply_compress.py", run=run.id, inputs=one.token)
    assert not app.exception and "lacks 13 columns" in app.error[0].value
    settings = {
        f"data.{k}": v
        for k, v in one.config().model_dump(exclude={"name"}, exclude_unset=True).items()
    }
    mine = create_run(
        plan_run("vanilla", one.config().name, settings={"training.epochs": 2, **settings})
    )
    list(fit(mine))
    app = open_page("apply_compress.py", run=mine.id, inputs=one.token)
    assert not app.exception and not app.error
    assert "16 missing cells are taken as their column's mean" in read_texts(app)


@pytest.fixture
def codec_run(tmp_path, no_shipped):
    """A run of the variant codec on small pictures in colour."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (40, 1, 1, 3)) + rng.integers(-20, 20, (40, 16, 16, 3))
    np.savez(tmp_path / "colours.npz", x_train=pictures.clip(0, 255).astype(np.uint8))
    settings = {"training.epochs": 1, "network.channels": (8, 8, 8), "bottleneck.width": 4}
    run = create_run(plan_run("codec", str(tmp_path / "colours.npz"), settings=settings))
    list(fit(run))
    return run


def test_a_photo_of_any_size_is_coded_beside_other_coders_and_opens_again(open_page, codec_run):
    app = open_page("apply_compress.py", run=codec_run.id)
    assert not app.exception and not app.error
    image = np.random.default_rng(1).integers(0, 255, (25, 30, 3)).astype(np.uint8)
    app = bring_photo(app, Photo("walk.png", encode_png(Image.fromarray(image))))
    assert not app.exception and not app.error
    curves = json.loads(app.get_by_key("photo_curves").proto.spec)
    names = {trace["name"] for trace in curves["data"]}
    assert names == {codec_run.id, "JPEG", "WebP", "AVIF", "this file"}
    model = Autoencoder.load(codec_run.path)
    file = compress_examples(model, torch.from_numpy(image).permute(2, 0, 1)[None], 1.0)
    assert f"{len(file):,} bytes" in app.image[1].proto.imgs[0].caption
    bring_packed_file(app, file)
    assert "It holds 1 examples" in read_texts(app.run())


def test_a_dropped_picture_is_kept_for_the_session(open_page, codec_run, monkeypatch):
    image = Image.fromarray(np.zeros((9, 8, 3), np.uint8))
    upload = bring_data("dark.png", encode_png(image))
    monkeypatch.setattr("ui.kit.photo.ask_for_files", lambda *_: upload)
    app = open_page("apply_compress.py", run=codec_run.id)
    assert not app.exception and not upload.path.exists()
    assert memory_store.get(app.session_state[PHOTO_KEY]).value.name == "dark.png"


def test_what_is_no_picture_is_refused_with_a_sentence(open_page, codec_run):
    app = open_page("apply_compress.py", run=codec_run.id)
    app = bring_photo(app, Photo("walk.png", b"no picture"))
    assert not app.exception and "walk.png cannot be read" in app.error[0].value
    assert "Try again" not in [button.label for button in app.button]


def test_a_photo_that_is_computed_at_once_is_shown_at_once(open_page, codec_run, monkeypatch):
    def start_and_wait(name, call):
        start_job(name, call)
        wait_for(lambda: not get_job_registry().working, "the photo is computed")

    def look(photo):
        memory_store.keep("a photo", photo)
        app.session_state[PHOTO_KEY] = "a photo"
        return app.run()

    monkeypatch.setattr("ui.kit.measurement.start_job", start_and_wait)
    app = open_page("apply_compress.py", run=codec_run.id)
    assert "walk.png cannot be read" in look(Photo("walk.png", b"no picture")).error[0].value
    assert "walk.png cannot be read" in app.run().error[0].value
    dark = encode_png(Image.fromarray(np.zeros((40, 32, 3), np.uint8)))
    assert not look(Photo("dark.png", dark)).error and app.get_by_key("photo_curves")


def test_nonsense_in_the_link_opens_the_default(open_page, trained, no_shipped):
    trained()
    app = open_page("apply_compress.py", packed="many", step="-1", run="none")
    assert not app.exception and app.metric


def test_the_recipe_for_large_sets_is_that_of_the_deep_autoencoder(monkeypatch):
    assert plan_compressor("iris").model.latent_dim == 2
    found = load_dataset(DataConfig(name="digits"))
    big = found.train.x.repeat(8, 1, 1, 1)
    monkeypatch.setattr(
        "aecore.runs.plan.load_dataset",
        lambda *_: Dataset("digits", "image", Split(big, None), found.test),
    )
    made = plan_compressor("digits")
    assert made.training.epochs == 100 and made.training.batch_size == 250
