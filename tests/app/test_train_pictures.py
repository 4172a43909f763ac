"""The Train page and photographs: the variant to begin with, and the epoch that is shown."""

from __future__ import annotations

import numpy as np

from aecore.model.variants.fitting import AUGMENTATION
from tests.app.conftest import finish_jobs
from tests.app.test_data_page import bring_data, npz, read_texts
from tests.test_data_images import encode_picture, pack_zip
from ui.kit.memory import forget_deleted
from ui.train.form import OWN_PATH
from ui.train.network import DrawnLayer, label_layer
from ui.train.run_progress import describe_run_progress

HINT = "Made for photographs"


def test_photographs_are_first_trained_on_by_convolutions(open_page):
    pictures = {f"{i}.png": encode_picture("RGB", (40, 40), (i, 90, 20 * i)) for i in range(12)}
    photos = bring_data("photos.zip", pack_zip(pictures))
    app = open_page("data.py")
    button = next(button for button in app.button if button.label == "Train on this")
    button.click().run()
    assert dict(app.query_params) == {"data": photos.token, "variant": "conv"}


def test_a_fully_connected_variant_names_those_for_photographs(open_page, tmp_path):
    path = str(tmp_path / "photos.npz")
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), np.uint8))
    assert HINT in read_texts(open_page("train.py", variant="vae", data=OWN_PATH, path=path))
    texts = read_texts(open_page("train.py", variant="conv", data=OWN_PATH, path=path))
    assert HINT not in texts and ", ".join(AUGMENTATION) in texts
    assert HINT not in read_texts(open_page("train.py", variant="vae", data="digits"))


def test_a_run_of_few_test_examples_says_how_many_the_doctor_needs(open_page, trained):
    rows = bring_data("rows.npz", npz(x=np.random.default_rng(0).random((60, 8))))
    path = str(rows.source.resolve())
    run = trained("vanilla", path)
    app = finish_jobs(open_page("train.py", run=run.id))
    assert "that needs 20 test examples, not 12." in read_texts(app)
    rows.delete()
    forget_deleted()
    app = finish_jobs(open_page("train.py", run=run.id))
    assert "examined: its own data are not here" in read_texts(app)


def test_a_finished_run_shows_the_epoch_that_it_keeps(open_page, trained):
    run = trained()
    run.write_state(kept_epoch=1)
    app = open_page("train.py", run=run.id)
    assert app.select_slider[0].value == 1 and "keeps the weights of epoch 1" in read_texts(app)
    run.write_state(kept_epoch=0, best=12.25)
    texts = read_texts(open_page("train.py", run=run.id))
    assert "keeps its start" in texts and "before training, 12.25, is the lowest" in texts
    run.write_state(kept_epoch=2)
    app = open_page("train.py", run=run.id)
    assert app.select_slider[0].value == 2 and "keeps the weights" not in read_texts(app)


def test_shapes_of_brought_data_are_in_words_and_labels_of_layers_break_between_sides(
    open_page, tmp_path
):
    pictures, rows = tmp_path / "photos.npz", tmp_path / "rows.npz"
    np.savez(pictures, x=np.zeros((40, 3, 32, 32), np.uint8) + np.arange(40)[:, None, None, None])
    np.savez(rows, x=np.random.default_rng(0).random((60, 15)))
    app = open_page("train.py", variant="conv", data=OWN_PATH, path=str(pictures))
    assert "test examples of 32 x 32 pixels in colour." in read_texts(app)
    app = open_page("train.py", variant="vanilla", data=OWN_PATH, path=str(rows))
    assert "test examples of 15 columns." in read_texts(app)
    assert label_layer(DrawnLayer((3, 32, 32))) == "3<br>x&nbsp;32 x&nbsp;32"


def test_many_epochs_are_counted_with_separators(trained):
    run = trained()
    state = run.state().model_copy(update={"state": "running", "epoch": 2478, "epochs": 40000})
    assert describe_run_progress(run, state).startswith("Epoch 2,479 of 40,000")
    ended = state.model_copy(update={"state": "done"})
    assert describe_run_progress(run, ended) == "2,478 of 40,000 epochs"
