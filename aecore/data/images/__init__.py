"""Pictures: from a folder, a .zip or a .parquet to arrays of one size, with classes and splits.

Start at `reading`: `read_images` reads a path, `read_image_files` files that lie anywhere.

- Names and bytes come from `sources` (`parquet`, `zip_names`, `loose_pictures`); `listing` says
  which of them are pictures.
- Classes and splits: `folders`, `splits`, and `labels` for a table beside the pictures.
- One picture: `formats` says what is read, `files` opens it, `bands` reads TIFF of several bands.
- Pixels: `decoding`, `colours`, `grey_range` (more than 8 bits), `sizes` (those of several sizes).
- `notes` counts what was done; `fitting` makes pictures fit a model that was trained on others.
"""
