"""Autoencoders as scikit-learn estimators: for pipelines, searches and clones.

Rows are those of tables, (N, features) in their own units. Each estimator is trained in a run
folder that is deleted afterwards; `save` writes a folder like any other run's, and pickles nothing.
"""

from aecore.estimator.detector import AutoencoderDetector
from aecore.estimator.imputer import AutoencoderImputer
from aecore.estimator.transformer import AutoencoderTransformer

__all__ = ["AutoencoderDetector", "AutoencoderImputer", "AutoencoderTransformer"]
