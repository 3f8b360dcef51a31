import pytest

from vsfdat.training.logbook import Line, Logbook, plot_log, read_log


def test_a_resumed_log_drops_what_is_done_again(tmp_path):
    book = Logbook(tmp_path / "log.tsv")
    for step in (2, 4, 6):
        book.write(Line(step, 1.5, step / 8, 0.1, float("nan"), float("nan")))
    assert [line.step for line in read_log(Logbook(tmp_path / "log.tsv", from_step=5).file)] == [2, 4]
    assert read_log(Logbook(tmp_path / "log.tsv").file) == []


@pytest.mark.slow
def test_the_curve_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    book = Logbook(tmp_path / "log.tsv")
    book.write(Line(2, 1.5, 0.5, 0.1, 30.0, 0.9))
    book.write(Line(4, 3.0, 1.0, 0.08, 31.0, 0.91))
    assert plot_log(book.file, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
