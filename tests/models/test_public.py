"""The catalogue: ours is whole, and a user's file is held to the same."""

from pathlib import Path

import pytest

from vsfdat.errors import DownloadError
from vsfdat.models import list_models
from vsfdat.models.describe import find_license
from vsfdat.models.public import is_allowed, list_public_models
from vsfdat.places import user_catalogue

ENTRY = 'name = "a"\nauthor = "b"\nscale = 2\narchitecture = "FDAT"\nlicence = "MIT"\npurpose = "p"\npage = "q"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def write(text: str) -> None:
    user_catalogue().parent.mkdir(parents=True)
    user_catalogue().write_text(text)


def test_ours_is_unambiguous_and_every_address_is_https() -> None:
    listed = list_public_models()
    names = [model.name for model in listed] + [info.name for info in list_models()]
    assert len(set(names)) == len(names)
    with_address = [model for model in listed if model.url]
    assert all(model.url.startswith("https://") for model in with_address)
    files = [model.file for model in with_address]
    assert len(set(files)) == len(files) == 9
    assert [Path(file).stem for file in files] == [model.name for model in with_address]


def test_non_commercial_licences_are_known_by_their_letters() -> None:
    said = {model.licence: model.is_non_commercial for model in list_public_models()}
    assert said == {"not stated": False, "CC BY-NC 4.0": True, "CC BY 4.0": False, "CC BY-NC-SA 4.0": True}


def test_the_licence_of_a_file_is_found_by_its_name(tmp_path: Path) -> None:
    assert find_license(tmp_path / "1x-AniRestore_TFDAT.pth").startswith("CC BY-NC-SA 4.0 (")


def test_a_users_entry_replaces_ours_of_that_name() -> None:
    name = list_public_models()[0].name
    write(f"[[model]]\n{ENTRY.replace('"a"', repr(name))}\n[[model]]\n{ENTRY}")
    listed = list_public_models()
    assert [listed[0].author, listed[-1].name] == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[model]", "is no TOML: "),
        ("models = 3", "must hold tables [[model]] and nothing else"),
        ("model = 3", "must hold tables [[model]] and nothing else"),
        ('[[model]]\nname = "a"', ": entry 1 (a): needs architecture, author, licence, page, purpose, scale"),
        (f"[[model]]\n{ENTRY}\nsha = 1", ": entry 1 (a): unknown keys sha; known are name, author, "),
        (f"[[model]]\n{ENTRY.replace('2', '"2"')}", ": entry 1 (a): scale must be of type int, says '2'"),
        (f'[[model]]\n{ENTRY}url = "http://x.org/a.pth"', "url must begin with https://, says 'http://x.org/a.pth'"),
        (f'[[model]]\n{ENTRY}url = "https://x.org/a.zip"',
         "url, or member where it is an archive, must name a .safetensors, .pth, .pt, .ckpt file, names 'a.zip'"),
        (f'[[model]]\n{ENTRY}url = "https://x.org/a.pth"\nsha256 = "12"',
         "sha256 must be 64 digits of 0 to f, says '12'"),
        (f"[[model]]\n{ENTRY.replace('"a"', '"../a"')}", "name must be fit for a file"),
    ],
)  # fmt: skip
def test_faults_of_a_users_file_are_named(text: str, fault: str) -> None:
    write(text)
    with pytest.raises(DownloadError) as caught:
        list_public_models()
    assert str(caught.value).startswith(f"the list of models {user_catalogue()}")
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://x.org/a", True), ("http://127.0.0.1:1/a", True), ("http://localhost/a", True),
        ("http://x.org/a", False), ("http://127.0.0.1.x.org/a", False), ("file:///etc/passwd", False),
        ("ftp://x.org/a", False), ("https://", False), ("https://[", False), ("a", False),
    ],
)  # fmt: skip
def test_addresses(url: str, allowed: bool) -> None:
    assert is_allowed(url) == allowed
