"""The likelihood of mixed tables: every column by the formula of its kind."""

from __future__ import annotations

import pytest
import torch
from torch import distributions as exact

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, parse_options
from aecore.model.parts.column_heads import Head
from aecore.model.parts.distributions import make_cuts
from aecore.model.parts.likelihoods.mixed import Mixed

HEADS = (
    Head(kind="category", features=3),
    Head(kind="number"),
    Head(kind="boolean"),
    Head(kind="ordered", ranks=4),
    Head(kind="count"),
    Head(kind="category", features=2),
    Head(kind="number", features=2),
)
FEATURES = sum(head.features for head in HEADS)
WORDS = (slice(0, 3), slice(7, 9))


def build(**options):
    torch.manual_seed(0)
    likelihood = Mixed(heads=HEADS, **options).build(FEATURES).double()
    shift, scale = torch.zeros(FEATURES), torch.ones(FEATURES)
    shift[4], shift[5], shift[6], scale[4], scale[5], scale[6] = 0.7, 1.5, 3.0, 0.5, 1.2, 2.0
    likelihood.fit_units(shift, scale)
    return likelihood


def draw_rows(likelihood, count=40):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, FEATURES, generator=generator, dtype=torch.float64)
    for part in WORDS:
        size = part.stop - part.start
        word = torch.randint(size, (count,), generator=generator)
        x[:, part] = torch.nn.functional.one_hot(word, size).double()
    flag = torch.randint(2, (count,), generator=generator)
    x[:, 4] = (flag - likelihood.shift[4]) / likelihood.scale[4]
    rank = torch.randint(4, (count,), generator=generator)
    x[:, 5] = (rank - likelihood.shift[5]) / likelihood.scale[5]
    visits = torch.randint(9, (count,), generator=generator)
    x[:, 6] = (visits - likelihood.shift[6]) / likelihood.scale[6]
    logits = torch.randn(count, likelihood.options.count_logits(FEATURES), generator=generator)
    return x, logits.double(), rank, visits


def test_each_column_costs_the_nats_of_its_distribution():
    likelihood = build(variance=0.3)
    x, logits, rank, visits = draw_rows(likelihood)
    nats = likelihood.column_losses(logits, x)
    number = exact.Normal(logits[:, 3], 0.3**0.5)
    pair = exact.Normal(logits[:, 9:11], 0.3**0.5)
    chance = (logits[:, 5, None] - make_cuts(likelihood.steps[0])).sigmoid()
    above = torch.cat([torch.ones_like(chance[:, :1]), chance, 0 * chance[:, :1]], 1)
    chances = -above.diff(dim=1)
    expected = [
        -exact.Categorical(logits=logits[:, 0:3]).log_prob(x[:, 0:3].argmax(1)),
        -number.log_prob(x[:, 3]),
        -exact.Bernoulli(logits=logits[:, 4]).log_prob(likelihood.to_data(x, 4)),
        -chances.gather(1, rank[:, None])[:, 0].log(),
        -exact.Poisson(logits[:, 6].exp()).log_prob(visits),
        -exact.Categorical(logits=logits[:, 7:9]).log_prob(x[:, 7:9].argmax(1)),
        -pair.log_prob(x[:, 9:11]).sum(1),
    ]
    torch.testing.assert_close(nats, torch.stack(expected, 1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(likelihood.loss(logits, x), nats.sum(1))


def test_students_t_and_negative_binomial_are_those_of_the_library():
    likelihood = build(numbers="student_t", counts="negative_binomial")
    x, logits, _, visits = draw_rows(likelihood)
    assert logits.shape[1] == FEATURES + 3
    nats = likelihood.column_losses(logits, x)
    spread = torch.nn.functional.softplus(logits[:, FEATURES:]) + 1e-3
    freedom = 3 + torch.nn.functional.softplus(likelihood.freedom)
    heavy = exact.StudentT(freedom[0], logits[:, 3], spread[:, 0])
    torch.testing.assert_close(nats[:, 1], -heavy.log_prob(x[:, 3]))
    size = likelihood.log_dispersion.exp()
    counts = exact.NegativeBinomial(size, logits=logits[:, 6] - likelihood.log_dispersion)
    torch.testing.assert_close(nats[:, 4], -counts.log_prob(visits))


def test_missing_cells_cost_nothing_and_several_samples_are_taken_at_once():
    likelihood = build()
    x, logits, *_ = draw_rows(likelihood)
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[:5, 0:3] = observed[3:9, 3] = False
    whole, part = likelihood.column_losses(logits, x), likelihood.column_losses(logits, x, observed)
    assert (part[:5, 0] == 0).all() and (part[3:9, 1] == 0).all()
    assert (part[9:] == whole[9:]).all() and (part[:3, 2:] == whole[:3, 2:]).all()
    torch.testing.assert_close(likelihood.loss(torch.stack([logits, logits]), x)[1], whole.sum(1))


def test_means_are_probabilities_and_logits_lead_back_to_them():
    likelihood = build()
    x, logits, *_ = draw_rows(likelihood)
    mean = likelihood.mean(logits)
    for part in WORDS:
        torch.testing.assert_close(mean[:, part].sum(1), torch.ones(len(x)).double())
    again = likelihood.mean(likelihood.logits(mean))
    same = [i for i in range(FEATURES) if i != 5]
    torch.testing.assert_close(again[:, same], mean[:, same], rtol=2e-2, atol=2e-2)
    ranks = likelihood.to_data(mean, 5)
    assert ((ranks > 0) & (ranks < 3)).all()


@pytest.mark.parametrize("counts", ["poisson", "negative_binomial"])
def test_samples_have_the_mean_of_their_distribution(counts):
    likelihood = build(counts=counts, numbers="student_t")
    _, logits, *_ = draw_rows(likelihood, 3)
    draws = likelihood.sample(logits.expand(40_000, 3, -1))
    torch.testing.assert_close(draws.mean(0), likelihood.mean(logits), rtol=0, atol=0.06)
    for part in WORDS:
        assert (draws[..., part].sum(-1) == 1).all()
    ranks = likelihood.to_data(draws, 5)
    torch.testing.assert_close(ranks, ranks.round())


def test_only_words_are_left_unscaled_and_columns_keep_their_features():
    config = ModelConfig(
        input_shape=(FEATURES,), scaling="standard", missing=True, likelihood=Mixed(heads=HEADS)
    )
    model = Autoencoder(config)
    x = torch.randn(50, FEATURES) * 3 + 5
    model.fit_scaling(x)
    unscaled = [0, 1, 2, 7, 8]
    assert (model.scale[unscaled] == 1).all() and (model.shift[unscaled] == 0).all()
    scaled = [3, 4, 5, 6, 9, 10]
    assert (model.scale[scaled] > 2).all() and (model.likelihood.scale == model.scale).all()
    assert [x[0, part].numel() for part in config.column_slices] == [h.features for h in HEADS]


def test_heads_must_cover_the_features_of_a_table():
    values = {"input_shape": (4,), "likelihood": {"kind": "mixed", "heads": [{"kind": "number"}]}}
    with pytest.raises(ConfigError, match="must cover 4 features"):
        parse_options(ModelConfig, values)
    with pytest.raises(ConfigError, match="mixed likelihood is for tables"):
        parse_options(ModelConfig, {"input_shape": (1, 8, 8), "likelihood": {"kind": "mixed"}})


def test_a_saved_model_comes_back_with_its_columns(tmp_path):
    config = ModelConfig(input_shape=(FEATURES,), scaling="standard", likelihood=Mixed(heads=HEADS))
    model, x = Autoencoder(config).eval(), torch.randn(5, FEATURES)
    model.save(tmp_path)
    again = Autoencoder.load(tmp_path)
    torch.testing.assert_close(again.reconstruct(x), model.reconstruct(x))
