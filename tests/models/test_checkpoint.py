from pathlib import Path

import pytest

from vsfdat.errors import CheckpointError
from vsfdat.models.checkpoint import read_state_dict


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"a", b"\x80\x02J\x01", b"c\xff\n\xff\n"],
    ids=["EOFError", "KeyError", "IndexError", "struct.error", "UnicodeDecodeError"],
)
def test_junk_is_called_what_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk.pth").write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(tmp_path / "junk.pth")
    assert str(caught.value) == "junk.pth: not a readable torch checkpoint; it is empty, damaged or of another kind"


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(tmp_path / "folder.pth")
    assert str(caught.value) == "folder.pth: not a readable file (Is a directory)"
