"""What every variant's defaults make of many kinds of data: `python -m bench.defaults`."""
