"""The metrics of samples: entries of the table METRICS for models of pictures."""

from __future__ import annotations

from functools import partial

from aecore.analysis.metric_types import Measurement, Metric
from aecore.analysis.sample_quality import SampleQuality, has_picture_features
from aecore.model.autoencoder import Autoencoder

FRECHET_METRIC, PRECISION_METRIC, RECALL_METRIC = (
    "classifier_frechet",
    "classifier_precision",
    "classifier_recall",
)
SAMPLES_MEASURED = (
    "Samples from the prior, or from a Gaussian mixture of the training codes where the model has "
    "none, beside as many test pictures, up to 2,000, on features of a small classifier"
)


def name_quality(quality: SampleQuality) -> dict[str, float]:
    """Returns the metrics {name: value} of the quality of samples."""
    return {
        FRECHET_METRIC: quality.frechet,
        PRECISION_METRIC: quality.precision,
        RECALL_METRIC: quality.recall,
    }


def decodes_pictures(model: Autoencoder) -> bool:
    """Returns whether samples of a model can be compared with pictures."""
    return has_picture_features(model.config)


def read_quality(measurement: Measurement, name: str) -> float | None:
    """Returns one metric of samples; None where they are not measured."""
    quality = measurement.sample_quality
    return name_quality(quality)[name] if quality else None


SAMPLE_METRICS = (
    Metric(
        name=FRECHET_METRIC,
        label="classifier Fréchet distance",
        unit="squared units of the features",
        direction=-1,
        explanation=f"{SAMPLES_MEASURED}: Fréchet distance (Heusel et al., 2017). It is no FID, "
        "which is measured on Inception-v3.",
        total=partial(read_quality, name=FRECHET_METRIC),
        applies=decodes_pictures,
        is_random=True,
    ),
    Metric(
        name=PRECISION_METRIC,
        label="classifier precision",
        unit="share of samples",
        direction=1,
        explanation=f"{SAMPLES_MEASURED}: share of samples among the pictures (Kynkäänniemi et "
        "al., 2019, k = 3).",
        total=partial(read_quality, name=PRECISION_METRIC),
        applies=decodes_pictures,
        is_random=True,
    ),
    Metric(
        name=RECALL_METRIC,
        label="classifier recall",
        unit="share of pictures",
        direction=1,
        explanation=f"{SAMPLES_MEASURED}: share of pictures among the samples (Kynkäänniemi et "
        "al., 2019, k = 3).",
        total=partial(read_quality, name=RECALL_METRIC),
        applies=decodes_pictures,
        is_random=True,
    ),
)
