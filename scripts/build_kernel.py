"""Compile the explorer's inner loops, aecore/explorer/web/kernel.c, into kernel_code.js beside it.

    pip install ziglang && python scripts/build_kernel.py

Zig brings Clang with it. There are two modules: with fused multiply-add, which newer browsers
have, and without. Each has no data and no stack, and is below 4 kB: a browser compiles it at once.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

WEB_FOLDER = Path(__file__).resolve().parents[1] / "aecore" / "explorer" / "web"
SOURCE = WEB_FOLDER / "kernel.c"
KERNEL_MODULE = WEB_FOLDER / "kernel_code.js"
COMPILE = (
    *(sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding"),
    *("-O3", "-msimd128", "-nostdlib", "-z", "stack-size=1024"),
    *("-Wl,--no-entry", "-Wl,--import-memory", "-Wl,--strip-all"),
)
FUSED = "-mrelaxed-simd"  # fused multiply-add
MAX_BYTES = 4096  # what a browser compiles without waiting


def main() -> None:
    """Write the modules, and the digest of the source that they were made of."""
    codes = [compile_kernel(FUSED), compile_kernel()]
    KERNEL_MODULE.write_text(format_module(codes), encoding="utf-8")
    sizes = " and ".join(f"{len(code):,}" for code in codes)
    sys.stdout.write(f"{KERNEL_MODULE.name}: {sizes} bytes\n")


def compile_kernel(*options: str) -> bytes:
    """Return the module that the compiler makes with these options."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernel.wasm"
        subprocess.run([*COMPILE, *options, "-o", str(out), str(SOURCE)], check=True)
        code = out.read_bytes()
    if len(code) > MAX_BYTES:
        raise SystemExit(f"The kernel has {len(code):,} bytes; a browser takes {MAX_BYTES:,}.")
    return code


def format_module(codes: Sequence[bytes]) -> str:
    """Return the JavaScript that holds compiled modules, that which needs more first."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    texts = "".join(f'  "{base64.b64encode(code).decode()}",\n' for code in codes)
    return (
        f"// Compiled by scripts/build_kernel.py from kernel.c, sha256 {digest}.\n"
        f"export const KERNEL_CODES = [\n{texts}];\n"
    )


if __name__ == "__main__":
    main()
