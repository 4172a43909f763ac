"""Features: codes as a table, what they are worth, and how honest a map of them is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from aecore.analysis.chunks import encode_in_chunks
from aecore.data.datasets import load_dataset
from aecore.data.splits import Split
from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.tasks.features import (
    compare_features,
    compute_pca_errors,
    make_code_table,
    measure_map_trust,
)
from tests.helpers import model


@pytest.fixture(scope="module")
def sets():
    return load_dataset(DataConfig(name="digits"))


@pytest.fixture
def net():
    return model(input_shape=(1, 8, 8), latent_dim=5).eval()


def test_codes_become_a_table_with_their_classes(net, sets):
    frame = make_code_table(net, sets.test, sets.classes)
    assert list(frame.columns) == ["z0", "z1", "z2", "z3", "z4", "class"] and len(frame) == len(
        sets.test.x
    )
    assert np.allclose(
        frame[["z0", "z4"]].to_numpy(), encode_in_chunks(net, sets.test.x)[:, [0, 4]].numpy()
    )
    assert frame["class"].tolist() == [sets.classes[i] for i in sets.test.y]
    assert "class" not in make_code_table(net, Split(sets.test.x, None))


def test_codes_are_judged_beside_raw_values_and_as_many_components(net, sets):
    found = {w.name: w for w in compare_features({"mine": net}, sets.train, sets.test, limit=600)}
    assert (
        list(found) == ["raw values", "PCA, 5", "mine"]
        and found["PCA, 5"].size == found["mine"].size == 5
    )
    assert found["raw values"].linear < 0.1 and found["raw values"].nearest < 0.1
    assert found["PCA, 5"].linear > found["raw values"].linear
    with pytest.raises(DataError, match="these data have none"):
        compare_features({"mine": net}, Split(sets.train.x, None), sets.test)


def test_a_true_map_is_trusted_and_a_random_one_is_not():
    torch.manual_seed(0)
    place = torch.rand(300, 2)
    x = place @ torch.randn(2, 10)
    y = (place[:, 0] > 0.5).long()
    true, random = measure_map_trust(x, place, y), measure_map_trust(x, torch.rand(300, 2), y)
    assert true.trustworthiness > 0.95 and true.accuracy > 0.9 and true.points == 300
    assert random.trustworthiness < 0.6 and random.accuracy < 0.65
    assert measure_map_trust(x, place).accuracy is None
    with pytest.raises(DataError, match="more than 20 points"):
        measure_map_trust(x[:20], place[:20])


@pytest.mark.parametrize("count", [30, 800])
def test_the_errors_of_principal_components_are_those_of_scikit_learn(sets, count):
    train, test = (s.x.float().flatten(1) / 255 for s in (sets.train, sets.test))
    errors = compute_pca_errors(train[:count], test)
    assert len(errors) == min(count, 64) + 1
    for k in (1, 7, 20):
        pca = PCA(k).fit(train[:count].double().numpy())
        back = torch.from_numpy(pca.inverse_transform(pca.transform(test.double().numpy())))
        assert errors[k].item() == pytest.approx(
            (test - back).square().sum(1).mean().item(), rel=1e-6
        )
