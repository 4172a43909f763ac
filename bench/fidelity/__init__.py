"""The fidelity suite: each variant compared with its paper.

`python -m bench.fidelity E3`, --all or --quick.
"""

from __future__ import annotations
