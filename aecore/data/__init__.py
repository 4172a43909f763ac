"""Data sets: from a name or a path to tensors with a train and a test split.

Start at `datasets.load_dataset`, which picks the reader:

- `catalog`: the known sets; `catalog_files` and `download` fetch them, `catalog_readers` and
  `embedded` read them.
- A room for each kind of file, whose docstring says what is where: `tables`, `images` (a folder,
  .zip or .parquet of pictures) and `arrays` (.npz); `on_disk` reads .npy.
- `describe` tells what a file holds and `written_files` writes it again; `batches` reads files of
  any length for a trained model, `batch_writers` write what it says.

Every reader returns a `raw.RawData`; `splits` makes a `Dataset` of it (`groups` keep together what
belongs together, `division` counts copies). Sets larger than memory (the limit is in `memory`, for
Parquet in `parquet_bounds`) stay on the disk as a `stored.StoredArray`; `disk_cache` holds decoded
images.
"""
