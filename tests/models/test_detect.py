"""Every hyper-parameter is read off the tensors, with and without `MetaUpsample`."""

import functools
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from spandrel import MAIN_REGISTRY

from tests.fast_loop import parametrize
from vsfdat.arch import FDAT, PRESETS, FDATConfig
from vsfdat.arch.config import UPSAMPLER_SCALES, UPSAMPLER_TYPES
from vsfdat.arch.heads import META_TYPES
from vsfdat.errors import CheckpointError
from vsfdat.models.detect import detect_config, load_into_network, name_architecture

SMALL = FDATConfig(embed_dim=32, num_groups=2, depth_per_group=1, num_heads=2, mid_dim=16, drop_path_rate=0.0, scale=2)
META = "upsampler.MetaUpsample"
HEADS = [(head, scale) for head, scales in UPSAMPLER_SCALES.items() for scale in scales]
DESCRIBED = [case for case in HEADS if case[0] in META_TYPES]


def state_dict_of(config: FDATConfig) -> dict[str, torch.Tensor]:
    return dict(_tensors_of(config))


@functools.cache
def _tensors_of(config: FDATConfig) -> Mapping[str, torch.Tensor]:
    return FDAT(config).state_dict()


def as_read(config: FDATConfig) -> FDATConfig:
    """What a checkpoint can tell: training's rates are not in it."""
    return replace(config, drop_path_rate=FDATConfig.drop_path_rate)


def is_told(config: FDATConfig) -> bool:
    """Whether any tensor tells the scale: where a step repeats pixels or samples between layers, none may."""
    ours, doubling = state_dict_of(config), state_dict_of(replace(config, scale=min(config.scale, 2)))
    shapes, others = ({name: each.shape for name, each in tensors.items()} for tensors in (ours, doubling))
    return config.scale <= 2 or shapes != others


@parametrize("preset", PRESETS, quick=["fdat_tiny"])
def test_presets(preset: str) -> None:
    assert detect_config(state_dict_of(PRESETS[preset])) == as_read(PRESETS[preset])


@parametrize(("head", "scale"), DESCRIBED, quick=[("conv", 1), *(case for case in DESCRIBED if case[1] == 2)])
def test_heads(head: str, scale: int) -> None:
    config = replace(SMALL, upsampler_type=head, scale=scale)
    assert detect_config(state_dict_of(config)) == as_read(config)


@pytest.mark.slow
@parametrize(("head", "scale"), HEADS, quick=[(head, scale) for head, scale in HEADS if scale == 2])
def test_heads_without_meta_upsample(head: str, scale: int, caplog: pytest.LogCaptureFixture) -> None:
    config = replace(SMALL, upsampler_type=head, scale=scale)
    # Sorted by name, as safetensors files are: upsampler.10 comes before upsampler.3.
    tensors = dict(sorted(state_dict_of(config).items()))
    tensors.pop(META, None)
    found = detect_config(tensors, "old.pth")
    network = load_into_network(tensors, "old.pth")
    assert network.config == found
    if not is_told(config):
        assert found.scale == 2
        assert "old.pth: no tensor tells its scale, 2 is assumed" in caplog.text
        return
    assert found.scale == scale
    # At scale 1 every head is one and the same convolution.
    assert found.upsampler_type == (head if scale > 1 else "conv")
    reference = FDAT(config).eval()
    reference.load_state_dict(tensors, strict=False)
    x = torch.rand(1, 3, 5, 6)
    assert torch.equal(network(x), reference(x))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("with_meta", [True, False])
@pytest.mark.parametrize("head", [head for head, scales in UPSAMPLER_SCALES.items() if 4 in scales])
def test_unshuffle(head: str, with_meta: bool, scale: int) -> None:
    config = replace(SMALL, upsampler_type=head, scale=scale, unshuffle_mod=True)
    tensors = state_dict_of(config)
    if not with_meta:
        tensors.pop(META, None)
    found = detect_config(tensors)
    assert (found.scale, found.unshuffle_mod, found.num_in_ch, found.upsampler_type) == (scale, True, 3, head)


@pytest.mark.parametrize(
    "overrides",
    [
        {"num_in_ch": 1, "num_out_ch": 1},
        {"num_in_ch": 1, "num_out_ch": 1, "unshuffle_mod": True},
        {"window_size": 4},
        {"qkv_bias": True},
        {"group_block_pattern": ("channel",)},
        {"group_block_pattern": ("channel", "spatial", "spatial"), "depth_per_group": 2},
        {"embed_dim": 108, "num_heads": 4, "ffn_expansion_ratio": 133 / 108, "aim_reduction_ratio": 7},
    ],
)
def test_custom_configurations(overrides: dict) -> None:
    config = replace(SMALL, **overrides)
    found = detect_config(state_dict_of(config))
    ratios = {"ffn_expansion_ratio": 0.0, "aim_reduction_ratio": 1}
    assert replace(found, **ratios | {"ffn_expansion_ratio": 1.0}) == replace(
        as_read(config), **ratios | {"ffn_expansion_ratio": 1.0}
    )
    assert found.ffn_dim == config.ffn_dim
    assert found.embed_dim // found.aim_reduction_ratio == config.embed_dim // config.aim_reduction_ratio


def test_a_half_precision_file_loads_in_fp32_and_is_left_as_it_was() -> None:
    tensors = {key: value.half() for key, value in state_dict_of(SMALL).items() if key != META}
    before = dict(tensors)
    network = load_into_network(tensors, "half.safetensors")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert tensors.keys() == before.keys()
    assert all(tensors[key] is before[key] for key in before)


LOADED = [*PRESETS.values(), *(replace(SMALL, upsampler_type=head, scale=scale) for head, scale in HEADS)]


@parametrize(
    "config",
    LOADED,
    quick=[PRESETS["fdat_tiny"], LOADED[-1]],
    ids=lambda config: f"{config.embed_dim}-{config.num_groups}-{config.upsampler_type}-{config.scale}",
)
def test_loading_gives_what_building_and_filling_gives(config: FDATConfig) -> None:
    tensors = state_dict_of(config)
    network = load_into_network(tensors, "x.pth")
    reference = FDAT(network.config).eval().requires_grad_(False)
    reference.load_state_dict(tensors)
    for ours, theirs in zip(network.modules(), reference.modules(), strict=True):
        assert type(ours) is type(theirs)
        assert not ours.training
        assert _held_by(ours) == _held_by(theirs)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    if config.embed_dim == SMALL.embed_dim:
        x = torch.rand(1, 3, 9, 6)
        assert torch.equal(network(x), reference(x))


def _held_by(module: torch.nn.Module) -> dict[str, object]:
    """Every parameter, buffer and plain value of a module itself, to be compared to the last bit."""
    held = module._parameters | module._buffers
    tensors = {
        name: (str(value.device), value.dtype, value.stride(), value.numpy().tobytes())
        for name, value in held.items()
        if value is not None
    }
    return tensors | {name: value for name, value in vars(module).items() if not name.startswith("_")}


def test_a_network_shares_no_memory_with_the_file_or_itself() -> None:
    tensors = state_dict_of(SMALL)
    tensors["groups.0.conv.weight"] = tensors["groups.1.conv.weight"] = tensors["conv_after.weight"].transpose(2, 3)
    network = load_into_network(tensors, "tied.pth")
    mine = {value.data_ptr() for value in network.state_dict().values()}
    assert len(mine) == len(tensors)
    assert not mine & {value.data_ptr() for value in tensors.values()}
    assert all(value.is_contiguous() for value in network.state_dict().values())


def test_all_that_does_not_fit_is_said_at_once() -> None:
    tensors = state_dict_of(SMALL)
    del tensors["groups.1.conv.weight"]
    del tensors["conv_first.bias"]
    tensors["extra.weight"] = torch.zeros(1)
    tensors["groups.1.blocks.0.n1.weight"] = torch.zeros(31)
    with pytest.raises(CheckpointError) as caught:
        load_into_network(tensors, "broken.pth")
    assert str(caught.value) == (
        "broken.pth: does not fit FDAT: missing conv_first.bias, groups.1.conv.weight; unexpected extra.weight; "
        "wrong shape groups.1.blocks.0.n1.weight [31] instead of [32]"
    )


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda t: {"groups.1.blocks.2.n1.weight": torch.ones(1)}, "groups.1 has 3 blocks, and groups.0 has 2"),
        (lambda t: {"groups.2.conv.weight": torch.ones(1)}, "groups.2 has 0 blocks, and groups.0 has 2"),
        (lambda t: {"groups.3.conv.weight": torch.ones(1)}, "the numbers after 'groups' are not 0 to 2"),
        (lambda t: {"groups.01.conv.weight": torch.ones(1)}, "the numbers after 'groups' are not 0 to 2"),
        (
            lambda t: {f"groups.{g}.blocks.{b}.n1.bias": torch.ones(1) for g in range(2, 9) for b in range(2)},
            "84 tensors are too few for 18 blocks",
        ),
        (lambda t: {f"extra.{i}": torch.ones(1) for i in range(4000)}, "4070 tensors, more than 4000"),
        (lambda t: {"extra": torch.empty(1, device="meta")}, "extra is a tensor of the kind meta"),
        (lambda t: {"extra": torch.ones(1).to_sparse()}, "extra is a tensor of the kind sparse_coo"),
    ],
)  # fmt: skip
def test_what_would_be_built_is_bounded_by_what_is_there(edit, problem: str) -> None:
    tensors = state_dict_of(SMALL)
    with pytest.raises(CheckpointError) as caught:
        load_into_network(tensors | edit(tensors), "x.pth")
    assert str(caught.value) == f"x.pth: its tensors describe no FDAT network: {problem}"


@pytest.mark.parametrize(("head", "mid_dim"), [("dysample", 6), ("lda", 3)])
def test_a_head_that_cannot_be_made(head: str, mid_dim: int) -> None:
    tensors = state_dict_of(SMALL)
    tensors[META] = torch.tensor([3, UPSAMPLER_TYPES.index(head), 2, 32, 3, mid_dim, 4], dtype=torch.uint8)
    with pytest.raises(CheckpointError) as caught:
        load_into_network(tensors, "x.pth")
    assert str(caught.value) == (
        f"x.pth: its tensors describe no FDAT network: the head {head} cannot be made of {mid_dim} channels"
    )


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([f"upsampler.{i}.weight" for i in range(20)], "an upsampler of 20 convolutions"),
        (["upsampler.x.weight"], "upsampler.x.weight has no place"),
        (["upsampler.1000000.weight"], "upsampler.1000000.weight has no place"),
        (["upsampler.0.offset.weight"], "a dysample upsampler without end_conv"),
        ([], "no upsampler"),
    ],
)
def test_heads_that_are_none(names: list[str], problem: str) -> None:
    tensors = {key: value for key, value in state_dict_of(SMALL).items() if not key.startswith("upsampler.")}
    with pytest.raises(CheckpointError) as caught:
        detect_config(tensors | {name: torch.ones(4, 4, 3, 3) for name in names}, "x.pth")
    assert str(caught.value) == f"x.pth: its tensors describe no FDAT network: {problem}"


def test_a_long_list_is_cut() -> None:
    tensors = state_dict_of(SMALL) | {f"extra.{i:02}": torch.ones(1) for i in range(20)}
    with pytest.raises(CheckpointError) as caught:
        load_into_network(tensors, "x.pth")
    shown = ", ".join(f"extra.{i:02}" for i in range(8))
    assert str(caught.value) == f"x.pth: does not fit FDAT: unexpected {shown} and 12 more"


def test_fdat_rd_is_refused_by_name() -> None:
    # Source of the key: FDAT-RD's token-dictionary attention in its third block.
    tensors = state_dict_of(SMALL) | {"groups.0.blocks.2.attn.dictionary": torch.zeros(128, 32)}
    with pytest.raises(CheckpointError) as caught:
        detect_config(tensors, "2x_fdat_rd.safetensors")
    assert str(caught.value) == "2x_fdat_rd.safetensors: is a FDAT-RD network; vsfdat runs FDAT"


def test_other_networks_are_named_as_spandrel_names_them() -> None:
    from spandrel.architectures.Compact import Compact

    tensors = Compact().state_dict()
    with pytest.raises(CheckpointError) as caught:
        detect_config(tensors, "anime.pth")
    assert str(caught.value) == "anime.pth: is a RealESRGAN Compact network; vsfdat runs FDAT"
    assert name_architecture({"weight": torch.zeros(1)}) is None


def test_an_unknown_network() -> None:
    with pytest.raises(CheckpointError, match=r"^x\.pth: is not an FDAT network; vsfdat runs FDAT$"):
        detect_config({"weight": torch.zeros(1)}, "x.pth")


def test_spandrel_reads_what_we_write() -> None:
    config = replace(PRESETS["fdat_tiny"], scale=2)
    assert MAIN_REGISTRY.load(state_dict_of(config)).scale == 2
