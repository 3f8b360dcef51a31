"""What each codec and encoder may be asked for, and what FFmpeg is told then; no hardware is needed for it."""

from collections.abc import Callable
from typing import get_args, get_type_hints

import av
import pytest

from vsfdat.encode.output import codecs, encoders
from vsfdat.encode.output.codecs import find_codec
from vsfdat.errors import EncodeError
from vsfdat.options import CodecName, EncoderKind, Settings

HARDWARE = [(name, kind) for name in ("h264", "hevc", "av1") for kind in ("nvenc", "qsv", "amf")]
ASKED_FOR = [*HARDWARE, *((name, "software") for name in get_args(CodecName))]


def test_the_command_offers_the_codecs_and_encoders_that_there_are() -> None:
    offered = get_type_hints(Settings)
    assert get_args(offered["codec"]) == get_args(CodecName) == tuple(codec.name for codec in codecs._CODECS)
    assert get_args(offered["encoder"]) == get_args(EncoderKind)


@pytest.mark.parametrize("codec", get_args(CodecName))
def test_auto_is_software(codec: str) -> None:
    assert find_codec(codec) == find_codec(codec, "software")
    assert find_codec(codec).encoder.kind == "software"


@pytest.mark.parametrize(
    ("codec", "encoder", "quality"),
    [
        ("h264", "software", {"crf": "{}"}),
        ("hevc", "software", {"crf": "{}"}),
        ("av1", "software", {"crf": "{}"}),
        *((codec, "nvenc", {"cq": "{}", "rc": "vbr", "b": "0"}) for codec in ("h264", "hevc", "av1")),
        *((codec, "qsv", {"global_quality": "{}"}) for codec in ("h264", "hevc", "av1")),
        ("h264", "amf", {"qp_i": "{}", "qp_p": "{}", "qp_b": "{}", "rc": "cqp"}),
        ("hevc", "amf", {"qp_i": "{}", "qp_p": "{}", "rc": "cqp"}),
        ("av1", "amf", {"qp_i": "{4}", "qp_p": "{4}", "qp_b": "{4}", "rc": "cqp"}),
    ],
)
def test_crf_reaches_the_option_that_each_encoder_has_for_it(codec: str, encoder: str, quality: dict[str, str]) -> None:
    """Two values must ask for two qualities: a slider without effect is worse than none."""
    found = find_codec(codec, encoder)
    assert found.crf in found.encoder.crfs
    for crf in (found.encoder.crfs[0], 20, 33, found.encoder.crfs[-1]):
        wanted = {key: value.replace("{4}", str(4 * crf)).format(crf) for key, value in quality.items()}
        assert wanted.items() <= found.build_options(crf, None).items()
    default = {key: value.replace("{4}", str(4 * found.crf)).format(found.crf) for key, value in quality.items()}
    assert default.items() <= found.build_options(None, None).items()


@pytest.mark.parametrize(("codec", "encoder"), ASKED_FOR)
def test_ffmpeg_knows_every_option_and_takes_every_value(codec: str, encoder: str) -> None:
    """FFmpeg says nothing of options that it does not know, so a slip of the pen would be one without effect."""
    found = find_codec(codec, encoder)
    known = options_of(found.encoder.name)
    for crf in (found.encoder.crfs[0], found.encoder.crfs[-1]) if found.encoder.crfs else (None,):
        for preset in found.encoder.presets or (None,):
            for key, value in found.build_options(crf, preset).items():
                assert key in known
                names = {choice.name for choice in known[key].choices}
                assert value in names if names and not value.isdigit() else is_within(value, known[key])
    assert {found.encoder.preset, found.encoder.fastest} <= {*found.encoder.presets, None}


def options_of(encoder: str) -> dict[str, av.codec.context.CodecOption]:
    found = av.CodecContext.create(encoder, "w").supported_options
    return {option.name: option for option in (*found.generic, *found.private)}


def is_within(value: str, option: av.codec.context.CodecOption) -> bool:
    if option.type in (av.codec.context.OptionType.STRING, av.codec.context.OptionType.DICT):
        return True
    return option.min <= float(value) <= option.max


@pytest.mark.parametrize(
    ("codec", "encoder", "asked", "message"),
    [
        ("h264", "cuda", {}, "encoder must be one of auto, software, nvenc, qsv, amf, passed 'cuda'"),
        ("ffv1", "nvenc", {},
         "nvenc does not encode ffv1, choose one of h264, hevc, av1 with --codec, or --encoder software"),
        ("ffv1", "auto", {"preset": "slow"}, "--preset does not apply to ffv1, which is lossless"),
        ("h264", "nvenc", {"preset": "slow"},
         "preset must be one of p1, p2, p3, p4, p5, p6, p7 for h264 by nvenc, passed 'slow'"),
        ("h264", "nvenc", {"crf": 0}, "crf must be from 1 to 51 for h264 by nvenc, passed 0"),
        ("av1", "nvenc", {"crf": 64}, "crf must be from 1 to 63 for av1 by nvenc, passed 64"),
        ("av1", "qsv", {"crf": 60}, "crf must be from 1 to 51 for av1 by qsv, passed 60"),
        ("hevc", "amf", {"preset": "p5"},
         "preset must be one of speed, balanced, quality for hevc by amf, passed 'p5'"),
    ],
)  # fmt: skip
def test_what_an_encoder_has_not_got_is_told_in_one_sentence(codec, encoder, asked, message) -> None:
    with pytest.raises(EncodeError) as caught:
        find_codec(codec, encoder).build_options(asked.get("crf"), asked.get("preset"))
    assert str(caught.value) == message


@pytest.mark.parametrize(("codec", "encoder"), HARDWARE)
def test_hardware_that_is_not_here_is_told_with_the_drivers_reason(codec: str, encoder: str) -> None:
    found = find_codec(codec, encoder)
    options = found.build_options(None, None)
    try:
        assert found.settle_options(options).items() <= options.items()  # on a machine that has it
    except EncodeError as error:
        message = str(error)
        assert message.startswith(f"{encoder} cannot encode {codec} here (")
        assert "); what can: --encoder software" in message
        assert "Operation not permitted" not in message  # FFmpeg's number for it says less than its log


def test_what_can_be_had_instead_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    opens_where(monkeypatch, lambda name, options: None if name == "h264_qsv" else "no GPU")
    with pytest.raises(EncodeError) as caught:
        find_codec("h264", "nvenc").settle_options({})
    assert str(caught.value) == "nvenc cannot encode h264 here (no GPU); what can: --encoder software or qsv"


@pytest.mark.parametrize(
    ("lacks", "keeps"),
    [("b_ref_mode", ["spatial-aq", "rc-lookahead", "bf"]), ("bf", ["spatial-aq", "rc-lookahead"]), ("spatial-aq", [])],
)
def test_what_a_device_has_not_got_is_left_out(monkeypatch: pytest.MonkeyPatch, caplog, lacks: str, keeps) -> None:
    opens_where(monkeypatch, lambda name, options: f"{lacks} is not supported" if lacks in options else None)
    found = find_codec("hevc", "nvenc")
    options = found.build_options(20, "p7")
    with caplog.at_level("INFO"):
        settled = found.settle_options(options)
    extras = found.encoder.extras
    assert settled == {"tune": "hq", "rc": "vbr", "b": "0", "cq": "20", "preset": "p7"} | {
        key: extras[key] for key in keeps
    }
    left_out = ", ".join(key for key in extras if key not in keeps)
    assert caplog.messages == [f"hevc_nvenc goes without {left_out} here ({lacks} is not supported)."]


def opens_where(monkeypatch: pytest.MonkeyPatch, why_not: Callable[[str, dict[str, str]], str | None]) -> None:
    """Stand in for drivers: say why an encoder does not open with some options, or None where it does."""

    def open_(self: encoders.Encoder, context: av.CodecContext) -> None:
        if reason := why_not(context.name, context.options):
            raise EncodeError(reason)

    monkeypatch.setattr(encoders.Encoder, "open", open_)


def test_a_build_without_an_encoder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"libx264"})
    with pytest.raises(EncodeError) as caught:
        find_codec("hevc").settle_options({})
    assert str(caught.value) == "codec hevc is not in this build of PyAV, choose another with --codec"


@pytest.mark.parametrize(
    ("codec", "encoder", "preset", "ways"),
    [
        ("h264", "auto", None, "a faster --preset or --encoder nvenc, qsv, amf where there is such a GPU"),
        ("h264", "auto", "ultrafast", "--encoder nvenc, qsv, amf where there is such a GPU"),
        ("av1", "auto", "13", "--encoder nvenc, qsv, amf where there is such a GPU"),
        ("hevc", "nvenc", None, "a faster --preset"),
        ("hevc", "nvenc", "p1", ""),
        ("ffv1", "auto", None, ""),
    ],
)
def test_what_would_be_faster_is_known(codec: str, encoder: str, preset: str | None, ways: str) -> None:
    found = find_codec(codec, encoder)
    assert found.faster_ways(found.build_options(None, preset)) == ways
