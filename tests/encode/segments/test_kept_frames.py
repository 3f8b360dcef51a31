from pathlib import Path

from vsfdat.encode.segments import KeptFrames
from vsfdat.encode.segments.kept_frames import count_kept


def packed(seed: int) -> bytes:
    return bytes((seed + n) % 256 for n in range(40))


def keep(path: Path, *numbers: int) -> bytes:
    """Keep frames, and give what the file is then."""
    kept = KeptFrames(path)
    for number in numbers:
        kept.keep(number, packed(number))
    kept.close()
    return path.read_bytes()


def test_frames_come_back_bit_by_bit(tmp_path: Path) -> None:
    keep(tmp_path / "kept", 250, 251)
    again = KeptFrames(tmp_path / "kept")
    assert len(again) == 2
    assert 250 in again
    assert 252 not in again
    assert [again.read(number) for number in (251, 250)] == [packed(251), packed(250)]
    again.close()


def test_what_a_crash_left_of_the_last_frame_is_cut_off_wherever_it_struck(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    whole = len(keep(path, 0))
    content = keep(path, 1)
    for size in range(whole, len(content)):
        path.write_bytes(content[:size])
        again = KeptFrames(path)
        assert 0 in again
        assert 1 not in again
        assert path.stat().st_size == whole
        again.keep(1, packed(1))
        assert again.read(1) == packed(1)
        again.close()
        assert path.read_bytes() == content


def test_a_damaged_frame_ends_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    place = len(keep(path, 0))
    content = bytearray(keep(path, 1))
    content[place + 30] ^= 1
    path.write_bytes(content)
    again = KeptFrames(path)
    assert 0 in again
    assert 1 not in again
    again.close()


def test_noughts_of_a_power_cut_are_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    whole = keep(path, 7)
    for rest in (bytes(40), whole[:8] + b"\xff" * 8 + bytes(24)):
        path.write_bytes(whole + rest)
        assert count_kept(path) == 1
        again = KeptFrames(path)
        assert (len(again), 0 in again, path.read_bytes()) == (1, False, whole)
        again.close()


def test_frames_are_counted_without_being_read(tmp_path: Path) -> None:
    keep(tmp_path / "kept", 3, 4, 3)
    assert (count_kept(tmp_path / "kept"), count_kept(tmp_path / "none")) == (2, 0)
