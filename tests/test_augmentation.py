"""Pictures changed at random in training: what changes, what does not, and by which seed."""

from __future__ import annotations

import pytest
import torch
from helpers import digits, tiny, trained, weights_of

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig, TrainConfig, parse_options
from aecore.runs.listing import create_run
from aecore.training.augmentation import build_augmentation
from aecore.training.trainer import Trainer

KINDS = ("flip", "shift", "rotation", "crop", "colour")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_pictures_and_keeps_their_shape_and_range(kind, channels):
    x = torch.rand(40, channels, 12, 9)
    changed = build_augmentation([kind], (channels, 12, 9))(x.clone())
    assert changed.shape == x.shape and changed.min() >= 0 and changed.max() <= 1
    is_changed = (changed != x).flatten(1).any(1)
    assert is_changed.sum() > 5, "of 40 pictures, in five draws"


def test_a_shifted_picture_has_the_same_pixels_at_other_places():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 10, 20).expand(64, -1, -1, -1).contiguous()
    shifted = build_augmentation(["shift"], (3, 10, 20))(x)
    framed = torch.nn.functional.pad(x[:1], (2, 2, 1, 1), "replicate")[0]
    places = framed.unfold(1, 10, 1).unfold(2, 20, 1)  # (3, 3, 5, 10, 20): every crop of it
    crops = places.permute(1, 2, 0, 3, 4).flatten(0, 1)
    places_seen = {
        [torch.equal(crop, picture) for crop in crops].index(True) for picture in shifted
    }
    assert len(places_seen) > 3, "in eight draws"


def test_many_channels_are_turned_together_but_have_no_colour():
    x = torch.rand(1, 1, 12, 12).expand(16, 5, -1, -1).contiguous()
    changed = build_augmentation(["rotation", "crop", "flip", "shift"], (5, 12, 12))(x)
    assert torch.allclose(changed, changed[:, :1].expand_as(changed)) and (changed != x).any()
    with pytest.raises(ConfigError, match="5 channels: leave it out"):
        parse_options(RunConfig, make_values((5, 8, 8), ["colour"]))


def make_values(shape, augment):
    return {"model": {"input_shape": shape}, "data": {}, "training": {"augment": augment}}


def test_a_flip_is_left_and_right_for_about_half_of_the_pictures():
    x = torch.arange(9.0).view(1, 1, 3, 3).div(8).repeat(800, 1, 1, 1)
    changed = build_augmentation(["flip"], (1, 3, 3))(x.clone())
    is_flipped = (changed == x.flip(3)).flatten(1).all(1)
    assert ((changed == x).flatten(1).all(1) | is_flipped).all()
    assert 200 < is_flipped.sum() < 600


def test_what_comes_into_a_moved_picture_is_its_border_and_not_black():
    x = torch.ones(64, 1, 16, 16) * 0.75
    changed = build_augmentation(["shift", "rotation"], (1, 16, 16))(x)
    assert torch.allclose(changed, x, atol=1e-5)


def test_a_shift_is_of_at_most_a_tenth_of_a_side():
    x = torch.zeros(400, 1, 20, 20)
    x[:, :, 10, 10] = 1
    changed = build_augmentation(["shift"], (1, 20, 20))(x)
    rows, columns = (changed > 0.1).nonzero().T[2:]
    assert rows.min() == columns.min() == 8 and rows.max() == columns.max() == 12


def test_the_changes_follow_from_the_seed_alone():
    augment = build_augmentation(KINDS, (1, 8, 8))
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(augment(digits(50)))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_the_changed_picture_is_both_input_and_target(monkeypatch):
    trainer = Trainer(create_run(tiny(training={"augment": ["flip"]})), lambda: False, None)
    fed, loss = [], Autoencoder.loss
    monkeypatch.setattr(Autoencoder, "loss", lambda net, x, kl: fed.append(x) or loss(net, x, kl))
    for step in trainer.iterate_steps():
        trainer.update(*step)
    clean = {tuple(x.flatten().tolist()) for x in trainer.batches.x}
    fed = torch.cat(fed)
    kept, flipped = ([tuple(x.flatten().tolist()) in clean for x in y] for y in (fed, fed.flip(3)))
    assert len(fed) == len(trainer.batches.x) and 0 < sum(kept) < len(fed)
    assert all(map(max, zip(kept, flipped, strict=True)))


def test_without_kinds_a_run_is_what_it_was_and_rows_are_refused():
    assert weights_of(trained(tiny(training={"augment": []}))) == weights_of(trained())
    assert weights_of(trained(tiny(training={"augment": "flip"}))) != weights_of(trained())
    with pytest.raises(ConfigError, match=r"is for pictures.* set training.augment to \[\]"):
        parse_options(RunConfig, make_values((6,), ["flip"]))


def test_kinds_are_read_from_names_between_commas():
    assert parse_options(TrainConfig, {"augment": "shift, crop"}).augment == ("shift", "crop")
    with pytest.raises(ConfigError, match="augment"):
        parse_options(TrainConfig, {"augment": "spin"})
