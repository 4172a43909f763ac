"""Search by example: exactly the nearest, and how often they are of the right class."""

from __future__ import annotations

import pytest
import torch

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.tasks.search import (
    RetrievalScore,
    build_index,
    fit_principal_code,
    make_baseline_vectors,
    match_classes,
    scan_nearest,
    score_retrieval,
)


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_the_nearest_are_those_that_all_distances_say(shift):
    torch.manual_seed(0)
    vectors, queries = torch.randn(700, 5) + shift, torch.randn(600, 5) + shift
    exact = torch.cdist(queries.double(), vectors.double()).topk(4, largest=False)
    found = build_index(vectors).find_nearest(queries, 4)
    assert torch.equal(found.rows, exact.indices)
    assert torch.allclose(found.distances.double(), exact.values, atol=2e-3)


def test_an_item_finds_itself_and_a_small_collection_gives_all_it_has():
    vectors = torch.eye(3)
    found = build_index(vectors).find_nearest(vectors, 10)
    assert found.rows.shape == (3, 3) and found.rows[:, 0].tolist() == [0, 1, 2]
    assert found.distances[:, 0].abs().max() < 1e-3


def test_precision_counts_the_class_of_what_is_found():
    vectors, y = torch.tensor([[0.0], [1.0], [10.0], [11.0]]), torch.tensor([0, 0, 1, 0])
    found = score_retrieval(vectors, y, torch.tensor([[0.1], [10.1]]), torch.tensor([0, 1]), k=2)
    assert found == RetrievalScore(1.0, 0.75, 2)


def test_a_scan_of_bytes_finds_what_an_index_of_their_values_does():
    sets = load_dataset(DataConfig(name="digits"))
    x = (sets.train.x * 255).round().byte() if sets.train.x.is_floating_point() else sets.train.x
    exact = build_index(as_float(x).flatten(1)).find_nearest(as_float(x[:1]).flatten(1), 5)
    found = scan_nearest(x, x[:1], 5)
    assert torch.equal(found.rows, exact.rows) and torch.allclose(
        found.distances, exact.distances, atol=1e-3
    )
    assert scan_nearest(x[:3], x[:1], 10).rows.shape == (1, 3)


def test_principal_components_keep_the_distances_of_what_lies_in_them():
    torch.manual_seed(0)
    x = torch.randn(50, 2) @ torch.randn(2, 6) + 3
    pca = fit_principal_code(x, 2)
    assert torch.allclose(torch.cdist(pca.encode(x), pca.encode(x)), torch.cdist(x, x), atol=1e-2)
    assert fit_principal_code(x[:3], 6).basis.shape == (6, 3)


def test_what_is_alike_is_said_of_each_query_and_place():
    vectors, y = torch.tensor([[0.0], [1.0], [10.0]]), torch.tensor([0, 1, 0])
    right = match_classes(vectors, y, torch.tensor([[0.1], [9.0]]), torch.tensor([0, 0]), k=2)
    assert right.tolist() == [[True, False], [True, False]]


def test_digits_are_found_by_raw_pixels_and_by_principal_components():
    sets = load_dataset(DataConfig(name="digits"))
    ways = make_baseline_vectors(sets.train.x, sets.test.x, 16)
    assert list(ways) == ["raw values", "PCA, 16"]
    for train, test in ways.values():
        found = score_retrieval(train, sets.train.y, test, sets.test.y)
        assert found.precision_at_1 > 0.95 and found.precision_at_k > 0.9


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: build_index(torch.zeros(0, 3)), "N of 1 or more"),
        (lambda: build_index(torch.full((2, 3), torch.nan)), "collection holds NaN"),
        (lambda: build_index(torch.eye(3)).find_nearest(torch.zeros(1, 2)), r"shape \(N, 3\)"),
        (
            lambda: build_index(torch.eye(3)).find_nearest(torch.full((1, 3), torch.nan)),
            "query holds NaN",
        ),
    ],
)
def test_what_cannot_be_searched_is_said(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_classes_that_do_not_fit_are_named():
    with pytest.raises(DataError, match="3 have 2, 3 queries 3"):
        score_retrieval(torch.eye(3), torch.tensor([0, 1]), torch.eye(3), torch.tensor([0, 1, 2]))
