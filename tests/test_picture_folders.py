"""Folders of pictures as people have them: splits, classes, tables of labels, archives."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from picture_files import encode_image, encode_tiff, make_noise, read_pictures, zip_files

from aecore.data.datasets import load_dataset
from aecore.data.images.parquet import holds_encoded_images
from aecore.data.images.zip_names import guess_name_encoding
from aecore.errors import DataError
from aecore.model.config import DataConfig

ONE = encode_image(make_noise(shape=(4, 4)))


def read_tree(tmp_path, names, tables=None, **options):
    """Read a zip of the same picture under these names; names of folders end with "/"."""
    files = {name: b"" if name.endswith("/") else ONE for name in names}
    return read_pictures(zip_files(tmp_path / "set.zip", files | (tables or {})), **options)


def list_classes(raw):
    """The class of each picture by its name."""
    if raw.y is None:
        return dict.fromkeys(raw.names)
    return {name: raw.classes[i] for name, i in zip(raw.names, raw.y, strict=True)}


def count_splits(raw):
    """Pictures to train and to test with, None where they are not split."""
    return raw.train_count and (raw.train_count, len(raw.x) - raw.train_count)


SPLITS = {
    "lower case": ("train/1.png train/2.png test/3.png", (2, 1)),
    "German": ("Trainingsdaten/1.png Validierung/2.png Testdaten/3.png", (2, 1)),
    "capitals": ("Train/1.png Train/2.png TEST/3.png", (2, 1)),
    "long words": ("training/1.png training/2.png testing/3.png", (2, 1)),
    "a wrapper": ("pets/v1/train/1.png pets/v1/test/2.png", (1, 1)),
    "prefixed, and once more": ("seg_train/seg_train/1.png seg_test/seg_test/2.png", (1, 1)),
    "images inside": ("train/images/1.png test/images/2.png", (1, 1)),
    "images outside": ("images/train/1.png images/test/2.png", (1, 1)),
    "numbered": ("train1/1.png test1/2.png", (1, 1)),
    "Chinese": ("训练集/1.png 测试集/2.png", (1, 1)),
    "validation as the test": ("train/1.png train/2.png valid/3.png", (2, 1)),
    "three": ("train/1.png val/2.png test/3.png", (2, 1)),
    "three long ones": ("training/1.png validation/2.png testing/3.png", (2, 1)),
    "only one": ("train/1.png train/2.png", None),
}


@pytest.mark.parametrize("case", SPLITS)
@pytest.mark.parametrize("classes", [False, True])
def test_folders_of_usual_names_are_the_splits(tmp_path, case, classes):
    names, counts = SPLITS[case]
    paths = names.split()
    if classes:
        paths = [path.replace(".png", f"/{kind}.png") for path in paths for kind in "xy"]
        paths = [f"{path[:-7]}{path[-5]}/{path[-7]}.png" for path in paths]
        counts = counts and (counts[0] * 2, counts[1] * 2)
    raw = read_tree(tmp_path, paths, unusable="refuse")
    assert count_splits(raw) == counts
    assert raw.classes == (("x", "y") if classes else ())


def test_a_split_inside_each_class_is_one_too(tmp_path):
    names = [f"{kind}/{split}/1.png" for kind in ("cat", "dog") for split in ("train", "test")]
    raw = read_tree(tmp_path, names)
    assert count_splits(raw) == (2, 2) and raw.classes == ("cat", "dog")


def test_what_becomes_of_validation_pictures_is_said(tmp_path):
    raw = read_tree(tmp_path, ["train/1.png", "val/2.png", "test/3.png"])
    assert raw.names == ("train/1.png", "val/2.png", "test/3.png")
    assert raw.notes == ("set.zip has 1 validation image, which join the training images.",)
    assert "are the test set" in read_tree(tmp_path, ["train/1.png", "val/2.png"]).notes[0]


def test_words_that_are_also_classes_are_no_splits(tmp_path):
    raw = read_tree(tmp_path, ["train/1.png", "bus/2.png", "plane/3.png"])
    assert raw.classes == ("bus", "plane", "train") and raw.train_count is None


# -- classes


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("cat/2023/1.png dog/2024/2.png", "cat dog"),
        ("2023-05-01/cat/1.png 2023-05-02/dog/2.png", "cat dog"),
        ("site1/cat/1.png site2/dog/2.png", "cat dog"),
        ("cat/1.png dog/more/2.png", "cat dog"),
        ("0/1.png 1/2.png", "0 1"),
        ("a/b/c/cat/1.png a/b/c/dog/2.png", "cat dog"),
        ("holiday/1.png holiday/2.png", ""),
    ],
)
def test_the_class_is_the_first_folder_that_tells_something(tmp_path, names, classes):
    raw = read_tree(tmp_path, names.split())
    assert raw.classes == tuple(classes.split())
    deep = any(path.count("/") > 1 for path in names.split()) and "a/b" not in names
    assert deep == any("folders in folders" in note for note in raw.notes)


@pytest.mark.parametrize(
    ("names", "count", "note"),
    [
        ("a/1.png b/2.png b/3.png 4.png", 3, "1 of 4 images of set.zip has no class (4.png): left"),
        ("1.png 2.png 3.png a/4.png", 4, "3 of 4 images of set.zip have no class (1.png): classes"),
        ("a/1.png b/2.png c/", 2, "The folder c in set.zip holds no images: left out."),
        ("train/1.png test/2.png extra/3.png", 2, "1 image (extra/3.png) of set.zip lies beside"),
        (
            "train/a/1.png train/b/2.png test/3.png",
            2,
            "set.zip has classes in only one of its training and test images: 1 test image without",
        ),
        ("train/1.png test/a/2.png test/b/3.png", 3, "test images: classes are not used."),
        ("a/1.png a/x.txt b/2.png y.xml", 2, "2 files: not pictures, left out (a/x.txt, y.xml)."),
        ("1.png 2.png more.tar.gz", 2, "1 file: archives in the set that are not opened"),
    ],
)
def test_what_has_no_clear_meaning_is_left_out_with_a_note_or_refused(tmp_path, names, count, note):
    raw = read_tree(tmp_path, names.split())
    assert len(raw.x) == count and note in " ".join(raw.notes)
    with pytest.raises(DataError, match=r"set\.zip") as caught:
        read_tree(tmp_path, names.split(), unusable="refuse")
    assert str(caught.value).count(". ") >= 1  # with what to do


def test_an_unlabelled_test_set_gives_way_to_validation_pictures(tmp_path):
    names = ["train/a/1.png", "train/b/2.png", "val/a/3.png", "val/b/4.png", "test/5.png"]
    assert count_splits(read_tree(tmp_path, names)) == (2, 2)


def test_many_odd_files_are_one_note(tmp_path):
    raw = read_tree(tmp_path, ["1.png", "2.png", *(f"{i}.json" for i in range(300))])
    assert raw.notes == (
        "300 files: not pictures, left out (0.json, 1.json, 2.json and 297 more).",
    )


# -- a table of labels


@pytest.mark.parametrize(
    "table",
    [
        "file,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n",
        "id,breed,height\n1,cat,3.5\n2,dog,4.5\n3,cat,1.5\n4,dog,9\n",
        "Pfad;Klasse;Größe\nbilder\\1.PNG;cat;1,5\n2.png;dog;2,5\n3.png;cat;3\n4.png;dog;4\n",
        "image\tkind\n./bilder/1.png\tcat\nbilder/2.png\tdog\nbilder/3.png\tcat\n4.png\tdog\n",
        "image,cat,dog\n1,1.0,0.0\n2,0.0,1.0\n3,1.0,0.0\n4,0.0,1.0\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_classes_come_from_a_table_beside_the_pictures(tmp_path, table, encoding):
    tables = {"labels.csv": table.encode(encoding)}
    raw = read_tree(tmp_path, [f"bilder/{i}.png" for i in range(1, 5)], tables)
    kinds = [list_classes(raw)[f"bilder/{i}.png"] for i in range(1, 5)]
    assert kinds == ["cat", "dog", "cat", "dog"]
    assert len(raw.notes) == 1 and "of labels.csv" in raw.notes[0]


def test_rows_and_pictures_without_each_other_are_counted(tmp_path):
    table = b"file,class\n1.png,a\n2.png,b\n3.png,a\n8.png,a\n9.png,b\n"
    raw = read_tree(tmp_path, ["1.png", "2.png", "3.png", "4.png"], {"train.csv": table})
    assert raw.names == ("1.png", "2.png", "3.png")
    assert "for 3 images; 2 rows there without an image." in raw.notes[0]
    assert raw.notes[1] == "1 image of set.zip have no row there."


def test_tables_that_say_nothing_of_the_pictures_are_odd_files(tmp_path):
    tables = {"a.csv": b"x,y\n1.5,2\n", "b.csv": b"\xff\xfe\x00", "c.csv": b"", "d.tsv": b"1.png\n"}
    raw = read_tree(tmp_path, ["1.png", "2.png"], tables)
    assert raw.y is None and "4 files: not pictures, left out" in raw.notes[0]
    folders = read_tree(tmp_path, ["a/1.png", "b/2.png"], {"t.csv": b"f,label\n1.png,x\n2.png,y\n"})
    assert folders.classes == ("a", "b")


# -- archives


def test_an_archive_in_an_archive_is_read_like_a_folder(tmp_path):
    inner = {
        name: zip_files(tmp_path / name, {f"{name[:-4]}/cat/1.png": ONE, "dog/2.png": ONE})
        for name in ("train.zip", "test.zip")
    }
    files = {name: path.read_bytes() for name, path in inner.items()}
    raw = read_pictures(zip_files(tmp_path / "set.zip", files))
    assert len(raw.x) == 4 and count_splits(raw) == (2, 2)


def test_archives_deeper_or_torn_are_left_out_with_a_note(tmp_path):
    deepest = zip_files(tmp_path / "c.zip", {"1.png": ONE}).read_bytes()
    middle = zip_files(tmp_path / "b.zip", {"2.png": ONE, "c.zip": deepest}).read_bytes()
    files = {"b.zip": middle, "torn.zip": deepest[:50], "3.png": ONE}
    raw = read_pictures(zip_files(tmp_path / "set.zip", files))
    assert len(raw.x) == 2 and "2 files: archives in the set that are not opened" in raw.notes[-1]


def test_an_archive_in_an_archive_obeys_the_same_limits(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(50_000_000))
    path = zip_files(tmp_path / "set.zip", {"inner.zip": buffer.getvalue(), "2.png": ONE})
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    monkeypatch.setenv("AECORE_MAX_DATA_GB", "0.01")
    with pytest.raises(DataError, match=r"set\.zip unpacked would take 0\.05 GB"):
        read_pictures(path)
    up = {"../x.png": ONE}
    path = zip_files(tmp_path / "u.zip", {"a.zip": zip_files(tmp_path / "v.zip", up).read_bytes()})
    with pytest.raises(DataError, match="points out of the archive"):
        read_pictures(path)


@pytest.mark.parametrize("name", ["p.tar", "p.tar.gz", "p.TGZ", "p.7z", "p.rar"])
def test_other_archives_are_refused_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="Unpack it, and give the folder"):
        load_dataset(DataConfig(name=str(tmp_path / name)))


NAMES = {
    "gbk": ("家猫照片", "流浪狗照"),
    "cp932": ("ネコの写真", "表とイヌ"),
    "big5": ("貓咪", "狗狗"),
    "cp949": ("고양이", "강아지"),
    "cp866": ("Кошки", "Собаки"),
    "cp850": ("Kätzchen", "Hündin"),
    "utf-8": ("Čápi", "猫"),
}


@pytest.mark.parametrize("encoding", NAMES)
def test_names_of_a_zip_that_does_not_say_its_encoding_are_guessed_together(tmp_path, encoding):
    places = [
        bytes([65 + i]) * len(name.encode(encoding)) for i, name in enumerate(NAMES[encoding])
    ]
    path = zip_files(
        tmp_path / "set.zip", {f"{p.decode()}/{i}.png": ONE for i, p in enumerate(places)}
    )
    content = path.read_bytes()
    for place, name in zip(places, NAMES[encoding], strict=True):
        content = content.replace(place + b"/", name.encode(encoding) + b"/")
    path.write_bytes(content)
    raw = read_pictures(path)
    assert raw.classes == tuple(sorted(NAMES[encoding]))
    told = "does not say how its names are encoded" in " ".join(raw.notes)
    assert told == (encoding != "cp850")  # zipfile reads these letters as they are


def test_names_of_any_bytes_have_some_encoding_or_none():
    rng = np.random.default_rng(0)
    for size in range(1, 200):
        guess_name_encoding([rng.bytes(size)])


# -- Parquet


def write_parquet(path, about=None, **columns):
    table = pa.table(columns)
    if about:
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    pq.write_table(table, path)
    return path


PICTURES = [encode_image(np.full((4, 4), i, np.uint8)) for i in (10, 20, 30, 40)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([{"bytes": one, "path": "x"} for one in PICTURES]),
        pa.array(PICTURES, pa.binary()),
        pa.array(PICTURES, pa.large_binary()),
        pa.array([None, *PICTURES[1:]], pa.binary()),
        pa.array([[one, PICTURES[0]] for one in PICTURES], pa.list_(pa.binary())),
        pa.array([{"bytes": one, "width": 4} for one in PICTURES]),
    ],
)
def test_pictures_of_a_parquet_are_found_by_their_first_bytes(tmp_path, column):
    path = write_parquet(tmp_path / "p.parquet", image=column, label=["a", "b", "a", "b"])
    assert holds_encoded_images(path)
    raw = read_pictures(path)
    assert sorted(raw.x[:, 0, 0, 0])[-3:] == [20, 30, 40] and raw.classes == ("a", "b")
    assert any("the column label" in note for note in raw.notes)
    is_list = pa.types.is_list(column.type)
    assert is_list == any("hold several pictures" in note for note in raw.notes)


@pytest.mark.parametrize("cells", [[b"abc", b"\xff\xfe"], [b"", b""], [None, None]])
def test_other_bytes_of_a_parquet_are_no_pictures(tmp_path, cells):
    path = write_parquet(tmp_path / "p.parquet", x=[1.0, 2.0], blob=pa.array(cells, pa.binary()))
    assert not holds_encoded_images(path)


def test_numbers_of_few_kinds_are_classes_and_ids_are_not(tmp_path):
    found = read_pictures(write_parquet(tmp_path / "a.parquet", image=PICTURES, label=[0, 1, 0, 1]))
    assert found.classes == ("0", "1")
    ids = read_pictures(write_parquet(tmp_path / "b.parquet", image=PICTURES, label=[5, 6, 7, 8]))
    assert ids.y is None


def test_of_several_columns_of_pictures_the_first_is_read(tmp_path):
    path = write_parquet(tmp_path / "p.parquet", image=PICTURES, mask=PICTURES[::-1])
    raw = read_pictures(path)
    assert sorted(raw.x[:, 0, 0, 0]) == [10, 20, 30, 40]
    assert raw.notes == ("p.parquet has 2 columns of pictures; image is read, mask left out.",)


# -- channels in the model


@pytest.mark.parametrize("bands", [2, 4, 5])
def test_a_model_is_made_and_shown_for_any_bands(tmp_path, bands):
    from aecore.analysis.pictures import describe_channels, draw_grid, make_tiles
    from aecore.data.splits import as_float
    from aecore.model.autoencoder import Autoencoder
    from aecore.runs.plan import plan_run

    files = {
        f"{i}.tif": encode_tiff(
            make_noise(i, (8, 8, bands)), photometric="minisblack", planarconfig="contig"
        )
        for i in range(4)
    }
    path = zip_files(tmp_path / "set.zip", files)
    config = plan_run("vanilla", str(path))
    x = as_float(load_dataset(config.data).train.x)
    reconstruction = Autoencoder(config.model).reconstruct(x)
    assert reconstruction.shape == x.shape == (3, bands, 8, 8)
    assert make_tiles(reconstruction).shape == (3, 3, 8, 8) and draw_grid(x).mode == "RGB"
    assert f"{bands} channels" in describe_channels(bands)
