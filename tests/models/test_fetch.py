"""Published models come whole and as published, or not at all, and errors are one sentence."""

import errno
import hashlib
import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import save

from tests.models.server import Site, serving
from tests.stand_ins import tiny_fdat
from vsfdat.cli import main
from vsfdat.errors import DownloadError
from vsfdat.models import load_model
from vsfdat.models.fetch import fetch
from vsfdat.models.public import PublicModel
from vsfdat.places import cache_folder, memory_file, user_catalogue

MODEL = save(tiny_fdat(embed_dim=32).state_dict())
PAGE = "https://example.org/page"
BY_HAND = f"; it can be got by hand from {PAGE}, and named by its path"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.files["/small.safetensors"] = MODEL
        yield site


def public(site: Site, path: str = "/small.safetensors", **more: object) -> PublicModel:
    facts = {"name": "small", "author": "Ann", "scale": 2, "architecture": "FDAT", "licence": "MIT", "purpose": "tests"}
    return PublicModel(**facts | {"page": PAGE, "url": site.url + path} | more)  # type: ignore[arg-type]


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


def in_zip(site: Site, content: bytes, **more: object) -> PublicModel:
    site.files["/pack.zip"] = content
    return public(site, "/pack.zip", **{"member": "small.safetensors"} | more)


def left() -> list[str]:
    return sorted(path.name for path in cache_folder("models").glob("*"))


def fails(model: PublicModel) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(model)
    said = str(caught.value)
    assert said.startswith("small cannot be fetched: ")
    return said.removeprefix("small cannot be fetched: ").removesuffix(BY_HAND)


def test_a_name_is_fetched_once_and_then_works_without_a_server(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    model, seen = public(site), []
    file = fetch(model, progress=lambda done, total: seen.append((done, total)))
    assert (file.read_bytes(), file.parent) == (MODEL, cache_folder("models"))
    assert seen[-1] == (len(MODEL), len(MODEL))
    assert fetch(model) == file
    assert site.asked == [("/small.safetensors", None)]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("vsfdat")] == [
        f"fetching small by Ann (licence: MIT) from {model.host}"
    ]


def test_upscale_takes_the_name_of_a_users_catalogue(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    entry = "\n".join(
        f"{name} = {json.dumps(value)}" for name, value in vars(public(site)).items() if value not in ("", 0)
    )
    user_catalogue().parent.mkdir(parents=True)
    user_catalogue().write_text(f"[[model]]\n{entry}\n")
    assert load_model("small").config.embed_dim == 32
    main(["models", "--all"])
    assert f"small  2x  FDAT, MIT, by Ann: tests; {site.url}/small.safetensors\n" in capsys.readouterr().out
    main(["download", "small"])
    captured = capsys.readouterr()
    assert captured.out == f"{cache_folder('models')}/small.safetensors\n"
    assert captured.err.startswith(f"small by Ann: FDAT 2x, tests\nlicence: MIT ({PAGE})\n")
    main(["info", "small"])
    assert f"MIT (Ann, {PAGE})" in capsys.readouterr().out


def test_a_cut_connection_is_resumed(site: Site) -> None:
    site.cut_after = 40_000
    model = public(site)
    assert fails(model) == "the connection was cut after 0.0 MB, and the same command goes on from there"
    assert left() == [".lock", "small.safetensors.part", "small.safetensors.part.json"]
    site.cut_after = None
    assert fetch(model).read_bytes() == MODEL
    assert site.asked[-1] == ("/small.safetensors", "bytes=32768-")
    assert left() == [".lock", "small.safetensors"]


def test_another_file_by_now_begins_anew(site: Site) -> None:
    site.cut_after = 40_000
    fails(public(site))
    site.files["/small.safetensors"], site.cut_after = save(tiny_fdat(embed_dim=16).state_dict()), None
    assert fetch(public(site)).read_bytes() == site.files["/small.safetensors"]


def test_a_server_that_cannot_resume_is_asked_for_all_of_it(site: Site) -> None:
    site.cut_after, site.can_resume = 40_000, False
    assert fails(public(site)).endswith("the same command begins anew, for the server cannot resume it")
    site.cut_after = None
    assert fetch(public(site)).read_bytes() == MODEL
    assert site.asked[-1] == ("/small.safetensors", None)


def test_a_pinned_sum_is_held(site: Site) -> None:
    assert fails(public(site, sha256="0" * 64)).endswith(f"gave has another sha256 than {'0' * 64}")
    assert left() == [".lock"]
    right = hashlib.sha256(MODEL).hexdigest()
    assert fetch(public(site, sha256=right)).read_bytes() == MODEL


def test_a_sum_is_remembered_from_the_first_time(site: Site) -> None:
    file = fetch(public(site))
    file.unlink()
    site.files["/small.safetensors"] = save(tiny_fdat(embed_dim=16).state_dict())
    assert fails(public(site)).endswith(f"gave has another sha256 than {hashlib.sha256(MODEL).hexdigest()}")
    assert left() == [".lock"]


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(site: Site) -> None:
    fetch(public(site)).write_bytes(MODEL[:-1])
    assert fetch(public(site)).read_bytes() == MODEL


def test_a_licence_for_non_commercial_use_is_accepted_once(site: Site) -> None:
    model = public(site, licence="CC BY-NC 4.0")
    with pytest.raises(DownloadError) as caught:
        fetch(model)
    assert str(caught.value) == (
        f"small by Ann is for non-commercial use only (CC BY-NC 4.0, {PAGE}); if yours is, accept it once with: "
        'vsfdat download "small" --accept-licence'
    )
    assert site.asked == []
    fetch(model, accept_licence=True).unlink()
    assert fetch(model).is_file()
    with pytest.raises(DownloadError, match="non-commercial"):
        fetch(public(site, licence="CC BY-NC-SA 4.0"))  # another one since then


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda site: site.files.clear(), "{host} says 404 Not Found"),
        (lambda site: site.files.update({"/small.safetensors": b"\n <!DOCTYPE html><html>"}),
         "{host} gave a web page in its place"),
        (lambda site: site.files.update({"/small.safetensors": b"\0" * 99}),
         "small.safetensors: is no safetensors file, or its beginning is damaged"),
        (lambda site: setattr(site, "content_length", 10**15),
         "needs 1000000000.0 MB, and {folder} has {left} MB left"),
        (lambda site: site.redirects.update({"/small.safetensors": "http://example.org/small.safetensors"}),
         "example.org is not asked, because its address does not begin with https://"),
        (lambda site: site.redirects.update({"/small.safetensors": "/small.safetensors"}),
         "{host} sends from one address to the next without end"),
    ],
)  # fmt: skip
def test_bad_answers_are_one_sentence_and_leave_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Site], None], sentence: str
) -> None:
    usage = type("Usage", (), {"free": 5_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    spoil(site)
    model = public(site)
    assert fails(model) == sentence.format(host=model.host, folder=cache_folder("models"), left="5.0")
    assert left() == [".lock"]


def test_nobody_there(site: Site) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        model = public(site, name="small", url=f"http://127.0.0.1:{closed.getsockname()[1]}/small.safetensors")
        assert fails(model) == f"{model.host} cannot be reached (Connection refused)"
    assert left() == [".lock"]


def test_a_full_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DownloadError) as caught:
        fetch(public(site), progress=full)
    assert str(caught.value) == (
        f"small cannot be fetched: {cache_folder('models')} cannot be written (No space left on device); nothing of it "
        "was kept"
    )
    assert left() == [".lock"]


def test_a_member_comes_out_of_an_archive_with_its_neighbours(site: Site) -> None:
    other = save(tiny_fdat(embed_dim=16).state_dict())
    model = in_zip(site, zipped(**{"folder__small.safetensors": MODEL, "other.safetensors": other, "x.txt": b"-"}))
    user_catalogue().parent.mkdir(parents=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in vars(model).items() if value not in ("", 0)]
    entry = "[[model]]\n" + "\n".join(lines).replace("small", "other")
    user_catalogue().write_text(entry)
    assert fetch(model).read_bytes() == MODEL
    assert left() == [".fresh", ".lock", "other.safetensors", "small.safetensors"][1:]
    assert load_model("other").config.embed_dim == 16
    assert len(site.asked) == 1


def test_the_sum_of_a_member_is_held(site: Site) -> None:
    model = in_zip(site, zipped(**{"small.safetensors": MODEL}), member_sha256="1" * 64)
    assert fails(model) == (
        f"small.safetensors is not what was published: its sha256 is {hashlib.sha256(MODEL).hexdigest()}, "
        f"not {'1' * 64}"
    )
    assert left() == [".lock"]


def lying(size: int) -> bytes:
    """An archive whose member says to be of another size than it is."""
    content = bytearray(zipped(**{"small.safetensors": b"\0" * 9}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = size.to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize(
    ("archive", "sentence"),
    [
        (zipped(**{"a.safetensors": MODEL, "b.txt": b""}),
         "the archive has no small.safetensors; it has a.safetensors, b.txt"),
        (zipped(**{"a__small.safetensors": MODEL, "b__small.safetensors": MODEL}),
         "the archive has 2 files named small.safetensors"),
        (zipped(**{"small.safetensors": b"\0" * 10_000_000}),
         "small.safetensors in the archive claims 10.0 MB in 0.0 MB, as no model does"),
        (lying(3_000_000_000), "small.safetensors in the archive claims 3000.0 MB in 0.0 MB, as no model does"),
        (b"PK\x03\x04" + b"\0" * 99, "the archive is damaged, encrypted or no zip file (File is not a zip file)"),
        (zipped(**{"small.safetensors": MODEL}).replace(MODEL[-40:-30], b"x" * 10, 1)[:-30],
         "the archive is damaged, encrypted or no zip file (File is not a zip file)"),
    ],
)  # fmt: skip
def test_hostile_archives_are_one_sentence_and_leave_nothing(site: Site, archive: bytes, sentence: str) -> None:
    assert fails(in_zip(site, archive)) == sentence
    assert left() == [".lock"]


def test_paths_in_an_archive_lead_nowhere(site: Site, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    model = in_zip(site, zipped(**{"..__..__..__small.safetensors": MODEL, "..__evil.safetensors": b"-"}))
    assert fetch(model) == cache_folder("models") / "small.safetensors"
    new = {path.name for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert new == {"small.safetensors", ".lock", "models.json"}


def test_a_damaged_memory_is_named(site: Site) -> None:
    memory_file().parent.mkdir(parents=True)
    memory_file().write_text("{")
    with pytest.raises(DownloadError) as caught:
        fetch(public(site))
    assert str(caught.value) == (
        f"{memory_file()} is damaged; delete it, and fetched models are taken as they are from then on"
    )


def test_a_model_without_an_address_names_its_page(site: Site) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(public(site, url=""))
    assert str(caught.value) == (
        f"small has no address that could be verified; get it from {PAGE} and pass the file's path"
    )
