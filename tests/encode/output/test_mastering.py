"""HDR10's metadata, from the source's pictures into the output's and into its container."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.sidedata.sidedata import Type

from tests.encode.clips import Recipe, make_video
from tests.fast_loop import parametrize
from vsfdat.encode import Settings, upscale_file
from vsfdat.encode.output.mastering import Mastering, for_svt, for_x265, read_mastering
from vsfdat.options import UpscaleOptions

# A display of P3's colours as HDR10 discs state it, in units of 1/50000 and 1/10000 cd/m², and one of no round numbers.
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
ODD = "G(13251,34499)B(7501,2999)R(33999,16001)WP(15636,16449)L(40000001,51)"
PQ = {"matrix": 9, "primaries": 9, "transfer": 16, "pixel_format": "yuv420p10le", "size": (64, 64), "audio": None}
FRAMES = range(0, 3 * 512, 512)


def hevc(display: str = DISPLAY, levels: str = "1000,400", **changes) -> Recipe:
    words = f"log-level=error:master-display={display}:max-cll={levels}"
    return Recipe(encoder="libx265", pts=FRAMES, options={"x265-params": words}, **{**PQ, **changes})


def in_pictures(path: Path) -> dict[str, bytes]:
    """Read what the first frame says, as a player gets it."""
    with av.open(str(path)) as container:
        found = next(container.decode(video=0)).side_data
        return {kind.name: bytes(found[kind]) for kind in (Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL)}


def in_container(path: Path) -> dict[str, bytes]:
    """Read what the container says, before any frame is decoded."""
    with av.open(str(path)) as container:
        found = container.streams.video[0].codec_context.coded_side_data
        return {name.upper(): data for name, data in found.items()}


def as_fractions(data: bytes) -> list[Fraction]:
    numbers = struct.unpack("<20i", data[:80])
    return [Fraction(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


@parametrize("display", [DISPLAY, ODD], quick=[ODD], ids=["P3", "odd"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_pictures_say_it_byte_for_byte(run, tmp_path: Path, codec: str, display: str) -> None:
    output, _ = run(hevc(display), (".mkv", ".mkv"), codec=codec)
    assert in_pictures(output) == in_pictures(tmp_path / "source.mkv")


def test_av1_says_it_as_closely_as_its_binary_fractions_can(run, tmp_path: Path) -> None:
    output, _ = run(hevc(ODD), (".mkv", ".mkv"), codec="av1")
    (here, levels), (there, wanted) = (in_pictures(path).values() for path in (output, tmp_path / "source.mkv"))
    assert levels == wanted
    digits = [16] * 8 + [14, 8]  # the display's least light comes before its most
    for found, meant, kept in zip(as_fractions(here), as_fractions(there), digits, strict=True):
        assert abs(found - meant) <= Fraction(1, 2 << kept)


def test_av1_to_av1_is_byte_for_byte(run, tmp_path: Path) -> None:
    words = for_svt(read_mastering(PROPS))
    recipe = Recipe(encoder="libsvtav1", pts=FRAMES, options={"svtav1-params": words, "preset": "12"}, **PQ)
    output, _ = run(recipe, (".mkv", ".mkv"), codec="av1", preset="12")
    assert in_pictures(output) == in_pictures(tmp_path / "source.mkv")


@parametrize("codec", ["h264", "hevc", "av1"], quick=["hevc"])
def test_mp4_says_it_byte_for_byte(run, tmp_path: Path, codec: str) -> None:
    output, _ = run(hevc(ODD), (".mkv", ".mp4"), codec=codec)
    assert in_container(output) == in_pictures(tmp_path / "source.mkv")


@pytest.mark.slow
@parametrize("codec", ["h264", "hevc", "av1", "ffv1"], quick=["av1", "ffv1"])
def test_matroska_says_it_byte_for_byte(run, tmp_path: Path, codec: str) -> None:
    """Matroska has fractions of its own, reduced: once they are in a file, they stay as they are."""
    first, _ = run(hevc(ODD), (".mp4", ".mkv"), codec=codec)
    wanted = in_pictures(tmp_path / "source.mp4")
    found = in_container(first)
    assert found["CONTENT_LIGHT_LEVEL"] == wanted["CONTENT_LIGHT_LEVEL"]
    assert as_fractions(found["MASTERING_DISPLAY_METADATA"]) == as_fractions(wanted["MASTERING_DISPLAY_METADATA"])


def test_what_only_a_container_says_is_kept_too(run, tmp_path: Path) -> None:
    """FFV1 has no place for it."""
    first, _ = run(hevc(ODD), (".mp4", ".mkv"), codec="ffv1")
    recipe_of = tmp_path / "again.mkv"
    first.rename(recipe_of)
    output = tmp_path / "second.mkv"
    upscale_file(
        recipe_of, output, Settings(codec="ffv1", upscale=UpscaleOptions(model="fdat-tiny-1x-restore", device="cpu"))
    )
    assert in_container(output) == in_container(recipe_of)


def test_a_file_without_it_gets_none(run, tmp_path: Path) -> None:
    recipe = Recipe(encoder="libx265", pts=FRAMES, options={"x265-params": "log-level=error"}, **PQ)
    output, _ = run(recipe, codec="hevc")
    assert in_container(output) == {}
    with av.open(str(output)) as container:
        found = next(container.decode(video=0)).side_data
        assert not {Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL} & set(found)


def test_light_levels_alone_are_kept_alone(run, tmp_path: Path) -> None:
    recipe = Recipe(encoder="libx265", pts=FRAMES, options={"x265-params": "log-level=error:max-cll=640,80"}, **PQ)
    output, _ = run(recipe, codec="hevc")
    assert in_container(output) == {"CONTENT_LIGHT_LEVEL": struct.pack("<2i", 640, 80)}


PROPS = {
    "MasteringDisplayPrimariesX": [0.68, 0.265, 0.15], "MasteringDisplayPrimariesY": [0.32, 0.69, 0.06],
    "MasteringDisplayWhitePointX": 0.3127, "MasteringDisplayWhitePointY": 0.329,
    "MasteringDisplayMaxLuminance": 1000.0, "MasteringDisplayMinLuminance": 0.005,
    "ContentLightLevelMax": 1000, "ContentLightLevelAverage": 400,
}  # fmt: skip
CORNERS = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, Mastering(CORNERS, (1000.0, 0.005), (1000, 400))),
        ({"MasteringDisplayPrimariesX": [0.68, 0.265, 41.5]}, Mastering(None, (1000.0, 0.005), (1000, 400))),
        ({"MasteringDisplayMaxLuminance": 0.0}, Mastering(CORNERS, None, (1000, 400))),
        ({"ContentLightLevelMax": 70000}, Mastering(CORNERS, (1000.0, 0.005), None)),
        (dict.fromkeys(PROPS, -1) | {"MasteringDisplayPrimariesX": [], "MasteringDisplayPrimariesY": []}, None),
    ],
    ids=["whole", "colours", "luminance", "levels", "all"],
)
def test_nonsense_is_left_out(changes: dict[str, object], found: Mastering | None) -> None:
    assert read_mastering(PROPS | changes) == found


def test_encoders_get_both_halves_of_a_display_or_none() -> None:
    assert for_x265(Mastering(CORNERS, None, (1000, 400))) == "max-cll=1000,400"
    assert for_x265(Mastering(CORNERS, (1000.0, 0.005), None)) == f"master-display={DISPLAY}"
    assert for_x265(Mastering(None, (1000.0, 0.005), None)) == ""


# Parts of HEVC's stream: a unit that Dolby Vision's players read, and HDR10+'s message for one window, all zero.
MESSAGE = 39
DOLBY_VISION = bytes([62 << 1, 1, 25, *range(1, 60), 0x80])
HDR10_PLUS = bytes([MESSAGE << 1, 1, 4, 22, 0xB5, 0, 0x3C, 0, 1, 4, 1, 0x40, *[0] * 14, 0x80])


@parametrize(
    ("units", "transfer", "names", "colours"),
    [
        ([DOLBY_VISION], 16, "Dolby Vision", ""),
        ([DOLBY_VISION], 2, "Dolby Vision", ", in false colours if this is profile 5"),
        ([HDR10_PLUS], 16, "HDR10+", ""),
        ([HDR10_PLUS, DOLBY_VISION], 16, "Dolby Vision and HDR10+", ""),
    ],
    quick=[([HDR10_PLUS, DOLBY_VISION], 16, "Dolby Vision and HDR10+", "")],
    ids=["Dolby Vision", "its own colours", "HDR10+", "both"],
)
def test_what_changes_from_scene_to_scene_is_said_to_be_lost(
    run, monkeypatch, caplog, units: list[bytes], transfer: int, names: str, colours: str
) -> None:
    monkeypatch.setattr("tests.encode.conftest.make_video", lambda path, recipe: dress(make_video(path, recipe), units))
    run(hevc(transfer=transfer), (".mkv", ".mkv"), codec="hevc")
    assert caplog.messages == [
        f"The file's {names} metadata is left out; the output looks as on players that do without it{colours}."
    ]


def dress(path: Path, units: list[bytes]) -> Path:
    """Put units into every picture of an HEVC file: messages before it, all else behind it."""
    plain = path.rename(path.with_stem("plain"))
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                sized = [len(unit).to_bytes(4) + unit for unit in units]
                before = [unit for unit in sized if unit[4] >> 1 == MESSAGE]
                behind = [unit for unit in sized if unit[4] >> 1 != MESSAGE]
                made = av.Packet(b"".join([*before, bytes(packet), *behind]))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.is_keyframe, made.stream = packet.is_keyframe, stream
                output.mux(made)
    plain.unlink()
    return path
