"""Tables: from a file of any kind to columns that are understood, and to features and classes.

Start at `reading`: `read_columns` returns the columns as they are understood, `read_table` the
features and classes for a model.

- A file becomes raw cells in `files.open_table`: `contents` finds the table by its first bytes,
  unpacked; `text` reads text (`encoding`, `separators`, `headers`, `ragged_rows` and
  `decimal_marks` decide how), `workbooks` reads .xlsx (`workbook_columns`, measured before by
  `workbook_bounds`), `parquet` Parquet. `bounds` says how much one may hold.
- Raw cells become columns: `column_kinds` infers what a column is (`column_keys` knows keys and
  times), `column_reading` reads it as that (`column_numbers`, `column_dates`, `column_categories`;
  `column_words` counts its words, `column_values` is the result). `number_cells`, `date_cells` and
  `typed_cells` know single cells. `earlier_kinds` reads as before kinds were kept.
- `targets` and `labels` find the classes, `columns` makes features of the columns, `pixel_columns`
  pictures. `filling` writes a model's values into missing cells; `batches` reads tables of any
  length.
"""
