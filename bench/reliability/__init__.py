"""What strangers and accidents do to the lab, tried by the hundred: `python -m bench.reliability`.

Each part is a module with a `PART`; the table of them is in `__main__`. All draws come from the
seed, so that a case that broke can be tried again.
"""
