"""Files made to hurt are refused in one sentence, before any memory is taken."""

import zipfile
from pathlib import Path
from random import Random

import pytest

from tests.bench.hostile_kinds import KINDS
from tests.bench.hostile_models import META
from vsfdat.arch.heads import META_TYPES
from vsfdat.errors import CheckpointError
from vsfdat.models import load_model

NO_FDAT = "its tensors describe no FDAT network: "
NO_META = f"{NO_FDAT}{META} must be 7 whole numbers from 0 to 255"
NO_WEIGHTS = "holds more than weights, or is damaged; it was not run. Ask its author for a .safetensors file"
INTRICATE = "its list of tensors is longer or more intricate than any network's"
NUMBERED = "names its contents by int values where text is due"
SAID = {
    "group 1000000": f"{NO_FDAT}the numbers after 'groups' are not 0 to 2",
    "block 1000000": f"{NO_FDAT}the numbers after 'groups.1.blocks' are not 0 to 1",
    "group of 9999 digits": f"{NO_FDAT}the numbers after 'groups' are not 0 to 2",
    "head of no number": f"{NO_FDAT}upsampler.zero.init_pos has no place",
    "stretched fc1": "its tensors claim 64000.1 MB in a file of 0.2 MB",
    "stretched bias": "its tensors claim 7200.1 MB in a file of 0.1 MB",
    "Meta stretched": "its tensors claim 4000.1 MB in a file of 0.2 MB",
    "entries that claim 3 GB": "its entries claim 234000.0 MB in a file of 0.2 MB",
    "overlapping entries": "its entries claim 4000.0 MB in a file of 4.1 MB",
    "Meta too short": NO_META,
    "Meta too long": NO_META,
    "Meta scalar": NO_META,
    "Meta NaN": NO_META,
    "Meta width 1e9": NO_META,
    "Meta negative": NO_META,
    "Meta complex": f"{NO_FDAT}{META} is a tensor of the kind complex64",
    "Meta empty": f"{NO_FDAT}{META} is empty",
    "Meta scale 0": f"{NO_FDAT}scale must be at least 1, passed 0",
    "Meta head 200": f"{NO_FDAT}MetaUpsample names upsampler 200, and FDAT has {len(META_TYPES)}",
    "NaN in a weight": "its weights are damaged, there is NaN or Inf in conv_after.weight; get another file",
    "weights beyond fp32": "its weights are damaged, there is NaN or Inf in conv_after.weight; get another file",
    "0-d tensor": f"{NO_FDAT}conv_after.weight has the shape [] instead of 4 dimensions",
    "0-d bias": f"{NO_FDAT}groups.0.blocks.0.attn.bias has the shape [] instead of 3 dimensions",
    "empty fc1": f"{NO_FDAT}groups.0.blocks.0.ffn.fc1.weight is empty",
    "complex": f"{NO_FDAT}conv_after.weight is a tensor of the kind complex64",
    "truth values": f"{NO_FDAT}conv_after.weight is a tensor of the kind bool",
    "quantised": "holds a quantised tensor; a network's are plain ones",
    "sparse": "holds a sparse tensor; a network's are plain ones",
    "meta": "holds a meta tensor; a network's are plain ones",
    "number as a name": NUMBERED,
    "number as a name, beside text": NUMBERED,
    "names with escapes": r"does not fit FDAT: unexpected \x1b[31mred\x1b]0;owned\x07",
    "name of a megabyte": f"does not fit FDAT: unexpected {'a' * 100}...",
    "zip of others": "is a zip archive of other files; unpack it first",
    "torchscript": "is a TorchScript program; vsfdat runs the weights alone",
    "safetensors named .pth": "is a safetensors file; name it m.safetensors",
    "pickle named .safetensors": "is a torch checkpoint; name it m.pth",
    "bytearray of 3 GB": NO_WEIGHTS,
    "hex of hex": NO_WEIGHTS,
    "key of 2**60 tuples": INTRICATE,
    "key of nested tuples": INTRICATE,
    "wrapped in itself": "holds no tensors",
    "embed_dim 300": f"{NO_FDAT}embed_dim must be at most 255, passed 300",
}


@pytest.mark.parametrize("kind", SAID)
def test_what_is_said(tmp_path: Path, kind: str) -> None:
    suffix, write = KINDS[kind]
    path = tmp_path / f"m{suffix}"
    write(path, Random(0))
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    assert str(caught.value) == f"{path.name}: {SAID[kind]}"


def test_compressed_contents_are_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}.")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "m.pth")
    assert str(caught.value) == ("m.pth: is compressed, as torch never is; get it as its author saved it")
