"""A run as a page without a server: what is written, and what is refused."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import zipfile

import numpy as np
import pytest
import torch
from safetensors import numpy as safetensors

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import fit_principal_plane, make_unit_plane, preserved_neighbour_shares
from aecore.cli.parser import main
from aecore.data.datasets import load_dataset
from aecore.errors import ConfigError, DataError
from aecore.explorer import epochs, packs, quantise, static_page
from aecore.explorer.epochs import pack_saved_epochs
from aecore.explorer.portable import export_steps
from aecore.explorer.quantise import narrow_weights
from aecore.explorer.static_page import encode_as_script, export_static_page, zip_static_page
from aecore.explorer.trainable import HUB, describe_training
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig
from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit


@pytest.fixture
def run():
    made = create_run(plan_run("vae", "digits", settings={"training.epochs": 3, "data.limit": 300}))
    list(fit(made))
    return made


def inputs(run):
    return load_dataset(run.config().data).test.x


def read(path):
    """A pack's arrays, and what is said of them."""
    data = gzip.decompress(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    return safetensors.load(data), json.loads(
        json.loads(data[8 : 8 + length])["__metadata__"]["explorer"]
    )


def test_the_command_line_writes_a_page_with_its_packs_and_says_its_size(run, tmp_path, capsys):
    out = tmp_path / "page"
    assert main(["export", run.id, "--to", "static", str(out)]) == 0
    files = {f"{name}.bin{suffix}" for name in ("model", "pca", "units") for suffix in ("", ".js")}
    assert {path.name for path in out.iterdir()} == files | {
        "index.html",
        "explorer.js",
        "style.css",
    }
    size = sum(path.stat().st_size for path in out.iterdir())
    assert f"{size:,} bytes in all" in capsys.readouterr().out
    page = (out / "index.html").read_text()
    assert "://" not in page and "<h1>VAE on" in page
    assert re.search(r'connect-src ([^;"]*)"', page)[1] == "'self'"
    model, about = read(out / "model.bin")
    net = Autoencoder.load(run.path)
    z = encode_in_chunks(net, inputs(run))
    kept = (
        model["codes.low"] + model["codes"] * model["codes.step"]
        if "codes.low" in model
        else model["codes"]
    )
    rebuilt = [net.decode(torch.from_numpy(part.astype(np.float32))) for part in (z.numpy(), kept)]
    assert (rebuilt[0] - rebuilt[1]).square().mean().sqrt() < 1 / 255
    assert (
        about["network"]["latent_dim"] == z.shape[1]
        and model["model.decoder.0.weight"].dtype == np.float16
    )
    assert "inputs" not in model  # the data's licence is not ours to judge


def test_a_large_decoder_of_pictures_comes_in_bytes_that_decode_alike(run, monkeypatch):
    monkeypatch.setattr(quantise, "LARGE_DECODER", 1000)
    net = Autoencoder.load(run.path)
    z = encode_in_chunks(net, inputs(run))
    plain = {name: weight.numpy() for name, weight in export_steps(net)[1].items()}
    narrow = narrow_weights(net, plain, z.numpy())
    before = net.decode(z)
    with torch.no_grad():
        for i, layer in enumerate(net.decoder.layers):
            name = f"decoder.{i}.weight"
            low, step = (narrow[f"{name}.{end}"][:, None] for end in ("low", "step"))
            assert narrow[name].dtype == np.uint8 and narrow[name].shape == layer.weight.shape
            layer.weight.copy_(torch.from_numpy(low + narrow[name] * step))
    assert 0 < (net.decode(z) - before).square().mean().sqrt() < 1 / 255
    monkeypatch.setattr(quantise, "PIXEL_STEP", 1e-9)  # nothing that is narrower decodes alike
    assert narrow_weights(net, plain, z.numpy())["decoder.0.weight"].dtype == np.float32


def test_a_page_has_fewer_inputs_where_their_codes_are_wide(run, tmp_path, monkeypatch):
    monkeypatch.setattr(static_page, "PAGE_CODE_VALUES", 40 * run.config().model.latent_dim)
    export_static_page(run, tmp_path / "page")
    assert len(read(tmp_path / "page" / "pca.bin")[0]["positions"]) == 40


def test_a_page_can_show_the_inputs_and_the_epochs(run, tmp_path):
    export_static_page(run, tmp_path / "with", thumbnails=True)
    export_static_page(run, tmp_path / "without")
    model, _ = read(tmp_path / "with" / "model.bin")
    assert np.array_equal(model["inputs"], inputs(run).numpy())
    with_, without = (read(tmp_path / name / "pca.bin")[0] for name in ("with", "without"))
    assert with_["epochs"].tolist() == [0, 1, 2, 3] and "epochs.x" in with_
    assert "epochs.rebuilt" in without and "epochs.x" not in without


def test_a_script_holds_the_same_bytes_as_its_pack():
    for size in (0, 1, 14, 15, 16, 1000):
        data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8).tobytes()
        text = encode_as_script(data).decode("utf-16")
        letters, count = re.fullmatch(r'pack\("(.*)", (\d+)\)\n', text, re.DOTALL).groups()
        bits = "".join(f"{ord(letter) - 0x3400:015b}" for letter in letters)
        assert int(count) == size
        assert bytes(int(bits[i : i + 8], 2) for i in range(0, 8 * size, 8)) == data


def test_a_zip_holds_the_page_in_a_folder_of_its_run(run):
    with zipfile.ZipFile(io.BytesIO(zip_static_page(run))) as archive:
        assert f"{run.id}/index.html" in archive.namelist() and archive.testzip() is None


def test_a_page_is_replaced_but_no_other_files_are(run, tmp_path):
    out = tmp_path / "page"
    export_static_page(run, out, maps=("pca", "tsne"), points=60)
    assert (out / "tsne.bin").exists()
    export_static_page(run, out)
    (out / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match=r"holds other files, such as thesis\.tex"):
        export_static_page(run, out)


def test_a_page_on_which_one_can_train_has_the_trainer_and_every_variant(run, tmp_path, capsys):
    out = tmp_path / "page"
    command = ["export", run.id, "--to", "static", str(out), "--trainable", "--thumbnails"]
    assert main(command) == 0
    script = (out / "trainer.js").read_text()
    assert script.startswith('const TRAINER_SCRIPT = "') and "onmessage" in script
    page = (out / "index.html").read_text()
    assert page.index('src="trainer.js"') < page.index('src="explorer.js"')
    reached = re.search(r'connect-src ([^;"]*)"', page)[1].split()
    assert reached == ["'self'", HUB["address"], *HUB["storage"]]
    about = json.loads(re.search(r'id="about">(.*?)</script>', page)[1])["training"]
    assert about["shape"] == [1, 8, 8] and set(about["image"]) == set(VARIANTS)
    export_static_page(run, out)  # without it again
    assert "trainer" not in (out / "index.html").read_text()


@pytest.mark.parametrize("kind", ["image", "table"])
def test_every_size_that_a_page_offers_is_the_config_that_python_makes(kind):
    shape = (1, 28, 28) if kind == "image" else (8,)
    entries = describe_training()[kind]
    assert {"vae", "k-sparse", "vq-vae"} <= set(entries)
    for name, entry in entries.items():
        for latent_dim, parts in entry["sizes"].items():
            model = {**entry["config"]["model"], **parts, "latent_dim": latent_dim}
            built = configure(name, shape, kind=kind, examples=500, latent_dim=latent_dim)
            assert RunConfig.model_validate({**entry["config"], "model": model}) == built


def test_drawings_are_as_the_pages_own_model_takes_them_where_it_takes_small_pictures():
    assert describe_training((3, 32, 32))["shape"] == [3, 32, 32]
    for shape in [(4,), (1, 128, 128), (2, 16, 16), (3, 64, 64)]:
        assert describe_training(shape)["shape"] == [1, 28, 28]


def test_what_cannot_be_done_is_said(run, tmp_path):
    with pytest.raises(ConfigError, match="2 points or more, got 1"):
        export_static_page(run, tmp_path, points=1)
    with pytest.raises(ConfigError, match="no map 'star' here"):
        export_static_page(run, tmp_path, maps=("star",))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        export_static_page(run, tmp_path / "file")
    config = RunConfig(
        model=ModelConfig(input_shape=(3,), latent_dim=2), data=DataConfig(name="gone.csv")
    )
    lost = create_run(config, tmp_path / "lost")
    Autoencoder(config.model).save(lost.path, config)
    with pytest.raises(DataError, match="no other data fits"):
        export_static_page(lost, tmp_path / "page")


def test_a_hostile_config_stays_text(run, tmp_path):
    config = run.config()
    evil = "<script>alert(1)</script>"
    (run.path / "config.json").write_text(
        config.model_copy(
            update={"model": config.model.model_copy(update={"variant": evil})}
        ).model_dump_json()
    )
    export_static_page(run, tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text()
    assert evil not in page and html.escape(evil) in page


def test_neighbours_kept_are_all_of_them_on_a_true_map_and_few_on_a_false_one():
    z = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    assert preserved_neighbour_shares(z, 3 * z + 1).min() == 1
    assert (
        preserved_neighbour_shares(z, np.random.default_rng(1).normal(size=(300, 2))).mean() < 0.1
    )


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_plane_takes_codes_to_places_and_back(dim):
    z = np.random.default_rng(0).normal(size=(50, dim)).astype(np.float32)
    for plane in (fit_principal_plane(z), make_unit_plane(z, [0, dim - 1])):
        places = plane.positions(z)
        assert np.allclose(plane.positions(plane.codes(places)), places, atol=1e-5)
        if dim <= 2:
            assert np.allclose(plane.codes(places), z, atol=1e-5)


def test_a_network_too_large_for_a_browser_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "MAX_PACKED_WEIGHTS", 1000)
    with pytest.raises(
        ConfigError, match=r"has [\d,]+ weights, too many for a browser; the limit is 1,000"
    ):
        export_static_page(run, tmp_path / "page")


def test_a_page_does_not_tell_where_its_data_lies(tmp_path):
    path = tmp_path / "secret-folder" / "points.csv"
    path.parent.mkdir()
    rows = np.random.default_rng(0).normal(size=(80, 3))
    path.write_text("a,b,c\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows) + "\n")
    made = create_run(plan_run("vanilla", str(path), settings={"training.epochs": 1}))
    list(fit(made))
    page = export_static_page(made, tmp_path / "page").folder
    assert "points" in (page / "index.html").read_text()
    for name in ("model.bin", "pca.bin", "index.html"):
        data = (page / name).read_bytes()
        assert b"secret-folder" not in (gzip.decompress(data) if name.endswith(".bin") else data)


def test_of_many_saved_epochs_as_many_are_sent_as_fit(run, monkeypatch):
    config = run.config().model
    size = max(path.stat().st_size for _, path in run.previews())
    assert pack_saved_epochs(run, config.latent_dim, config.input_shape)["epochs"].tolist() == [
        0,
        1,
        2,
        3,
    ]
    monkeypatch.setattr(epochs, "EPOCH_BYTES", 2 * size)
    assert pack_saved_epochs(run, config.latent_dim, config.input_shape)["epochs"].tolist() == [
        0,
        3,
    ]
    monkeypatch.setattr(epochs, "EPOCH_BYTES", size)
    assert pack_saved_epochs(run, config.latent_dim, config.input_shape) == {}
