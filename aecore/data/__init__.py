"""Data sets: from a name or a path to tensors with a train and a test split.

Start at `datasets.load_dataset`, which picks the reader:

- `catalog`: the known sets; `catalog_files` and `download` fetch them, `catalog_readers` and
  `embedded` read them.
- `arrays` (.npz; `array_names`, `array_labels`, `array_layouts` and `array_values` tell what each
  array is), `on_disk` (.npy), `tables` and `table_columns` (.csv, .parquet), `images` (a
  folder, .zip or .parquet; `image_sources`, `image_folders` and `image_decoding` are its steps).

Every reader returns a `raw.RawData`; `splits` makes a `Dataset` of it. Sets larger than memory (the
limit is in `memory`) stay on the disk as a `stored.StoredArray`; `disk_cache` holds decoded images.
"""
