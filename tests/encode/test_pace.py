import time

import pytest
import vapoursynth as vs

from vsfdat.encode import pace as pace_module
from vsfdat.encode.output.codecs import find_codec
from vsfdat.encode.pace import Arrivals, Busy, Pace

BLANK = vs.core.std.BlankClip(width=16, height=16, length=12)


def test_seconds_of_work_leave_out_the_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 14.0, 20.0, 21.0])
    monkeypatch.setattr(pace_module, "monotonic", lambda: next(clock))
    busy = Busy()
    busy.begin()
    busy.begin()  # beside the first
    busy.end()
    busy.end()
    with busy:
        pass
    assert (busy.seconds, busy.span) == (5.0, 11.0)


def test_seconds_of_work_that_never_pauses_count_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(pace_module, "monotonic", lambda: next(clock))
    busy = Busy()
    busy.begin()
    busy.begin()
    busy.end()
    assert busy.seconds_so_far() == 3.0


@pytest.mark.parametrize(
    ("codec", "encoder", "preset", "says"),
    [
        ("h264", "auto", None,
         "libx264 at preset medium encodes 21.1 frames a second, the network makes 80.0; "
         "faster: a faster --preset or --encoder nvenc, qsv, amf where there is such a GPU"),
        ("hevc", "nvenc", "p1",
         "hevc_nvenc at preset p1 encodes 21.1 frames a second, the network makes 80.0"),
        ("ffv1", "auto", None, "ffv1 encodes 21.1 frames a second, the network makes 80.0"),
    ],
    ids=["software", "the fastest hardware", "lossless"],
)  # fmt: skip
def test_an_encoder_that_held_the_network_up_is_told_with_figures(codec, encoder, preset, says) -> None:
    found = find_codec(codec, encoder)
    pace = Pace(clip=80.0, network=90.0, encoder=21.1, seconds=100.0, encoder_seconds=73.6, decoder_seconds=5.0)
    remark = pace.remark(found, found.build_options(None, preset))
    assert remark == f"the network waited for the encoder 74% of the time: {says}"


@pytest.mark.parametrize(("seconds", "waited_seconds"), [(100.0, 9.0), (5.0, 0.9), (0.0, 0.0)])
def test_an_encoder_that_keeps_up_is_not_spoken_of(seconds: float, waited_seconds: float) -> None:
    pace = Pace(
        clip=80.0, network=81.0, encoder=79.0, seconds=seconds, encoder_seconds=waited_seconds, decoder_seconds=0.0
    )
    assert pace.remark(find_codec("h264"), {}) is None


def test_a_decoder_that_held_the_network_up_is_told_with_figures() -> None:
    pace = Pace(clip=9.5, network=31.2, encoder=60.0, seconds=100.0, encoder_seconds=2.0, decoder_seconds=69.0)
    assert pace.remark(find_codec("h264"), {}) == (
        "the network waited for the decoder 69% of the time: 9.5 frames a second came, the network makes 31.2; "
        "faster: more cores, or a local copy of a film on a share"
    )


@pytest.mark.slow
@pytest.mark.parametrize("slow", ["decoder", "network"])
def test_the_network_has_work_from_when_a_frame_is_decoded_to_when_it_is_out(slow: str) -> None:
    rest = {"decoder": (0.03, 0.0), "network": (0.0, 0.03)}[slow]
    arrivals, upscaling = Arrivals(), Busy()
    decoded = arrivals.watch(BLANK.std.FrameEval(lambda n: time.sleep(rest[0]) or BLANK))
    upscaled = decoded.std.FrameEval(lambda n: time.sleep(rest[1]) or decoded)
    for number in range(BLANK.num_frames):
        with upscaling, upscaled.get_frame(number):
            arrivals.leave(number)
    assert upscaling.seconds >= 12 * 0.03
    share = arrivals.computing.seconds / upscaling.seconds
    assert share < 0.3 if slow == "decoder" else share < 1


def test_a_frame_that_never_came_is_not_counted() -> None:
    arrivals = Arrivals()
    arrivals.leave(3)
    assert arrivals.computing.seconds == 0


def test_what_repetitions_saved_is_told_first() -> None:
    pace = Pace(
        clip=9.5,
        network=31.2,
        encoder=60.0,
        seconds=1.0,
        encoder_seconds=0.0,
        decoder_seconds=0.0,
        frames=48,
        repeats=24,
    )
    assert pace.remark(find_codec("h264"), {}) == (
        "24 of 48 frames (50%) repeat earlier ones and were not computed again"
    )
