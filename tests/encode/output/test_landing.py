import errno
import os
import socket
from pathlib import Path

import pytest

from vsfdat.encode.output import landing
from vsfdat.encode.output.landing import check_output, follow, name_job
from vsfdat.errors import EncodeError


def land(output: Path, *, overwrite: bool = False, meanwhile=lambda: None) -> None:
    """Write an output as the command does."""
    check_output(output.with_name("input.mkv"), output, overwrite=overwrite)
    target = follow(output)
    partial = target.with_name("joined")
    with landing.landing(partial, target, overwrite=overwrite):
        partial.write_text("new")
        meanwhile()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a file system that knows no second names, such as FAT."""

    def link(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


@pytest.fixture(params=["links", "no links"])
def output(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "no links":
        refuse_links(monkeypatch)
    return tmp_path / "output.mkv"


def test_an_output_lands_alone(output: Path) -> None:
    land(output)
    assert (names(output.parent), output.read_text()) == (["output.mkv"], "new")


def test_what_appears_meanwhile_is_left_as_it_is_and_nothing_is_lost(output: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        land(output, meanwhile=lambda: output.write_text("theirs"))
    (kept,) = output.parent.glob("output.whole-*.mkv")
    assert str(caught.value) == f"{output} appeared meanwhile and is left as it is; the film is whole in {kept}"
    assert (output.read_text(), kept.read_text()) == ("theirs", "new")
    assert len(names(output.parent)) == 2


def test_what_appears_meanwhile_is_replaced_where_that_was_asked_for(output: Path) -> None:
    land(output, overwrite=True, meanwhile=lambda: output.write_text("theirs"))
    assert (names(output.parent), output.read_text()) == (["output.mkv"], "new")


def test_what_cannot_land_is_kept(output: Path) -> None:
    with pytest.raises(EncodeError, match=r"output.mkv: cannot be written \(Is a directory\); the film is whole in "):
        land(output, overwrite=True, meanwhile=output.mkdir)
    (kept,) = output.parent.glob("output.whole-*.mkv")
    assert kept.read_text() == "new"


def test_a_reserved_name_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_links(monkeypatch)

    def replace(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(EncodeError, match=r"output.mkv: cannot be written \(Input/output error\); the film is whole"):
        land(tmp_path / "output.mkv")
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("output.whole-")


def test_errors_leave_nothing_behind(output: Path) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        land(output, meanwhile=fail)
    assert names(output.parent) == []


def test_links_are_written_through(tmp_path: Path) -> None:
    shelf, link = tmp_path / "shelf", tmp_path / "link.mkv"
    shelf.mkdir()
    link.symlink_to(shelf / "film.mkv")
    land(link)
    assert (link.is_symlink(), names(shelf), link.read_text()) == (True, ["film.mkv"], "new")
    with pytest.raises(EncodeError, match=r"^output exists: .*link\.mkv \(pass --overwrite to replace it\)$"):
        land(link)
    (shelf / "film.mkv").write_text("old")
    land(link, overwrite=True)
    assert (link.is_symlink(), names(shelf), link.read_text()) == (True, ["film.mkv"], "new")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def make_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_way_to_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "no" / "film.mkv")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_folder, "output is a folder: {}"),
        (make_pipe, "output is a pipe or a device: {} (a film is written to a file)"),
        (make_socket, "output is a pipe or a device: {} (a film is written to a file)"),
        (make_device, "output is a pipe or a device: {} (a film is written to a file)"),
        (make_loop, "{}: cannot be written (Too many levels of symbolic links)"),
        (make_way_to_nowhere, "output folder not found: {folder}/no"),
    ],
)
def test_what_is_no_file_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, message: str, overwrite: bool
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    output = Path("o.mkv")
    make(output) if make is make_socket else make(tmp_path / output)
    with pytest.raises(EncodeError) as caught:
        land(output, overwrite=overwrite)
    assert str(caught.value) == message.format(output, folder=tmp_path)
    assert names(tmp_path) == ["o.mkv"]


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    with pytest.raises(EncodeError) as caught:
        land(tmp_path / "output.mkv")
    assert str(caught.value) == f"output folder may not be written to: {tmp_path}"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "film.mkv").touch()
    with pytest.raises(EncodeError) as caught:
        land(tmp_path / "film.mkv" / "output.mkv")
    assert str(caught.value) == f"output folder not found: {tmp_path / 'film.mkv'}"


@pytest.mark.parametrize(
    "stem", ["a" * 251, "あ" * 83 + "xx", os.fsdecode(b"\xe9" * 251)], ids=["letters", "signs", "bytes"]
)
def test_names_may_be_as_long_as_the_system_allows(output: Path, stem: str) -> None:
    longest = output.with_name(f"{stem}.mkv")
    assert len(os.fsencode(longest.name)) == 255
    land(longest)
    assert os.listdir(output.parent) == [longest.name]  # noqa: PTH208 (bytes are compared)
    with pytest.raises(EncodeError, match=r"\(File name too long\)$"):
        land(output.with_name(f"{stem}x.mkv"))


def test_long_names_that_cannot_land_are_kept(output: Path) -> None:
    longest = output.with_name("a" * 251 + ".mkv")
    with pytest.raises(EncodeError):
        land(longest, meanwhile=longest.touch)
    assert len(names(output.parent)) == 2


def test_a_job_has_a_hidden_folder_that_is_called_like_its_film(tmp_path: Path) -> None:
    assert name_job(tmp_path / "film.x.mkv") == tmp_path / ".film.x.mkv.vsfdat"


def test_long_names_of_jobs_are_shortened_and_differ_where_the_films_do(tmp_path: Path) -> None:
    first, second = (name_job(tmp_path / f"{'a' * 250}{number}.mkv") for number in (1, 2))
    assert first == name_job(tmp_path / f"{'a' * 250}1.mkv") != second
    for folder in (first, second):
        folder.mkdir()
