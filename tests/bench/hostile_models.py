"""Model files that are damaged, made to hurt, or something else: every kind that `fuzz_models` tries.

A kind is a file ending and a function that writes one such file, the same one for the same seed.
"""

import copy
import io
import json
import math
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.arch.config import UPSAMPLER_TYPES

Tensors = dict[Any, Any]
Write = Callable[[Path, Random], None]

META = "upsampler.MetaUpsample"
FC1, CONV_AFTER, BLOCK = "groups.0.blocks.0.ffn.fc1.weight", "conv_after.weight", "groups.0.blocks.0."
HUGE = 10**9
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch's checkpoints of the old kind begin


def tensors(random: Random) -> Tensors:
    """A small network with any head."""
    torch.manual_seed(random.randrange(1000))
    head = random.choice(UPSAMPLER_TYPES[1:])
    network = FDAT(embed_dim=16, num_groups=2, depth_per_group=1, num_heads=2, scale=2, mid_dim=16, upsampler_type=head)
    return dict(network.state_dict())


def stretched(*shape: int) -> Tensor:
    """A tensor of any size that takes 4 bytes in a pickle."""
    return torch.zeros(1).expand(shape)


def edited(edit: Callable[[Tensors, Random], object]) -> Write:
    """Write a network after an edit; what the edit returns, if anything, takes the network's place."""

    def write(path: Path, random: Random) -> None:
        content = tensors(random)
        content = edit(content, random) or content
        if path.suffix == ".safetensors":
            save_file({key: value.contiguous() for key, value in content.items()}, path)
        else:
            torch.save(content, path, _use_new_zipfile_serialization=random.random() < 0.7)

    return write


def replaced(key: str, value: object) -> Write:
    """Write a network with one other value."""
    return edited(lambda content, random: content.update({key: value}))


def with_metadata(**metadata: str) -> Write:
    """Write a sound network that says this of itself."""
    written = {"steps": "300", "worked_s": "630", "machine": "an abacus", "started_from": "random weights"} | metadata
    return lambda path, random: save_file(tensors(random), path, written)


def holding(content: bytes) -> Write:
    """Write these bytes."""
    return lambda path, random: path.write_bytes(content) and None


def damaged(damage: Callable[[bytes, Random], bytes]) -> Write:
    """Write a sound network's file, then damage it; .ckpt is a checkpoint of the old kind."""

    def write(path: Path, random: Random) -> None:
        if path.suffix == ".safetensors":
            save_file(tensors(random), path, {"license": "CC0"})
        else:
            torch.save(tensors(random), path, _use_new_zipfile_serialization=path.suffix != ".ckpt")
        path.write_bytes(damage(path.read_bytes(), random))

    return write


def pickled(programme: bytes) -> Write:
    """Write a torch archive whose pickle is this programme."""

    def write(path: Path, random: Random) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", b"\x80\x02" + programme)
            archive.writestr("x/version", "3\n")

    return write


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(1, len(content))]


def flip(content: bytes, random: Random) -> bytes:
    """Flip bits anywhere, half the time where the names and sizes are rather than the weights."""
    places = range(min(8000, len(content))) if random.random() < 0.5 else range(len(content))
    flipped = bytearray(content)
    for _ in range(random.choice([1, 2, 8, 64])):
        flipped[random.choice(places)] ^= 1 << random.randrange(8)
    return bytes(flipped)


def zero_block(content: bytes, random: Random) -> bytes:
    """Lose a sector, as broken downloads do."""
    start = random.randrange(len(content))
    return content[:start] + bytes(len(content[start : start + 4096])) + content[start + 4096 :]


def claim_sizes(content: bytes, random: Random) -> bytes:
    """Let every entry of the archive's directory claim gigabytes."""
    claims = bytearray(content)
    place = claims.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<2L", claims, place + 20, 3 * HUGE, 3 * HUGE)
        place = claims.find(b"PK\x01\x02", place + 4)
    return bytes(claims)


def rename_somewhere(old: str, new: str) -> Callable[[Tensors, Random], Tensors]:
    """Put other names in the place of those that start with `old`."""
    return lambda content, random: {key.replace(old, new): value for key, value in content.items()}


def nameless_head(content: Tensors, random: Random) -> Tensors:
    return {key.replace("upsampler.0", "upsampler.zero"): value for key, value in content.items() if key != META}


def deflate(path: Path, random: Random) -> None:
    """Write 1.2 GB of zeros as 1.2 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        torch.save({"a": stretched(1)}, plain := io.BytesIO())
        with zipfile.ZipFile(plain) as source:
            archive.writestr("x/data.pkl", source.read("archive/data.pkl").replace(b"K\x01t", b"J\x00\x00\x00\x12t", 1))
        archive.writestr("x/version", "3\n")
        with archive.open("x/data/0", "w") as entry:
            for _ in range(1208):
                entry.write(bytes(1_000_000))


def overlap(path: Path, random: Random) -> None:
    """List one entry of 4 MB a thousand times."""
    with zipfile.ZipFile(path, "w") as archive:
        torch.save(tensors(random), plain := io.BytesIO())
        with zipfile.ZipFile(plain) as source:
            archive.writestr("x/data.pkl", source.read("archive/data.pkl"))
        archive.writestr("x/data/0", bytes(4_000_000))
        entry = archive.infolist()[-1]
        for i in range(1, 1000):
            twin = copy.copy(entry)
            twin.filename = f"x/data/{i}"
            archive.filelist.append(twin)


def many_groups(content: Tensors, random: Random) -> None:
    """Give 60,000 groups one tensor of one number each."""
    content |= {f"groups.{i}.conv.weight": torch.zeros(1) for i in range(2, 60_000)}


def many_blocks(content: Tensors, random: Random) -> None:
    """Give each of 60 groups 60 blocks of one tensor."""
    content |= {f"groups.{g}.blocks.{b}.attn.temp": torch.zeros(2, 1, 1) for g in range(60) for b in range(2, 60)}


def blocks_of_little(content: Tensors, random: Random) -> None:
    """Give 240 groups two blocks of as few tensors as pass for one, all of one number."""
    names = ("attn.temp", "n1.weight", "n1.bias", "n2.weight", "n2.bias", "attn.qkv.weight", "ffn.fc1.weight", "a")
    one = torch.zeros(1)
    content |= {f"groups.{g}.blocks.{b}.{name}": one for g in range(2, 240) for b in range(2) for name in names}


def large_and_sound(path: Path, random: Random) -> None:
    """Write a network of 72 million numbers of one byte each."""
    with torch.device("meta"):
        network = FDAT(embed_dim=240, num_groups=11, depth_per_group=6, num_heads=6, scale=2)
    kept = {key: value for key, value in network.state_dict().items() if key != META}
    save_file({key: torch.zeros(value.shape, dtype=torch.float8_e4m3fn) for key, value in kept.items()}, path)


def all_stretched(content: Tensors, random: Random) -> Tensors:
    """Describe a network that is consistent, and gigabytes large, in a pickle of kilobytes."""
    with torch.device("meta"):
        network = FDAT(FDATConfig(embed_dim=240, num_groups=12, num_heads=4, ffn_expansion_ratio=1000.0, scale=2))
    return {key: stretched(*value.shape) for key, value in network.state_dict().items() if key != META}


def header_of(**entries: object) -> Write:
    """Write a safetensors file with this header and 64 bytes of numbers."""
    header = json.dumps(entries).encode()
    return holding(struct.pack("<Q", len(header)) + header + bytes(64))


def names_only(path: Path, number: int) -> None:
    """Name this many tensors of one byte each."""
    entries = {f"a{i}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(number)}
    header = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(number))


def a_tar(path: Path, random: Random) -> None:
    inside = path.with_suffix(".inside")
    torch.save(tensors(random), inside)
    with tarfile.open(path, "w") as archive:
        archive.add(inside, "model.pth")
    inside.unlink()


def a_zip(path: Path, random: Random) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "see inside")


def torch_script(path: Path, random: Random) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


def saved_as(other: str) -> Write:
    """Write what belongs into a file of another ending."""

    def write(path: Path, random: Random) -> None:
        named = path.with_suffix(other)
        save_file(tensors(random), named) if other == ".safetensors" else torch.save(tensors(random), named)
        named.rename(path)

    return write


class Code:
    """What runs code where a pickle is trusted."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo it ran",)


def containing_itself(content: Tensors, random: Random) -> Tensors:
    wrapper: Tensors = {"params": content}
    wrapper["params"] = wrapper
    return wrapper


def cut_dimension(content: Tensors, random: Random) -> None:
    """Take any tensor's first row, or flatten it."""
    key = random.choice([key for key in content if key != META])
    content[key] = random.choice([content[key][0].clone(), content[key].flatten(), content[key][:1].clone()])


def lose_some(content: Tensors, random: Random) -> None:
    for key in random.sample(sorted(content), random.choice([1, 3, 20])):
        del content[key]


def quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.zeros(16, 16, 3, 3), 0.1, 0, torch.qint8)


def _key_of_tuples(levels: int) -> bytes:
    """Set a key whose hash takes 2**levels steps, from a programme of a few bytes a level."""
    return b"}(K\x01" + b"q\x00h\x00\x86" * levels + b"K\x01u."


def _hex_of_hex(levels: int) -> bytes:
    """Double a text again and again."""
    return b"c_codecs\nencode\n" * levels + b"U\x04aaaa" + b"U\x03hex\x86R" * levels + b"."


_NAN_META = torch.full((7,), math.nan)
_F32 = {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}

# (ending, what writes it); a kind is tried once, those of `OFTEN` with many seeds.
KINDS: dict[str, tuple[str, Write]] = {
    "group 1000000": (".safetensors", edited(rename_somewhere("groups.1.conv", "groups.1000000.conv"))),
    "block 1000000": (".pth", edited(rename_somewhere("groups.1.blocks.1", "groups.1.blocks.1000000"))),
    "group of 9999 digits": (".pth", edited(rename_somewhere("groups.1.conv", f"groups.{'9' * 9999}.conv"))),
    "group of no number": (".pth", edited(rename_somewhere("groups.1.", "groups.one."))),
    "head of no number": (
        ".pth",
        edited(nameless_head),
    ),
    "60000 groups": (".pth", edited(many_groups)),
    "60000 groups, safetensors": (".safetensors", edited(many_groups)),
    "3600 blocks": (".pth", edited(many_blocks)),
    "480 blocks": (".pth", edited(blocks_of_little)),
    "72 MB of float8": (".safetensors", large_and_sound),
    "400000 tensors": (".safetensors", lambda p, r: names_only(p, 400_000)),
    "45000 tensors": (".safetensors", lambda p, r: names_only(p, 45_000)),
    "huge fc1": (".safetensors", replaced(FC1, torch.zeros(500_000, 16, dtype=torch.float16))),
    "stretched fc1": (".pth", replaced(FC1, stretched(HUGE, 16))),
    "stretched bias": (".pth", replaced(BLOCK + "attn.bias", stretched(2, 30_000, 30_000))),
    "stretched conv_after": (".pth", replaced(CONV_AFTER, stretched(HUGE, 16, 3, 3))),
    "stretched heads": (".pth", replaced(BLOCK + "attn.bias", stretched(HUGE, 64, 64))),
    "all stretched": (".pth", edited(all_stretched)),
    "Meta stretched": (".pth", replaced(META, stretched(HUGE))),
    "Meta too short": (".safetensors", replaced(META, torch.zeros(3, dtype=torch.uint8))),
    "Meta too long": (".pth", replaced(META, torch.zeros(99, dtype=torch.uint8))),
    "Meta scalar": (".pth", replaced(META, torch.tensor(3))),
    "Meta empty": (".pth", replaced(META, torch.zeros(0))),
    "Meta of strings": (".pth", replaced(META, ["3", "pixelshuffle"])),
    "Meta NaN": (".safetensors", replaced(META, _NAN_META)),
    "Meta complex": (".pth", replaced(META, torch.zeros(7, dtype=torch.complex64))),
    "Meta width 1e9": (".pth", replaced(META, torch.tensor([3, 2, 2, 16, 3, HUGE, 4]))),
    "Meta channels 1e9": (".pth", replaced(META, torch.tensor([3, 1, 2, 16, HUGE, 64, 4]))),
    "Meta scale 255": (".pth", replaced(META, torch.tensor([3, 3, 255, 16, 3, 64, 4], dtype=torch.uint8))),
    "Meta scale 0": (".pth", replaced(META, torch.tensor([3, 3, 0, 16, 3, 64, 4], dtype=torch.uint8))),
    "Meta negative": (".pth", replaced(META, torch.tensor([3, -1, 2, 16, 3, 64, 4]))),
    "Meta head 200": (".pth", replaced(META, torch.tensor([3, 200, 2, 16, 3, 64, 4], dtype=torch.uint8))),
    "0-d tensor": (".safetensors", replaced(CONV_AFTER, torch.tensor(1.0))),
    "0-d fc1": (".pth", replaced(FC1, torch.tensor(1.0))),
    "0-d bias": (".pth", replaced(BLOCK + "attn.bias", torch.tensor(1.0))),
    "numbers for tensors": (".pth", edited(lambda t, r: dict.fromkeys(t, 1.0))),
    "a number for a tensor": (".pth", replaced(CONV_AFTER, 1.0)),
    "empty tensor": (".safetensors", replaced(CONV_AFTER, torch.zeros(0, 16, 3, 3))),
    "empty fc1": (".pth", replaced(FC1, torch.zeros(HUGE, 0))),
    "empty gate": (".pth", replaced(BLOCK + "inter.cg.1.weight", torch.zeros(0, 16, 1, 1))),
    "empty bias": (".pth", replaced(BLOCK + "attn.bias", torch.zeros(2, 64, 0))),
    "complex": (".pth", replaced(CONV_AFTER, torch.zeros(16, 16, 3, 3, dtype=torch.complex64))),
    "whole numbers": (".safetensors", replaced(CONV_AFTER, torch.zeros(16, 16, 3, 3, dtype=torch.int64))),
    "truth values": (".pth", replaced(CONV_AFTER, torch.zeros(16, 16, 3, 3, dtype=torch.bool))),
    "float8": (".pth", replaced(CONV_AFTER, torch.zeros(16, 16, 3, 3).to(torch.float8_e4m3fn))),
    "quantised": (".pth", lambda p, r: torch.save(tensors(r) | {CONV_AFTER: quantised()}, p)),
    "sparse": (".pth", replaced(CONV_AFTER, torch.zeros(16, 16, 3, 3).to_sparse())),
    "sparse rows": (".pth", edited(lambda t, r: t | {FC1: torch.zeros(16, 16).to_sparse_csr()})),
    "meta": (".pth", replaced(CONV_AFTER, torch.empty(HUGE, 16, 3, 3, device="meta"))),
    "number as a name": (".pth", edited(lambda t, r: t | {7: torch.zeros(1)})),
    "all names numbers": (".pth", edited(lambda t, r: dict(enumerate(t.values())))),
    "number as a name, beside text": (".pth", edited(lambda t, r: {"state_dict": t | {3: 4, None: "x"}, "epoch": 3})),
    "pair as a name": (".pth", edited(lambda t, r: {("conv", 1): torch.zeros(1), "epoch": 1})),
    "bytes as a name": (".pth", edited(lambda t, r: {"params": {b"conv_first.weight": torch.zeros(1), **t}})),
    "names with escapes": (".safetensors", edited(lambda t, r: t | {"\x1b[31mred\x1b]0;owned\x07": torch.zeros(1)})),
    "name of a megabyte": (".safetensors", edited(lambda t, r: t | {"a" * 1_000_000: torch.zeros(1)})),
    "3000 names too many": (".pth", edited(lambda t, r: t | {f"extra.{i}": torch.zeros(1) for i in range(3000)})),
    "escapes in metadata": (
        ".safetensors",
        with_metadata(license="\x1b[2J\x1b]0;me\x07MIT\nno", credits="\x9b31m"),
    ),
    "steps no number": (".safetensors", with_metadata(worked_s="a while")),
    "time no number": (".safetensors", with_metadata(worked_s="nan")),
    "time endless": (".safetensors", with_metadata(worked_s="1e999")),
    "licence of a megabyte": (".safetensors", with_metadata(license="MIT " * 250_000)),
    "web page": (".pth", holding(b"<!DOCTYPE html>\n<html><body>404</body></html>")),
    "web page named .safetensors": (".safetensors", holding(b"\n<html><head>" + b"x" * 3000)),
    "git lfs": (".pth", holding(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")),
    "text": (".pt", holding(b"Not Found")),
    "gzip": (".pth", holding(b"\x1f\x8b\x08" + bytes(400))),
    "tar": (".pth", a_tar),
    "zip of others": (".pth", a_zip),
    "torchscript": (".pt", torch_script),
    "safetensors named .pth": (".pth", saved_as(".safetensors")),
    "pickle named .safetensors": (".safetensors", saved_as(".pth")),
    "nothing": (".pth", holding(b"")),
    "nothing, safetensors": (".safetensors", holding(b"")),
    "noise": (".pth", lambda p, r: p.write_bytes(r.randbytes(5000)) and None),
    "noise, safetensors": (".safetensors", lambda p, r: p.write_bytes(r.randbytes(5000)) and None),
    "deflated": (".pth", deflate),
    "overlapping entries": (".pth", overlap),
    "entries that claim 3 GB": (".pth", damaged(claim_sizes)),
    "header of 40 MB": (".safetensors", holding(struct.pack("<Q", 40_000_000) + b'{"a":"' + b"x" * 39_999_992 + b'"}')),
    "header of brackets": (".safetensors", holding(struct.pack("<Q", 900_000) + b'{"a":' + b"[" * 899_995)),
    "header past the end": (".safetensors", holding(struct.pack("<Q", 2**62) + b"{}")),
    "unknown dtype": (".safetensors", header_of(**{CONV_AFTER: _F32 | {"dtype": "F99"}})),
    "overlapping tensors": (".safetensors", header_of(a=_F32, b=_F32)),
    "overflowing shape": (".safetensors", header_of(a=_F32 | {"shape": [2**40, 2**40]})),
    "metadata of numbers": (".safetensors", header_of(a=_F32, __metadata__={"license": 7})),
    "runs code": (".pth", edited(lambda t, r: t | {"x": Code()})),
    "plain pickle": (".pth", holding(pickle.dumps([1, 2]))),
    "bytearray of 3 GB": (".pth", pickled(b"c__builtin__\nbytearray\n\x8a\x05\x00\x5e\xd0\xb2\x00\x85R.")),
    "hex of hex": (".pth", pickled(_hex_of_hex(29))),
    "tensor of 8 TB": (".pth", pickled(b"ctorch\nFloatTensor\n\x8a\x06\x00\x00\x00\x00\x00\x02\x85R.")),
    "key of 2**60 tuples": (".pth", pickled(_key_of_tuples(60))),
    "key of nested tuples": (".pth", pickled(b"}(K\x01" + b"\x85" * 2_000_000 + b"K\x01u.")),
    "20 MB of lists": (".pth", pickled(b"]" * 20_000_000 + b".")),
    "20 MB of lists, old kind": (".pth", holding(MAGIC + b"\x80\x02" + b"]" * 20_000_000 + b".")),
    "wrapped in itself": (".pth", edited(containing_itself)),
    "a list": (".pth", edited(lambda t, r: list(t.values()))),
    "a tensor": (".pth", lambda p, r: torch.save(torch.zeros(3), p)),
    "swa": (".pth", edited(lambda t, r: {"n_averaged": torch.tensor(5)} | {f"module.{k}": v for k, v in t.items()})),
    "two networks": (".pth", edited(lambda t, r: {f"{n}.{k}": v for n in ("net", "net_ema") for k, v in t.items()})),
    "embed_dim 300": (".pth", edited(lambda t, r: t | {CONV_AFTER: torch.zeros(300, 300, 3, 3)})),
    "other network": (".pth", edited(lambda t, r: {"body.0.weight": torch.tensor(1), "body.1.weight": torch.zeros(0)})),
}

OFTEN: dict[str, tuple[str, Write]] = {
    "cut": (".pth", damaged(cut)),
    "cut, old kind": (".ckpt", damaged(cut)),
    "cut, safetensors": (".safetensors", damaged(cut)),
    "flipped": (".pth", damaged(flip)),
    "flipped, old kind": (".ckpt", damaged(flip)),
    "flipped, safetensors": (".safetensors", damaged(flip)),
    "lost sector": (".pth", damaged(zero_block)),
    "lost sector, safetensors": (".safetensors", damaged(zero_block)),
    "cut dimension": (".safetensors", edited(cut_dimension)),
    "lost tensors": (".pth", edited(lose_some)),
}
