"""What an interrupted, broken or killed run leaves, and how the same command goes on from it."""

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, decode, make_video, packets
from tests.encode.interrupts import stop_after
from tests.fast_loop import parametrize
from vsfdat import plugin
from vsfdat.encode import Outcome, Settings, job, upscale_file
from vsfdat.encode.makers import frames
from vsfdat.encode.output.writer import Writer
from vsfdat.encode.segments import manifest, plan_segments
from vsfdat.errors import EncodeError

FILM = Recipe(pts=range(0, 40 * 512, 512))
FOLDER = ".output.mkv.vsfdat"
# Containers that do not hold a codec.
REFUSED = [("h264", ".webm"), ("hevc", ".webm"), ("ffv1", ".mp4"), ("ffv1", ".mov"), ("ffv1", ".webm"), ("av1", ".mov")]


class Counted:
    """Stands in for the network, and counts the frames that it makes."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, clip, **_):
        def select(n, f):
            self.made.append(n)
            return f

        larger = clip.resize.Point(clip.width * 2, clip.height * 2, format=vs.RGBS)
        return larger.std.ModifyFrame(larger, select)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Have films of few frames be of several segments."""
    counted = Counted()
    monkeypatch.setattr(plugin, "upscale", counted)
    monkeypatch.setattr(job, "plan_segments", functools.partial(plan_segments, usual=10))
    return counted


@pytest.fixture
def upscale(tmp_path: Path) -> Callable[..., Outcome]:
    make_video(tmp_path / "source.mkv", FILM)

    def run(name: str = "output.mkv", **settings: object) -> Outcome:
        return upscale_file(tmp_path / "source.mkv", tmp_path / name, Settings(**settings))

    return run


def assert_same(path: Path, expected: Path) -> None:
    for kind in ("video", "audio"):
        assert packets(path, kind) == packets(expected, kind)
    for found, frame in zip(decode(path), decode(expected), strict=True):
        np.testing.assert_array_equal(found.to_ndarray(), frame.to_ndarray())
        assert (found.pts, found.pict_type) == (frame.pts, frame.pict_type)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_the_same_command_goes_on_to_the_same_film(tmp_path: Path, upscale, network, monkeypatch, codec: str) -> None:
    upscale("whole.mkv", codec=codec)
    network.made.clear()
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        outcome = upscale(codec=codec)
    assert (outcome.is_whole, outcome.is_playable) == (False, False)
    assert outcome.frames >= 20
    assert sorted(path.name for path in tmp_path.iterdir()) == [FOLDER, "source.mkv", "whole.mkv"]
    before = len(network.made)
    network.made.clear()
    outcome = upscale(codec=codec)
    assert (outcome.is_whole, outcome.frames, outcome.made) == (True, 40, 20)
    assert sorted(network.made) == list(range(20, 40))
    assert before >= 23
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.mkv", "source.mkv", "whole.mkv"]
    assert_same(tmp_path / "output.mkv", tmp_path / "whole.mkv")


@pytest.mark.slow
def test_slow_frames_are_kept_until_their_segment_is_whole(tmp_path, upscale, network, monkeypatch) -> None:
    upscale("whole.mkv")
    network.made.clear()
    monkeypatch.setattr(frames, "_SHORT", 0)
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        outcome = upscale()
    assert outcome.frames == len(network.made) >= 23
    upscale()
    assert sorted(network.made) == list(range(40))  # each of them once
    assert_same(tmp_path / "output.mkv", tmp_path / "whole.mkv")


@pytest.mark.slow
def test_a_playable_part_is_left_if_asked_for_and_the_film_takes_its_place(tmp_path, upscale, network, monkeypatch):
    upscale("whole.mkv")
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        outcome = upscale(keep_partial=True)
    output = tmp_path / "output.mkv"
    assert outcome.is_playable
    assert not outcome.is_whole
    assert len(decode(output)) == outcome.frames >= 23
    upscale()
    assert_same(output, tmp_path / "whole.mkv")


def test_another_file_of_the_outputs_name_is_left_alone(tmp_path, upscale, network, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        upscale(keep_partial=True)
    (tmp_path / "output.mkv").write_bytes(b"mine")
    with pytest.raises(EncodeError, match="output exists"):
        upscale()
    assert (tmp_path / "output.mkv").read_bytes() == b"mine"


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_is_sealed(tmp_path, upscale, network, monkeypatch) -> None:
    upscale("whole.mkv")
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2, error=OSError(28, "No space left on device"))
        with pytest.raises(EncodeError) as caught:
            upscale()
    assert str(caught.value) == (
        f"{tmp_path / 'output.mkv'}: cannot be written (No space left on device); "
        "what is done is kept, and the same command goes on from there"
    )
    assert upscale().made == 20
    assert_same(tmp_path / "output.mkv", tmp_path / "whole.mkv")


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_very_end_costs_nothing_either(tmp_path, upscale, network, monkeypatch) -> None:
    def finish(self, *, is_whole):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "finish", finish)
        with pytest.raises(EncodeError, match="what is done is kept"):
            upscale()
    network.made.clear()
    assert upscale().made == 0
    assert network.made == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.mkv", "source.mkv"]


@pytest.mark.slow
def test_who_is_killed_while_clearing_up_finds_the_film_done(tmp_path, upscale, network, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "_clear", lambda folder: (folder / "000001.nut").unlink(missing_ok=True))
        upscale()
    before = (tmp_path / "output.mkv").stat()
    network.made.clear()
    outcome = upscale()
    assert (outcome.is_whole, outcome.frames, outcome.made, network.made) == (True, 40, 0, [])
    assert (tmp_path / "output.mkv").stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.mkv", "source.mkv"]


def test_no_room_for_kept_frames_stops_nothing(tmp_path, upscale, network, monkeypatch, caplog) -> None:
    def keep(self, number, packed):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frames, "_SHORT", 0)
    monkeypatch.setattr(frames.KeptFrames, "keep", keep)
    assert upscale().is_whole
    assert caplog.messages == ["Upscaled frames are not kept any more (No space left on device)."]


def test_a_part_without_a_frame_is_no_part(tmp_path, upscale, network, monkeypatch) -> None:
    """As where frames were kept, and the next run is interrupted before it has encoded one."""
    monkeypatch.setattr(frames, "_SHORT", 0)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        upscale()
    with monkeypatch.context() as patch:
        patch.setattr(frames.Frames, "num_frames", property(lambda self: 0, lambda self, value: None), raising=False)
        outcome = upscale(keep_partial=True)
    assert (outcome.is_playable, (tmp_path / "output.mkv").exists()) == (False, False)


@pytest.mark.slow
def test_a_part_is_still_this_jobs_after_a_restart(tmp_path, upscale, network, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        upscale(keep_partial=True)
    assert upscale(crf=30, restart=True).is_whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.mkv", "source.mkv"]


@pytest.mark.slow
def test_other_settings_are_told_and_can_begin_anew(tmp_path, upscale, network, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        upscale()
    with pytest.raises(EncodeError) as caught:
        upscale(crf=20)
    assert str(caught.value) == (
        f"{tmp_path / 'output.mkv'}: was begun otherwise (encoder's crf 17 then, 20 now); "
        "do as then to go on with it, or pass --restart to begin anew"
    )
    assert upscale(crf=20, restart=True).made == 40


def test_another_film_of_that_name_is_told(tmp_path, upscale, network, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        upscale()
    make_video(tmp_path / "source.mkv", Recipe(pts=range(0, 39 * 512, 512)))
    with pytest.raises(EncodeError, match=r"begun otherwise \(source \d+ bytes with hash .*, frames 40 then, 39 now"):
        upscale()


def test_sound_may_be_chosen_anew(tmp_path, upscale, network, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, segment=2)
        upscale()
    assert upscale(no_audio=True).made == 20
    with pytest.raises(IndexError):
        packets(tmp_path / "output.mkv", "audio")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".mov", ".webm"])
@parametrize("codec", ["h264", "hevc", "av1", "ffv1"], quick=["h264"])
def test_packets_of_all_segments_are_decoded_in_order_and_in_time(tmp_path, upscale, network, codec, ending) -> None:
    if (codec, ending) in REFUSED:
        pytest.skip("no such film")
    upscale(f"output{ending}", codec=codec, no_audio=True)
    with av.open(str(tmp_path / f"output{ending}")) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
        unit = container.streams.video[0].time_base
    assert len(found) == 40
    decoded = [(packet.dts, packet.pts) for packet in found if packet.dts is not None]  # Matroska tells no early ones
    assert [dts for dts, _ in decoded] == sorted({dts for dts, _ in decoded})
    assert all(dts <= pts for dts, pts in decoded)
    times = sorted(packet.pts * unit for packet in found)
    assert [float(time - times[0]) for time in times] == pytest.approx([n / 25 for n in range(40)], abs=0.0006)


@pytest.mark.slow
def test_kill_9_at_ten_moments_loses_nothing() -> None:
    line = [sys.executable, "-m", "tests.bench.kill_often", "10"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 kills" in done.stdout
