import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from vsfdat.encode.segments import Identity, KeptFrames, Manifest, Segment, is_partial
from vsfdat.errors import EncodeError

JOB: Identity = {"source": "10 bytes", "crf": 17, "codec": "h264"}
FIRST, SECOND = Segment(0, 0, 250), Segment(1, 250, 500)


def job(tmp_path: Path, identity: Identity = JOB, **how) -> AbstractContextManager[Manifest]:
    return Manifest.open(tmp_path / ".film.vsfdat", identity, tmp_path / "film.mkv", **how)


def seal(manifest: Manifest, segment: Segment, content: bytes = b"packets", delay: int = 2) -> None:
    manifest.part(segment).write_bytes(content)
    manifest.seal(segment, delay)


def fail(tmp_path: Path, segment: Segment) -> None:
    """Have the disk be full in the middle of a segment."""
    with contextlib.suppress(OSError), job(tmp_path) as manifest:
        manifest.part(segment).write_bytes(b"half")
        raise OSError("No space left on device")


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Path]:
    """Begin a job of which the first segment is done."""
    with job(tmp_path) as manifest:
        seal(manifest, FIRST)
    return tmp_path / ".film.vsfdat"


def test_a_sealed_segment_is_known_again(tmp_path: Path, begun: Path) -> None:
    with job(tmp_path) as again:
        assert again.find_missing([FIRST, SECOND]) == [SECOND]
        assert again.count_frames([FIRST, SECOND]) == 250
        assert again.delay == 2
        assert [(each, path.read_bytes()) for each, path in again.playable([FIRST, SECOND])] == [(FIRST, b"packets")]


def test_a_job_of_which_nothing_is_done_leaves_nothing(tmp_path: Path) -> None:
    fail(tmp_path, FIRST)
    assert list(tmp_path.iterdir()) == []


def test_a_job_of_which_something_is_done_stays(tmp_path: Path, begun: Path) -> None:
    fail(tmp_path, SECOND)
    with job(tmp_path) as again:
        assert again.find_missing([FIRST, SECOND]) == [SECOND]
        assert not again.part(SECOND).exists()


def test_a_job_that_is_over_leaves_nothing(tmp_path: Path, begun: Path) -> None:
    with job(tmp_path) as manifest:
        manifest.is_over = True
    assert list(tmp_path.iterdir()) == []


def test_kept_frames_are_worth_keeping(tmp_path: Path) -> None:
    with job(tmp_path) as manifest:
        kept = KeptFrames(manifest.frames(FIRST))
        kept.keep(0, b"frame")
        kept.close()
    with job(tmp_path) as again:
        assert again.count_frames([FIRST, SECOND]) == 1
        seal(again, FIRST)
        assert not again.frames(FIRST).exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"packet", b"pockets", b"packets and more"])
def test_a_damaged_segment_is_made_anew(tmp_path: Path, begun: Path, damage: bytes) -> None:
    (begun / "000000.nut").write_bytes(damage)
    with job(tmp_path) as again:
        assert again.find_missing([FIRST]) == [FIRST]
        assert again.count_frames([FIRST]) == 0


def test_a_segment_that_was_renamed_but_not_written_down_is_made_anew(tmp_path: Path, begun: Path) -> None:
    (begun / "000001.nut").write_bytes(b"packets")
    with job(tmp_path) as again:
        assert again.find_missing([FIRST, SECOND]) == [SECOND]


def test_segments_after_a_missing_one_are_not_played(tmp_path: Path) -> None:
    with job(tmp_path) as manifest:
        seal(manifest, SECOND)
        assert list(manifest.playable([FIRST, SECOND])) == []


def test_another_job_is_not_thrown_away_unasked(tmp_path: Path, begun: Path) -> None:
    other = {"source": "11 bytes", "crf": 20, "codec": "h264"}
    with pytest.raises(EncodeError) as caught, job(tmp_path, other):
        pass
    assert str(caught.value) == (
        f"{tmp_path / 'film.mkv'}: was begun otherwise (source 10 bytes then, 11 bytes now, crf 17 then, 20 now); "
        "do as then to go on with it, or pass --restart to begin anew"
    )
    with job(tmp_path) as again:
        assert again.find_missing([FIRST]) == []
    with job(tmp_path, other, restart=True) as anew:
        assert anew.find_missing([FIRST]) == [FIRST]
        assert sorted(path.name for path in anew.folder.iterdir()) == ["lock", "manifest.json"]


def test_a_job_that_is_under_way_is_left_alone(tmp_path: Path) -> None:
    with job(tmp_path) as manifest:
        with pytest.raises(EncodeError) as caught, job(tmp_path):
            pass
        assert manifest.folder.exists()
    assert str(caught.value) == f"{tmp_path / 'film.mkv'}: another vsfdat is at work on it"


def test_a_manifest_of_another_format_is_said(tmp_path: Path, begun: Path) -> None:
    (begun / "manifest.json").write_text('{"format": 2}')
    message = "is of another version of vsfdat; pass --restart to begin anew"
    with pytest.raises(EncodeError, match=message), job(tmp_path):
        pass


def test_a_manifest_that_cannot_be_read_begins_anew(tmp_path: Path, begun: Path) -> None:
    (begun / "manifest.json").write_text('{"format": 1, "iden')
    with job(tmp_path) as again:
        assert again.find_missing([FIRST]) == [FIRST]


def test_the_playable_part_of_a_job_is_known_from_other_files(tmp_path: Path) -> None:
    output = tmp_path / "film.mkv"
    output.write_bytes(b"a part")
    with job(tmp_path) as manifest:
        seal(manifest, FIRST)
        assert not is_partial(manifest.folder, output)
        manifest.remember(output)
        assert is_partial(manifest.folder, output)
        output.write_bytes(b"another film")
        assert not is_partial(manifest.folder, output)
