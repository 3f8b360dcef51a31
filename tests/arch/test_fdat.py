"""Our FDAT against spandrel's: the same parameters, the same picture, the same gradients."""

from dataclasses import replace

import pytest
import torch
from spandrel.architectures.FDAT.__arch.fdat import UniUpsampleV3 as SpandrelUpsampler
from torch import nn

from tests.fast_loop import parametrize
from tests.oracle import relative_error, run_oracle, share_random_weights, twins
from vsfdat import arch
from vsfdat.arch import FDAT, PRESETS, FDATConfig, fdat_tiny
from vsfdat.arch.config import UPSAMPLER_SCALES
from vsfdat.arch.upsampler import UniUpsampleV3

SIZES = ((1, 1), (5, 7), (37, 51))
OURS_ALONE = ("lhan_pixelshuffle", "lhan_nearest", "lhan_transpose")  # heads that spandrel does not have
SPANDRELS = {head: scales for head, scales in UPSAMPLER_SCALES.items() if head not in OURS_ALONE}
HEADS = [(head, scale) for head, scales in SPANDRELS.items() for scale in scales]
# Unshuffling is for scales 1 and 2, and asks the head to upsample by 4.
HEADS_AND_UNSHUFFLE = [(head, scale, False) for head, scale in HEADS] + [
    (head, scale, True) for head, scales in SPANDRELS.items() for scale in (1, 2) if 4 in scales
]
TOLERANCE = 1e-5


def _reflects(config: FDATConfig, size: tuple[int, int]) -> bool:
    """Whether spandrel can pad this size: reflection needs more pixels than it adds."""
    return all(-side % config.unshuffle < side for side in size)


def _body(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    shallow = network.conv_first(x)
    return network.conv_after(network.groups(shallow)) + shallow


@pytest.mark.slow
@parametrize("preset", PRESETS, quick=["fdat_tiny"])
def test_presets_equal_spandrels(preset: str) -> None:
    ours, truth = twins(replace(PRESETS[preset], scale=2))
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in truth.state_dict().items()}
    for size in SIZES:
        x = torch.rand(1, 3, *size)
        with torch.no_grad():
            assert relative_error(ours(x), run_oracle(truth, x)) <= TOLERANCE


@pytest.mark.slow
@parametrize(
    ("head", "scale", "unshuffle_mod"),
    HEADS_AND_UNSHUFFLE,
    quick=[case for case in HEADS_AND_UNSHUFFLE if not case[2] and case[1] == min(2, max(SPANDRELS[case[0]]))],
)
def test_heads_equal_spandrels(head: str, scale: int, unshuffle_mod: bool) -> None:
    """Hold every head and scale against spandrel's, on one picture at a time: its LDA refuses batches on a CPU.

    Its DySample pins memory, which needs a GPU: `run_oracle` takes the pinning out.
    """
    base = FDATConfig(embed_dim=32, num_groups=1, depth_per_group=1, num_heads=2)
    config = replace(base, upsampler_type=head, scale=scale, unshuffle_mod=unshuffle_mod)
    ours, truth = twins(config)
    assert torch.equal(ours.upsampler.MetaUpsample, truth.upsampler.MetaUpsample)
    for size in filter(lambda size: _reflects(config, size), SIZES):
        x = torch.rand(1, 3, *size)
        with torch.no_grad():
            assert relative_error(ours(x), run_oracle(truth, x)) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_with_every_head(preset: str) -> None:
    """The body does not know the head, so each preset's features go through all of them."""
    config = PRESETS[preset]
    ours, truth = twins(config)
    heads = []
    for head, scale in HEADS:
        arguments = (head, scale, config.embed_dim, config.num_out_ch, config.mid_dim)
        pair = UniUpsampleV3(*arguments), SpandrelUpsampler(*arguments)
        share_random_weights(*pair)
        heads.append(pair)
    # fdat_xl's heads are fdat_large's, which sees all sizes.
    for size in SIZES[:2] if preset == "fdat_xl" else SIZES:
        x = torch.rand(1, 3, *size)
        with torch.no_grad():
            features, true_features = _body(ours, x), _body(truth, x)
            for (our_head, true_head), which in zip(heads, HEADS, strict=True):
                picture = our_head(features.contiguous())
                assert relative_error(picture, run_oracle(true_head, true_features)) <= TOLERANCE, (which, size)


@pytest.mark.parametrize("pattern", [["spatial"], ["channel"], ["channel", "spatial", "spatial"]])
def test_any_pattern(pattern: list[str]) -> None:
    config = FDATConfig(embed_dim=16, num_groups=2, depth_per_group=2, num_heads=2, group_block_pattern=pattern)
    ours, truth = twins(config)
    x = torch.rand(1, 3, 11, 9)
    assert relative_error(ours(x).detach(), run_oracle(truth, x)) <= TOLERANCE


@pytest.mark.parametrize(
    "overrides",
    [
        {"num_in_ch": 1, "num_out_ch": 1},
        {"window_size": 4},
        {"ffn_expansion_ratio": 1.3, "aim_reduction_ratio": 3},
        {"num_in_ch": 1, "num_out_ch": 1, "unshuffle_mod": True, "scale": 1},
    ],
)
def test_custom_configurations(overrides: dict) -> None:
    config = replace(FDATConfig(embed_dim=24, num_groups=1, depth_per_group=1, num_heads=3, scale=2), **overrides)
    ours, truth = twins(config)
    x = torch.rand(1, config.num_in_ch, 9, 13)
    assert relative_error(ours(x).detach(), run_oracle(truth, x)) <= TOLERANCE


def test_gradients_equal_spandrels() -> None:
    ours, truth = twins(replace(PRESETS["fdat_tiny"], scale=2))
    x = torch.rand(1, 3, 13, 10)
    for network in (ours, truth):
        network(x).square().mean().backward()
    true_gradients = dict(truth.named_parameters())
    for name, parameter in ours.named_parameters():
        expected = true_gradients[name].grad
        if expected is None:  # the gate that this kind of block does not use
            assert parameter.grad is None, name
        else:
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_stochastic_depth_and_dropout_only_in_training() -> None:
    network = fdat_tiny(scale=2, drop_path_rate=0.5, drop_rate=0.2)
    x = torch.rand(1, 3, 8, 8)
    assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))


def test_pictures_too_small_to_reflect() -> None:
    network = FDAT(scale=1, unshuffle_mod=True, embed_dim=16, num_groups=1, depth_per_group=1).eval()
    assert network(torch.rand(1, 3, 1, 1)).shape == (1, 3, 1, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_take_overrides(preset: str) -> None:
    network = getattr(arch, preset)(scale=3, num_groups=1, depth_per_group=1)
    assert network(torch.randn(1, 3, 6, 5)).shape == (1, 3, 18, 15)
    assert network.config.embed_dim == PRESETS[preset].embed_dim


def test_the_public_names_are_the_class_and_a_function_for_each_preset() -> None:
    """By these the published usage example builds its networks."""
    published = ["fdat_tiny", "fdat_light", "fdat_medium", "fdat_medium_aligned", "fdat_large", "fdat_xl"]
    assert list(PRESETS) == published
    assert set(arch.__all__) == {"FDAT", "FDATConfig", "TFDAT", "TFDATConfig", "build_network", "PRESETS", *published}


@pytest.mark.slow
def test_the_documented_example() -> None:
    assert fdat_tiny(scale=4)(torch.randn(1, 3, 64, 64)).shape == (1, 3, 256, 256)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"scale": 0}, "scale must be at least 1, passed 0"),
        ({"embed_dim": 256}, "embed_dim must be at most 255, passed 256"),
        ({"num_heads": 7}, "embed_dim must be a multiple of num_heads, passed 120 and 7"),
        ({"aim_reduction_ratio": 121}, "aim_reduction_ratio must be at most embed_dim, passed 121 and 120"),
        ({"ffn_expansion_ratio": 0.001}, "ffn_expansion_ratio is too small, passed 0.001"),
        (
            {"group_block_pattern": ["spacial"]},
            "group_block_pattern must list 'spatial' and 'channel' blocks, passed ['spacial']",
        ),
        ({"group_block_pattern": []}, "group_block_pattern must list 'spatial' and 'channel' blocks, passed []"),
        (
            {"upsampler_type": "bilinear"},
            "upsampler_type must be one of conv, pixelshuffledirect, pixelshuffle, nearest+conv, dysample, "
            "transpose+conv, lda, pa_up, lhan_pixelshuffle, lhan_nearest, lhan_transpose, passed 'bilinear'",
        ),
        ({"scale": 8}, "upsampler_type 'transpose+conv' allows the scales 1, 2, 3, 4, passed 8"),
    ],
)
def test_wrong_hyper_parameters(overrides: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        FDAT(**overrides)
    assert str(caught.value) == message
