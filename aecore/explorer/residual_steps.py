"""Steps of residual networks: levels of blocks on a grid, beside a linear path."""

from __future__ import annotations

from torch import Tensor, nn

from aecore.explorer.dense_steps import write_path_step
from aecore.explorer.grid_steps import write_convolution, write_grid_step
from aecore.explorer.step_writer import (
    Step,
    StepWriter,
    get_weight_and_bias,
    write_activation_step,
)
from aecore.model.parts.networks.residual_blocks import (
    BlockAnalysis,
    BlockSynthesis,
    Doubling,
    Halving,
    ResidualBlock,
    SpatialAttention,
)
from aecore.model.parts.networks.residual_pyramid import Pyramid, ResidualDecoder, ResidualEncoder


def write_residual_encoder_steps(writer: StepWriter, encoder: ResidualEncoder) -> list[Step]:
    """Return the steps from a picture to the code parameters, of all places or of one vector."""
    pyramid = encoder.pyramid
    steps = write_descent(writer, encoder)
    padding = write_window(pyramid.picture[1:], find_padded_size(pyramid))
    if pyramid.is_dense:
        assert not isinstance(encoder.path, BlockAnalysis)
        grid = write_grid_step(pyramid.picture, [*padding, *steps])
        linear = writer.write_linear("encoder.code", *get_weight_and_bias(encoder.to_code))
        return write_path_step(writer, "encoder", encoder.path, [grid, *linear])
    assert isinstance(encoder.to_code, nn.Conv2d)
    steps = [*steps, write_convolution(writer, "encoder.code", encoder.to_code)]
    if isinstance(encoder.path, BlockAnalysis):
        steps = [write_sum(write_analysis_steps(writer, encoder.path), steps)]
    order = {"to": "places", "parts": encoder.values_per_unit}
    return [write_grid_step(pyramid.picture, [*padding, *steps], **order)]


def write_residual_decoder_steps(writer: StepWriter, decoder: ResidualDecoder) -> list[Step]:
    """Return the steps from the code, on all places or one vector, to logits."""
    pyramid = decoder.pyramid
    crop = write_window(find_padded_size(pyramid), pyramid.picture[1:])
    if pyramid.is_dense:
        assert not isinstance(decoder.path, BlockSynthesis)
        linear = writer.write_linear("decoder.code", *get_weight_and_bias(decoder.from_code))
        shape = (pyramid.widths[-1], *pyramid.places)
        climb = write_climb(writer, decoder, None)
        shift: Step = {"op": "add", "bias": writer.add_tensor("decoder.bias", decoder.bias)}
        steps = [*linear, write_grid_step(shape, [*climb, *crop]), shift]
        return write_path_step(writer, "decoder", decoder.path, steps)
    assert isinstance(decoder.from_code, nn.Conv2d)
    first = write_convolution(writer, "decoder.code", decoder.from_code)
    steps = [first, *write_climb(writer, decoder, decoder.bias)]
    if isinstance(decoder.path, BlockSynthesis):
        steps = [write_sum(write_synthesis_steps(writer, decoder.path), steps)]
    shape = (pyramid.units_of_place, *pyramid.places)
    return [write_grid_step(shape, [*steps, *crop], **{"from": "places"})]


# -- levels


def write_descent(writer: StepWriter, encoder: ResidualEncoder) -> list[Step]:
    """Return the steps from the padded picture to the coarsest level."""
    steps: list[Step] = []
    for i, (halving, level) in enumerate(zip(encoder.halvings, encoder.layers, strict=True)):
        assert isinstance(halving, Halving)
        steps.append(write_convolution(writer, f"encoder.{i}.half", halving.layer))
        steps += write_level_steps(writer, f"encoder.{i}", level, encoder.activation)
    return [*steps, *write_norm_steps(writer, "encoder", encoder.norm, encoder.activation)]


def write_climb(writer: StepWriter, decoder: ResidualDecoder, bias: Tensor | None) -> list[Step]:
    """Return the steps from the coarsest level to logits, `bias` of their channels added."""
    steps: list[Step] = []
    for i, level in enumerate(decoder.layers):
        if i:
            doubling = decoder.doublings[i - 1]
            assert isinstance(doubling, Doubling)
            steps += write_doubling_steps(writer, f"decoder.{i}", doubling, None)
        steps += write_level_steps(writer, f"decoder.{i}", level, decoder.activation)
    steps += write_norm_steps(writer, "decoder", decoder.norm, decoder.activation)
    return [*steps, *write_doubling_steps(writer, "decoder.pixels", decoder.to_pixels, bias)]


def write_level_steps(
    writer: StepWriter, name: str, level: nn.Module, activation: str
) -> list[Step]:
    """Return the steps of the blocks of a level, each added to what it is given."""
    steps: list[Step] = []
    for i, block in enumerate(level.children()):
        if isinstance(block, ResidualBlock):
            inner = write_block_steps(writer, f"{name}.{i}", block, activation)
        else:
            assert isinstance(block, SpatialAttention)
            inner = write_attention_steps(writer, f"{name}.{i}", block)
        steps.append(write_sum([], inner))
    return steps


def write_block_steps(
    writer: StepWriter, name: str, block: ResidualBlock, activation: str
) -> list[Step]:
    """Return the steps of what a residual block adds."""
    return [
        *write_norm_steps(writer, name, block.norm, activation),
        write_convolution(writer, f"{name}.first", block.first),
        *write_activation_step(activation),
        write_convolution(writer, f"{name}.last", block.last),
    ]


def write_attention_steps(writer: StepWriter, name: str, block: SpatialAttention) -> list[Step]:
    """Return the steps of what attention adds."""
    return [
        *write_norm_steps(writer, name, block.norm, "linear"),
        write_convolution(writer, f"{name}.queries", block.queries),
        {"op": "attention"},
        write_convolution(writer, f"{name}.last", block.last),
    ]


# -- layers


def write_norm_steps(writer: StepWriter, name: str, norm: nn.Module, activation: str) -> list[Step]:
    """Return the steps of a group normalisation, if it is one, and the non-linearity behind it."""
    if not isinstance(norm, nn.GroupNorm):
        return write_activation_step(activation)
    has_silu = activation == "silu"
    options = {"groups": norm.num_groups, "eps": norm.eps, "silu": has_silu}
    step = writer.write_layer("group_norm", f"{name}.norm", norm.weight, norm.bias, **options)
    return [step] if has_silu else [step, *write_activation_step(activation)]


def write_doubling_steps(
    writer: StepWriter, name: str, doubling: Doubling, bias: Tensor | None
) -> list[Step]:
    """Return the steps that double height and width, then add `bias` to the channels."""
    layer_bias, times = doubling.layer.bias, 1 if doubling.way == "nearest" else 4
    assert layer_bias is not None
    if bias is not None:
        layer_bias = layer_bias + bias.repeat_interleave(times)
    if doubling.way == "nearest":
        return [writer.write_layer("upsampled_conv", name, doubling.layer.weight, layer_bias)]
    step = write_convolution(writer, name, doubling.layer, layer_bias)
    return [step, *write_shuffle("shuffle", 2)]


def write_analysis_steps(writer: StepWriter, path: BlockAnalysis) -> list[Step]:
    """Return the steps of the linear path of pictures to codes."""
    options = {"stride": 2, "padding": 1}
    conv = writer.write_layer("conv", "encoder.path", path.fold_kernel(), None, **options)
    return [*write_shuffle("unshuffle", path.stride // 2), conv]


def write_synthesis_steps(writer: StepWriter, path: BlockSynthesis) -> list[Step]:
    """Return the steps of the linear path of codes to pictures."""
    options = {"stride": 2, "padding": 1}
    conv = writer.write_layer("conv_transpose", "decoder.path", path.fold_kernel(), None, **options)
    return [conv, *write_shuffle("shuffle", path.stride // 2)]


def write_shuffle(op: str, factor: int) -> list[Step]:
    """Return the step that makes channels places, or back; none for a factor of 1."""
    return [{"op": op, "factor": factor}] if factor > 1 else []


def write_window(size: tuple[int, ...], other: tuple[int, ...]) -> list[Step]:
    """Return the step that continues or cuts a grid of `size` to the `other` one, if any."""
    return [] if size == other else [{"op": "window", "start": [0, 0], "size": list(other)}]


def write_sum(*branches: list[Step]) -> Step:
    """Return the step that adds what several lists of steps make of the same grid."""
    return {"op": "sum", "branches": list(branches)}


def find_padded_size(pyramid: Pyramid) -> tuple[int, ...]:
    """Return height and width of the pictures that the levels get."""
    return tuple(count * pyramid.stride for count in pyramid.places)
