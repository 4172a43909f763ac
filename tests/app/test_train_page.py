"""The Train page: the form, the list and the live view."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from large_sets import save_numbered
from safetensors.torch import save_file

from aecore.model.autoencoder import Autoencoder
from aecore.model.variants import VARIANTS
from aecore.model.variants.overrides import override_config
from aecore.runs.listing import SHIPPED_FOLDER, list_runs, runs_folder
from aecore.runs.ownership import claim_folder, read_owner_record
from aecore.runs.plan import plan_run
from aecore.runs.records import MetricsRecord
from aecore.runs.uploads import create_upload, guess_settings
from tests.app.conftest import finish_jobs, let_the_doctor_look
from ui.train.estimate import ESTIMATE_KEY
from ui.train.form import OWN_PATH


def find_button(app, label):
    return next(b for b in app.button if b.label == label)


@pytest.fixture
def submitted(monkeypatch):
    """Runs that the page hands over, kept from starting."""
    handed = []
    monkeypatch.setattr(
        "aecore.backends.launch.submit_local", lambda run, processes=1: handed.append(run)
    )
    monkeypatch.setattr("aecore.backends.launch.submit_together", handed.extend)
    return handed


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_form_of_every_variant_starts_a_run_with_its_config(open_page, submitted, variant):
    app = open_page("train.py", variant=variant)
    assert not app.exception and not app.error
    find_button(app, "Start").click().run()
    assert not app.exception
    assert submitted[0].config().model.variant == variant


def test_the_form_shows_the_command_that_does_the_same(open_page, submitted):
    app = open_page("train.py", variant="vae", preset="Quick")
    assert "aecore train vae --data digits" in app.code[0].value


def test_a_changed_field_reaches_the_run(open_page, submitted):
    app = open_page("train.py", variant="vae")
    field = next(n for n in app.number_input if n.label == "Latent dimension")
    field.set_value(3).run()
    find_button(app, "Start").click().run()
    assert submitted[0].config().model.latent_dim == 3


def test_the_form_is_as_it_was_left_after_a_visit_to_another_page(open_page, submitted):
    app = open_page("train.py", variant="conv", data="swiss-roll")
    assert "images" in app.error[0].value
    app.selectbox(key="data").set_value("digits").run()
    next(n for n in app.number_input if n.label == "Latent dimension").set_value(5).run()
    app.switch_page("data.py").run()
    for name in ("variant", "data"):  # as where the sidebar leads there
        app.query_params.pop(name, None)
    app.switch_page("train.py").run()
    find_button(app, "Start").click().run()
    config = submitted[0].config()
    assert (config.model.variant, config.data.name, config.model.latent_dim) == (
        "conv",
        "digits",
        5,
    )


def test_the_likelihood_is_chosen_by_the_tones_of_the_pictures_and_may_be_another(
    open_page, submitted, tmp_path
):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "photos.npz", x=rng.integers(60, 200, (30, 1, 12, 12), dtype=np.uint8))
    path = str(tmp_path / "photos.npz")
    app = open_page("train.py", variant="vae", data=OWN_PATH, path=path)
    assert any("half of their pixels and more are mid-greys" in c.value for c in app.caption)
    find_button(app, "Start").click().run()
    assert submitted[0].config().model.likelihood.kind == "calibrated"
    app = open_page("train.py", variant="vae", data=OWN_PATH, path=path)
    kinds = next(s for s in app.selectbox if s.label == "Likelihood")
    assert "Logistic mixture" in kinds.options and "MS-SSIM and L1" in kinds.options
    kinds.set_value("laplace").run()
    next(s for s in app.selectbox if s.label == "Scale").set_value("channel").run()
    find_button(app, "Start").click().run()
    assert submitted[1].config().model.likelihood.scale == "channel"
    assert submitted[1].config() != plan_run("vae", path)
    app = open_page("train.py", variant="vae", data="digits")
    assert any("mostly black and white" in c.value for c in app.caption)


@pytest.mark.parametrize(
    ("variant", "label"),
    [
        ("k-sparse", "k, active units"),
        ("wae-mmd", "MMD weight"),
        ("vae", "Beta"),
        ("iwae", "Samples"),
    ],
)
def test_what_a_variant_is_about_stands_open_once(open_page, submitted, variant, label):
    app = open_page("train.py", variant=variant)
    fields = [n for n in app.number_input if n.label == label]
    assert len(fields) == 1
    assert not any(n.label == "Momentum" for n in app.number_input)


def test_inputs_network_size_and_time_are_shown_before_the_start(open_page, submitted):
    app = finish_jobs(open_page("train.py", variant="denoising-gaussian"))
    assert not app.exception and len(app.image) == 1
    assert "what the encoder gets" in app.image[0].proto.imgs[0].alt
    drawing = next(h.proto.body for h in app.get("html") if "net-drawing" in h.proto.body)
    assert "1 by 8 by 8 (input), 512, 256, 16 (code), 256, 512" in drawing
    summary = next(m.value for m in app.markdown if "parameters" in m.value)
    weights = sum(
        w.numel() for w in Autoencoder(plan_run("denoising-gaussian", "digits").model).parameters()
    )
    assert f"**{weights:,}** parameters" in summary and "trains for about" in summary


def test_a_table_and_points_are_shown_as_what_they_are(open_page, submitted):
    assert open_page("train.py", variant="vae", data="breast-cancer").image
    assert open_page("train.py", variant="vae", data="swiss-roll").get_by_key("inputs-cloud")


def test_a_variant_that_does_not_apply_says_why_and_offers_no_start(open_page, submitted):
    app = open_page("train.py", variant="conv", data="breast-cancer")
    assert not app.exception
    assert "images" in app.error[0].value
    assert "Start" not in [b.label for b in app.button]


def test_a_bad_width_is_named_where_it_was_typed(open_page, submitted):
    app = open_page("train.py", variant="vae")
    next(t for t in app.text_input if t.label == "Hidden layers").set_value("40, many").run()
    assert not app.exception
    assert "network" in app.error[0].value


def test_the_live_view_of_a_finished_run_shows_curve_metrics_and_reconstructions(
    open_page, trained
):
    run = trained()
    app = open_page("train.py", run=run.id)
    assert not app.exception
    assert {"squared error", "NLL bound"} <= {m.label for m in app.metric}
    assert app.image


def test_a_disease_is_named_and_its_cure_opens_the_form_with_all_settings(
    open_page, trained, submitted
):
    collapsing = {"bottleneck.beta": 100.0, "network.linear_path": False}
    run = trained(**collapsing, **{"latent_dim": 4, "training.lr": 1e-3})
    app = let_the_doctor_look(open_page("train.py", run=run.id))
    assert not app.exception
    assert any("Posterior collapse" in m.value for m in app.markdown)
    assert any("PCA with 4 components" in c.value for c in app.caption)
    find_button(app, "Train with free bits 0.25").click().run()
    assert not app.exception and not app.error
    find_button(app, "Start").click().run()
    assert submitted[0].config() == override_config(run.config(), {"bottleneck.free_bits": 0.25})


def test_a_link_that_is_opened_anew_keeps_its_settings_for_another_variant(open_page):
    app = open_page("train.py", variant="vae", set="training.epochs=7")
    app.switch_page("home.py").run()
    for name, value in {"variant": "vanilla", "set": "training.epochs=7"}.items():
        app.query_params[name] = value
    app.switch_page("train.py").run()
    assert not app.exception
    assert any("Set by the link" in c.value for c in app.caption)


def test_settings_of_the_address_are_dropped_with_another_variant(open_page, submitted):
    app = open_page("train.py", variant="vae", set=["bottleneck.beta=3", "training.epochs=7"])
    assert any("Set by the link" in c.value for c in app.caption)
    next(s for s in app.selectbox if s.label == "Variant").set_value("vanilla").run()
    assert not app.exception and not app.error
    find_button(app, "Start").click().run()
    assert submitted[0].config().training.epochs != 7


@pytest.mark.parametrize("setting", ["bottleneck.gamma=3", "data.name=/etc", "model={}"])
def test_settings_of_the_address_that_cannot_be_set_are_named(open_page, submitted, setting):
    app = open_page("train.py", variant="vae", set=setting)
    assert not app.exception
    assert setting.partition("=")[0] in app.error[0].value
    assert "Start" not in [b.label for b in app.button]


def test_a_link_to_a_run_that_is_not_there_says_so(open_page):
    app = open_page("train.py", run="no-such-run")
    assert not app.exception
    assert "no run" in app.error[0].value


def test_a_link_cannot_name_a_path_outside_the_runs(open_page, tmp_path):
    app = open_page("train.py", run="../../etc")
    assert not app.exception
    assert "that you may see" in app.error[0].value


def test_a_broken_run_folder_says_what_is_wrong_and_hides_no_other(open_page, trained):
    good = trained()
    broken = runs_folder() / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    app = open_page("train.py", run="broken")
    assert not app.exception
    assert "config.json" in app.error[0].value
    app = open_page("train.py")
    assert not app.exception
    assert good.id in [b.label for b in app.button]


def test_a_stopped_run_can_be_resumed_from_the_page(open_page, trained, submitted):
    run = trained()
    run.write_state(state="stopped", epoch=1)
    app = open_page("train.py", run=run.id)
    find_button(app, "Resume").click().run()
    assert not app.exception
    assert submitted[0].id == run.id


def test_a_run_is_deleted_only_after_a_second_click(open_page, trained):
    run = trained()
    app = open_page("train.py", run=run.id)
    find_button(app, "Delete for good").click().run()
    assert not app.exception
    assert not run.path.exists()


def test_records_and_previews_that_no_trainer_wrote_do_no_harm(open_page, trained):
    run = trained()
    lines = [
        '{"kind":"epoch","epoch":1,"loss":"abc"}',
        '{"kind":"epoch","epoch":2,"loss":NaN}',
        '{"kind":"test","se":"x"}',
    ]
    (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    for _, file in run.previews():
        save_file({"x": torch.zeros(4, 1, 8, 8), "reconstruction": torch.zeros(2, 3, 5, 5)}, file)
    app = open_page("train.py", run=run.id)
    assert not app.exception
    assert "This preview cannot be read." in [c.value for c in app.caption]


def test_a_run_of_an_unknown_variant_can_be_looked_at(open_page, trained):
    run = trained()
    config = run.path / "config.json"
    config.write_text(config.read_text().replace('"variant": "vae"', '"variant": "weird"'))
    app = open_page("train.py", run=run.id)
    assert not app.exception and not app.error


def test_a_run_with_the_name_of_a_shipped_one_takes_its_place(open_page):
    copy = runs_folder() / "mnist-vae"
    shutil.copytree(SHIPPED_FOLDER / "mnist-vae", copy)
    app = open_page("train.py")
    assert not app.exception
    assert [run.path for run in list_runs() if run.id == "mnist-vae"] == [copy]


def test_a_tasks_recipe_starts_from_its_page_on_one_class_and_is_watched(
    open_page, no_shipped, trained, monkeypatch
):
    started = []
    monkeypatch.setattr(
        "aecore.backends.launch.submit_local", lambda run, processes: started.append(run)
    )
    trained("vanilla", "iris")
    app = open_page("apply_anomaly.py")
    app.selectbox(key="offer-Train a detector").set_value("breast-cancer").run()
    app.selectbox(key="normal-breast-cancer").set_value("benign").run()
    app = next(b for b in app.button if b.label == "Start").click().run()
    assert not app.exception and not app.error
    config = started[0].config()
    assert config.data.train_class == "benign" and config.model.variant == "denoising-gaussian"
    app = open_page("train.py", watch=started[0].id)
    assert not app.exception and app.query_params["run"] in (started[0].id, [started[0].id])


def test_a_sweep_of_the_form_starts_its_runs_and_shows_them_in_compare(open_page, submitted):
    app = open_page("train.py", variant="vae", preset="Quick")
    next(t for t in app.text_input if t.label == "Latent dimensions").set_value("2, x").run()
    assert "whole numbers" in app.error[0].value
    next(t for t in app.text_input if t.label == "Latent dimensions").set_value("2, 3").run()
    next(n for n in app.number_input if n.label == "Seeds").set_value(2).run()
    find_button(app, "Start 4 runs").click().run()
    assert not app.exception
    assert [(r.config().model.latent_dim, r.config().training.seed) for r in submitted] == [
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
    ]
    name = submitted[0].config().sweep
    for run in submitted[:3]:
        run.append(MetricsRecord({"se": 2.0 + len(run.id), "kl": 1.0}))
        run.write_state(state="done")
    app = open_page("compare.py", sweep=name)
    assert not app.exception
    frame = app.dataframe[0].value
    assert list(frame["latent dimension"]) == [2, 3]
    assert list(frame["seeds"]) == ["2 of 2", "1 of 2"]
    assert "±" in frame["squared error"][0]


def test_three_seeds_beside_start_are_a_sweep_and_one_entry_of_the_list(
    open_page, submitted, monkeypatch
):
    monkeypatch.setattr(
        "ui.train.start.estimate_choice_seconds", lambda choice, place, seeds=1: 100.0 * seeds
    )
    app = open_page("train.py", variant="vae", preset="Quick")
    switch = app.toggle(key="three-seeds")
    assert "train together" in switch.help
    switch.set_value(True).run()
    find_button(app, "Start").click().run()
    assert not app.exception
    assert [run.config().training.seed for run in submitted] == [0, 1, 2]
    kept = [app.session_state[f"{ESTIMATE_KEY}-{run.id}"] for run in submitted]
    assert kept == [300.0, 300.0, 300.0], "they train together"
    name = submitted[0].config().sweep
    app = open_page("train.py", variant="conv")
    assert f"{name}: 3 runs" in [expander.label for expander in app.expander]
    assert "network of kind conv train one after another" in app.toggle(key="three-seeds").help
    monkeypatch.setenv("AECORE_SWEEP_RUNS", "2")
    switch = open_page("train.py", variant="vae").toggle(key="three-seeds")
    assert switch.disabled and "at most 2 runs may start at once" in switch.help


def test_three_seeds_on_data_larger_than_memory_train_one_after_another_and_the_switch_says_so(
    open_page, submitted, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "ui.train.start.estimate_choice_seconds", lambda choice, place, seeds=1: 100.0 * seeds
    )
    monkeypatch.setattr("aecore.data.memory.allowed_data_bytes", lambda: 50_000)
    app = open_page("train.py", variant="vae", data=OWN_PATH, path=str(save_numbered(tmp_path)))
    switch = app.toggle(key="three-seeds")
    assert "Runs on data larger than memory train one after another." in switch.help
    switch.set_value(True).run()
    find_button(app, "Start").click().run()
    assert not app.exception
    kept = [app.session_state[f"{ESTIMATE_KEY}-{run.id}"] for run in submitted]
    assert kept == [100.0, 100.0, 100.0]


def test_where_a_run_can_train_says_why_not_and_what_it_costs(open_page, submitted, monkeypatch):
    monkeypatch.delenv("AECORE_RAY_ADDRESS", raising=False)
    app = open_page("train.py", variant="vae")

    def choose(place):
        next(control for control in app.button_group if control.label == "Where").set_value(
            place
        ).run()

    choose("ray")
    assert "AECORE_RAY_ADDRESS" in app.info[0].value and find_button(app, "Start").disabled
    choose("hf")
    assert "it pays" in app.info[0].value and find_button(app, "Start").disabled
    choose("local")
    assert not find_button(app, "Start").disabled and not app.info


# -- among strangers


@pytest.fixture
def queued(monkeypatch):
    """Runs that a page puts into the queue, which stands still."""
    monkeypatch.setattr("aecore.backends.local.start_supervisor", lambda folder: None)


def test_a_stranger_reads_the_limits_and_is_stopped_by_them(open_page, queued, visit_as, own_runs):
    def count_runs():
        return len(list(own_runs.glob("*/config.json")))

    visit_as("alice")
    for count in (1, 2):
        app = open_page("train.py", variant="vae", preset="Quick")
        assert [c.value for c in app.caption if "You may have 2 runs at a time" in c.value]
        find_button(app, "Start").click().run()
        assert not app.exception and not app.error
        assert count_runs() == count
    app = open_page("train.py", variant="vae")
    assert find_button(app, "Start").disabled, "before a click"
    assert [c.value for c in app.caption if "You have 2" in c.value]
    assert app.number_input(key="sweep-seeds").max == 2
    next(t for t in app.text_input if t.label == "Latent dimensions").set_value("2, 3, 4").run()
    assert find_button(app, "Start 3 runs").disabled
    assert "at most 2 runs here, got 3" in " ".join(c.value for c in app.caption)
    app = open_page("apply_anomaly.py")
    find_button(app, "Start").click().run()
    assert "You have 2" in app.error[0].value
    assert count_runs() == 2


def test_resuming_keeps_the_limit_of_runs(open_page, no_shipped, queued, visit_as):
    visit_as("alice")
    stopped = start_through_the_form(open_page)
    stopped.stop()
    for _ in range(2):
        start_through_the_form(open_page)
    app = open_page("train.py", run=stopped.id)
    find_button(app, "Resume").click().run()
    assert "You have 2" in app.toast[0].value and stopped.state().state == "stopped"


def start_through_the_form(open_page):
    app = open_page("train.py", variant="vae", preset="Quick")
    known = {run.id for run in list_runs()}
    find_button(app, "Start").click().run()
    assert not app.exception and not app.error
    return next(run for run in list_runs() if run.id not in known)


@pytest.mark.parametrize("setting", ["", "1"])
def test_a_run_is_ones_own_unless_it_is_shown_to_everybody(
    open_page, no_shipped, queued, visit_as, monkeypatch, setting
):
    monkeypatch.setenv("AECORE_PUBLISH", setting)
    visit_as("alice")
    app = open_page("train.py", variant="vae", preset="Quick")
    toggle = next(t for t in app.toggle if t.label == "Show to everybody")
    assert toggle.value == bool(setting)
    run = start_through_the_form(open_page)
    assert read_owner_record(run.path).published == bool(setting)
    visit_as("mallory")
    app = open_page("train.py", run=run.id)
    assert bool(app.error) == (not setting)
    assert not {"Stop", "Resume"} & {b.label for b in app.button}


def test_a_run_on_brought_data_is_not_shown_unless_its_owner_says_so(
    open_page, no_shipped, queued, visit_as, monkeypatch
):
    monkeypatch.setenv("AECORE_PUBLISH", "1")
    alice = visit_as("alice")
    upload = create_upload()
    with upload.receiving("rows.npz") as file:
        np.savez(file, x=np.random.default_rng(0).random((60, 5)))
    upload.save(guess_settings(upload))
    claim_folder(upload.path, alice.owner)
    app = open_page("train.py", variant="vanilla", data=upload.token)
    assert not app.exception and not app.error
    toggle = next(t for t in app.toggle if t.label == "Show to everybody")
    assert toggle.value is False
    toggle.set_value(True).run()
    find_button(app, "Start").click().run()
    (run,) = list_runs()
    assert read_owner_record(run.path).published


def test_at_home_nothing_is_asked_or_limited(open_page, submitted):
    app = open_page("train.py", variant="vae")
    assert "Show to everybody" not in [t.label for t in app.toggle]
    assert not [c.value for c in app.caption if "You may have" in c.value]


def test_rows_of_ones_own_table_are_shown_as_they_will_be_read(open_page, submitted, tmp_path):
    table = tmp_path / "own.csv"
    lines = [f"{i},{i % 7},{'ab'[i % 2]},{'xyz'[i % 3]}" for i in range(60)]
    table.write_text("\n".join(["size,weight,state,kind", *lines]))
    app = open_page("train.py", variant="denoising-masking", data=OWN_PATH, path=str(table))
    assert not app.exception and not app.error
    assert "what the encoder gets" in app.image[0].proto.imgs[0].alt
