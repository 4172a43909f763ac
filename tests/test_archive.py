"""The .zip of a run: whole, and without what tells of the server that it comes from."""

from __future__ import annotations

import io
import zipfile

from helpers import tiny

from aecore.model.config import DataConfig
from aecore.model.weights import read_config
from aecore.runs.archive import list_archived_files, stream_zip
from aecore.runs.keeping import open_thing
from aecore.runs.listing import create_run

FOLDER = "/srv/lab/runs/.own/secret-token-1"


def test_an_archived_run_names_no_folder_of_its_server(tmp_path):
    data = DataConfig(name=f"{FOLDER}/people.csv")
    run = create_run(tiny().model_copy(update={"data": data}))
    (run.path / "log.txt").write_text(f"{FOLDER}/people.csv was read\n")
    files = list_archived_files([open_thing(run.path, is_run=True)])
    with zipfile.ZipFile(io.BytesIO(b"".join(stream_zip(files)))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
        contents = b"".join(archive.read(name) for name in archive.namelist())
    assert f"{run.id}/state.json" in archive.namelist()
    assert b"secret-token" not in contents and b"/srv/lab" not in contents
    copy = read_config(tmp_path / run.id)
    assert copy.data.name == "people.csv" and copy.model == run.config().model
