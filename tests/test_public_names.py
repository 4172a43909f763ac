"""The public names of the package: all there, and loaded on first use."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import aecore


@pytest.mark.parametrize("name", aecore.__all__)
def test_every_public_name_is_there(name):
    assert getattr(aecore, name) is not None
    assert name in dir(aecore)


def test_the_estimators_are_public():
    from aecore import AutoencoderDetector, AutoencoderImputer, AutoencoderTransformer

    estimator = importlib.import_module("aecore.estimator")
    assert AutoencoderDetector is estimator.AutoencoderDetector
    assert AutoencoderImputer is estimator.AutoencoderImputer
    assert AutoencoderTransformer is estimator.AutoencoderTransformer


def test_a_name_that_is_not_public_is_refused():
    with pytest.raises(AttributeError, match="module 'aecore' has no attribute 'nonsense'"):
        _ = aecore.nonsense


def test_importing_the_package_imports_no_library():
    heavy = "{'torch', 'numpy', 'sklearn', 'pydantic'}"
    code = f"import sys, aecore; dir(aecore); print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr
