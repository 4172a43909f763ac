"""Data sets: from a name or a path to tensors with a train and a test split.

Start at `datasets.load_dataset`, which picks the reader:

- `catalog`: the known sets; `catalog_files` and `download` fetch them, `catalog_readers` and
  `embedded` read them.
- `arrays` (.npz; `array_names`, `array_labels`, `array_layouts` and `array_values` tell what each
  array is), `on_disk` (.npy), `tables` and `table_columns`, `images` (a folder, .zip or .parquet).
  The steps of images are `image_sources` and `image_parquet` (names and bytes), `image_folders`,
  `image_splits` and `image_labels` (classes and splits), `image_formats`, `image_files` and
  `image_bands` (one picture), `image_decoding`, `image_colours` and `grey_range` (its pixels).
- `table_files` makes raw cells of any file that holds a table: `table_contents` finds it by its
  first bytes, unpacked; `table_text` reads text (`table_encodings`, `table_separators`,
  `table_headers`, `ragged_rows` and `decimal_marks` decide how), `workbooks` .xlsx (measured by
  `workbook_bounds`), `parquet_tables` Parquet.
- `describe` tells what a file holds and `written_files` writes it again; `batches` and
  `table_batches` read files of any length for a trained model, `batch_writers` write what it says.

Every reader returns a `raw.RawData`; `splits` makes a `Dataset` of it (`groups` keep together what
belongs together, `division` counts copies). Sets larger than memory (the limit is in `memory`) stay
on the disk as a `stored.StoredArray`; `disk_cache` holds decoded images.
"""
