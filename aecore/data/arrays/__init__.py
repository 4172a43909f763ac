"""Arrays: .npz archives, and the header of a .npy. Nothing is ever unpickled.

Start at `reading.read_npz`. `names` tells which array of an archive is what, `labels` which holds
the classes, `layouts` which axis is which, `values` what range of values pictures are in;
`column_notes` describes columns that need care. `aecore.data.on_disk` reads the values of a .npy.
"""
