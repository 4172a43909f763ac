"""Every page with data, columns, classes and runs whose names try to be more than text."""

from __future__ import annotations

import numpy as np
import pytest

from aecore.runs.listing import create_run
from aecore.runs.ownership import claim_folder, digest_secret
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from aecore.runs.uploads import UploadedData, create_upload, guess_settings
from aecore.training.trainer import fit
from tests.app.conftest import finish_jobs
from tests.hostile import (
    CLASS_NAME,
    COLUMN,
    FILE_NAME,
    FOLDER,
    RUN_ID,
    find_markup,
    find_text,
    list_texts,
)
from tests.test_data_images import encode_picture, pack_zip

SETTINGS = {"training.epochs": 1, "latent_dim": 2}
PAGES = [  # with the kind of run, and what is chosen on the page
    ("train.py", "table", {}),
    ("latent.py", "table", {"input": "1"}),
    ("latent.py", "pictures", {"axes": "3-D"}),
    ("units.py", "table", {}),
    ("units.py", "pictures", {}),
    ("generate.py", "table", {}),
    ("manifold.py", "table", {}),
    ("manifold.py", "pictures", {"mode": "Dimension"}),
    ("apply_features.py", "table", {"mode": "Codes"}),
    ("apply_features.py", "pictures", {"mode": "Map"}),
    ("apply_features.py", "table", {"mode": "Accuracy"}),
    ("apply_features.py", "table", {"mode": "Code size"}),
    ("apply_denoise.py", "pictures", {}),
    ("apply_compress.py", "table", {}),
    ("apply_search.py", "pictures", {}),
    ("apply_anomaly.py", "table", {}),
    ("apply_anomaly.py", "pictures", {}),
    ("apply_impute.py", "table", {}),
    ("apply_impute.py", "pictures", {}),
    ("hub.py", "table", {}),
]
OWNER = "alice"


class HostileWorld:
    """A table and pictures with hostile names, and a run on each, in a folder of their own."""

    def __init__(self, folder):
        table, zipped = make_hostile_table(), pack_zip(make_hostile_pictures())
        self.sets = {
            "table": bring_hostile_data(f"{FILE_NAME}.csv", table.encode()),
            "pictures": bring_hostile_data(f"{FILE_NAME}.zip", zipped),
        }
        self.runs = {kind: train_hostile_run(kind, upload) for kind, upload in self.sets.items()}


def make_hostile_table() -> str:
    """Returns a .csv of numbers in columns of hostile names, with two classes and a hole."""
    rows = np.random.default_rng(0).normal(size=(60, 3)).round(3)
    lines = [",".join(f'"{name}"' for name in (COLUMN, f"b {COLUMN}", "c", "class"))]
    for i, (first, second, third) in enumerate(rows):
        name = f'"{CLASS_NAME}{" 2" * (i % 2)}"'
        lines.append(f"{first if i else ''},{second},{third},{name}")
    return "\n".join(lines)


def make_hostile_pictures() -> dict[str, bytes]:
    """Returns pictures of hostile names in folders of hostile names, {path: PNG}."""
    picture = encode_picture("L", (8, 8))
    return {f"{kind} {FOLDER}/{i} {FOLDER}.png": picture for kind in "ab" for i in range(30)}


def bring_hostile_data(name: str, content: bytes) -> UploadedData:
    """Returns a new set of the owner's."""
    upload = create_upload()
    with upload.receiving(name) as file:
        file.write(content)
    upload.save(guess_settings(upload))
    claim_folder(upload.path, digest_secret("visitor", OWNER))
    return upload


def train_hostile_run(kind: str, upload: UploadedData) -> Run:
    """Returns a trained run on a set, under a hostile id."""
    data = {f"data.{name}": value for name, value in upload.config().model_dump().items()}
    settings = {**SETTINGS, **{name: value for name, value in data.items() if value is not None}}
    run = create_run(plan_run("vae", data["data.name"], settings=settings))
    list(fit(run))
    claim_folder(run.path, digest_secret("visitor", OWNER))
    return Run(run.path.rename(run.path.with_name(f"{kind} {RUN_ID}")))


@pytest.fixture(scope="module")
def world_before(tmp_path_factory):
    """The hostile world, made once."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_RUNS", str(folder / "runs"))
        yield folder, HostileWorld(folder)


@pytest.fixture
def world(world_before, monkeypatch, visit_as, no_shipped):
    """The hostile world, visited by its owner on a public Space."""
    folder, hostile = world_before
    monkeypatch.setenv("AECORE_RUNS", str(folder / "runs"))
    visit_as(OWNER)
    return hostile


def check_names_are_text(app, world):
    """Asserts that a page shows hostile names as text, and neither folders nor tokens."""
    assert not app.exception
    assert "evil" in " ".join(list_texts(app))
    assert find_markup(app) == []
    for upload in world.sets.values():
        assert find_text(app, str(upload.path.parent)) == []


@pytest.mark.parametrize(("page", "kind", "choices"), PAGES)
def test_names_are_text_on_the_page_of_a_run(page, kind, choices, open_page, world):
    run, upload = world.runs[kind], world.sets[kind]
    app = finish_jobs(open_page(page, run=run.id, inputs=upload.token, **choices))
    check_names_are_text(app, world)
    assert page == "hub.py" or not app.error


@pytest.mark.parametrize("kind", ["table", "pictures"])
def test_names_are_text_on_the_page_of_a_set(kind, open_page, world):
    app = open_page("data.py", own=world.sets[kind].token)
    check_names_are_text(app, world)
    assert not app.error


def test_names_are_text_where_a_run_is_planned_and_where_runs_are_listed(open_page, world):
    check_names_are_text(open_page("train.py", data=world.sets["table"].token), world)


def test_names_are_text_where_runs_are_compared(open_page, world):
    check_names_are_text(open_page("compare.py"), world)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("train.py", ["run"]),
        ("train.py", ["watch"]),
        ("compare.py", ["runs", "sweep"]),
        ("latent.py", ["run", "beside", "inputs", "map"]),
        ("evidence.py", ["experiment"]),
        ("hub.py", ["search", "run"]),
        ("data.py", ["own", "data"]),
    ],
)
def test_what_an_address_says_is_text(page, names, open_page, world):
    app = open_page(page, **dict.fromkeys(names, f"![evil](//h) {COLUMN}"))
    assert not app.exception
    assert find_markup(app) == []


def test_the_error_and_the_place_of_a_run_are_text(open_page, world):
    run = world.runs["table"]
    state = run.state()
    place = str(world.sets["table"].source)
    run.write_state(state="failed", error=f"{place}: {COLUMN}", device=FILE_NAME)
    try:
        app = open_page("train.py", run=run.id)
        check_names_are_text(app, world)
        assert app.error and "evil" in app.error[0].value
    finally:
        run.write_state(**state.model_dump())
