"""The C++ ops against plain float64 torch, at awkward sizes; outputs start as NaN so that each unwritten row shows."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fast_loop import parametrize
from tests.ops.kernel_cases import EPSILONS, FAINT, KERNELS, TOLERANCES, Case, CaseShape, kernels_of
from vsfdat.ops import native
from vsfdat.ops.interface import ChannelWeights, FfnWeights, NetworkShape, Norm, SpatialWeights

CPU, SHAPE = torch.device("cpu"), NetworkShape(96, 3, 144, 8)
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
# Relative to the largest value: one rounding of the output and a few inside.
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1.2e-2, torch.float16: 1e-3}
SIZES = [(1, 1), (7, 9), (8, 8), (37, 51), (64, 64), (9, 130)]


@pytest.fixture(autouse=True, scope="module")
def _kernels() -> None:
    if reason := native.why_not(CPU, torch.float32, SHAPE):
        pytest.skip(reason)


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape) * scale


def norm_weights(c: int) -> Norm:
    return Norm(1 + normal(c, scale=0.1), normal(c, scale=0.1), 1e-5)


def spatial_weights(c: int, heads: int, window: int = 8, *, biased: bool = False) -> SpatialWeights:
    qkv_bias = normal(3 * c, scale=0.2) if biased else None
    qkv, table = normal(3 * c, c, scale=c**-0.5), normal(heads, window**2, window**2)
    return SpatialWeights(norm_weights(c), qkv, qkv_bias, table,
                          normal(c, 3, 3, scale=0.3), window)  # fmt: skip


def channel_weights(c: int) -> ChannelWeights:
    return ChannelWeights(norm_weights(c), normal(c, 3, 3, scale=0.3), normal(c, scale=c**-0.5))


def ffn_weights(c: int, d: int) -> FfnWeights:
    return FfnWeights(
        norm_weights(c), normal(d, c, scale=c**-0.5), normal(d, 3, 3, scale=0.3), normal(c, d, scale=d**-0.5)
    )


# --- the truth, in float64 ---


def layer_norm(x: Tensor, norm: Norm) -> Tensor:
    return F.layer_norm(x.double(), x.shape[-1:], norm.weight.double(), norm.bias.double())


def convolve(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    return F.conv2d(x.double().permute(2, 0, 1)[None], weight.double(), padding=1, groups=groups)[0].permute(1, 2, 0)


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    return convolve(x, weight[:, None], x.shape[-1])


def window_attention(n: Tensor, weights: SpatialWeights) -> Tensor:
    (h, w, c), side, heads = n.shape, weights.window, weights.bias.shape[0]
    n = F.pad(n, (0, 0, 0, -w % side, 0, -h % side))
    tall, wide = n.shape[0] // side, n.shape[1] // side
    n = n.view(tall, side, wide, side, c).transpose(1, 2).reshape(-1, side**2, c)
    bias = None if weights.qkv_bias is None else weights.qkv_bias.double()
    qkv = F.linear(n, weights.qkv.double(), bias)
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    n = ((q @ k.mT + weights.bias.double()).softmax(-1) @ v).transpose(1, 2).flatten(2)
    return n.view(tall, wide, side, side, c).transpose(1, 2).reshape(tall * side, wide * side, c)[:h, :w]


def close(actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    assert not actual.isnan().any(), "a row was left unwritten"
    error = (actual.double() - expected).abs().max() / expected.abs().max()
    assert error < TOLERANCE[dtype], f"{error:.2e} of the largest value"


def feature_map(h: int, w: int, c: int, dtype: torch.dtype) -> Tensor:
    return (normal(h, w, c) * 2 + normal(c)).to(dtype)


def unwritten(x: Tensor, channels: int | None = None) -> Tensor:
    return torch.full((*x.shape[:2], channels or x.shape[2]), torch.nan, dtype=x.dtype)


# --- the tests ---


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CASES = [(h, w, 96, 3) for h, w in SIZES] + [
    (37, 51, c, heads) for c, heads in [(108, 4), (120, 4), (128, 4), (180, 6), (7, 1)]
]


@pytest.mark.parametrize("dtype", DTYPES)
@parametrize(("h", "w", "c", "heads"), CASES, quick=[(7, 9, 96, 3), (37, 51, 7, 1)])
class TestOps:
    def test_spatial_reduce(self, h: int, w: int, c: int, heads: int, dtype: torch.dtype) -> None:
        x, weights = feature_map(h, w, c, dtype), spatial_weights(c, heads)
        sums = native.spatial_reduce(x, native.pack_spatial(weights, dtype), (0, h))
        expected = F.gelu(depthwise(layer_norm(x, weights.norm), weights.conv))
        # Of many values that cancel: relative to what a sum of that many could reach.
        error = (sums.double() - expected.sum((0, 1))).abs().max() / expected.abs().sum((0, 1)).max()
        assert error < TOLERANCE[dtype]

    def test_spatial_apply(self, h: int, w: int, c: int, heads: int, dtype: torch.dtype) -> None:
        x, weights = feature_map(h, w, c, dtype), spatial_weights(c, heads)
        projection, bias = normal(c, c, scale=c**-0.5), normal(c)
        out = unwritten(x)
        native.spatial_apply(x, out, native.pack_spatial(weights, dtype), projection, bias, (0, h))
        n = layer_norm(x, weights.norm)
        attended = F.linear(window_attention(n, weights), projection.double(), bias.double())
        close(out, x + attended + F.gelu(depthwise(n, weights.conv)), dtype)

    def test_channel_reduce(self, h: int, w: int, c: int, heads: int, dtype: torch.dtype) -> None:
        x, weights = feature_map(h, w, c, dtype), channel_weights(c)
        gram, sums = native.channel_reduce(x, native.pack_channel(weights, dtype), (0, h))
        n = layer_norm(x, weights.norm).flatten(0, 1)
        close(gram, n.mT @ n, dtype)
        assert (sums - n.sum(0)).abs().max() / n.abs().sum(0).max() < TOLERANCE[dtype]

    def test_channel_apply(self, h: int, w: int, c: int, heads: int, dtype: torch.dtype) -> None:
        x, weights = feature_map(h, w, c, dtype), channel_weights(c)
        matrix, bias = normal(c, c, scale=c**-0.5), normal(c)
        out = unwritten(x)
        native.channel_apply(x, out, native.pack_channel(weights, dtype), matrix, bias, (0, h))
        n = layer_norm(x, weights.norm)
        a = F.linear(n, matrix.double(), bias.double())
        gate = (a @ weights.gate.double()).sigmoid()[..., None]
        close(out, x + a + F.gelu(depthwise(n, weights.conv)) * gate, dtype)

    def test_ffn(self, h: int, w: int, c: int, heads: int, dtype: torch.dtype) -> None:
        d = c + c // 2 + 1  # odd, for 96
        x, weights = feature_map(h, w, c, dtype), ffn_weights(c, d)
        out = unwritten(x)
        native.ffn(x, out, native.pack_ffn(weights, dtype), (0, h))
        hidden = F.gelu(layer_norm(x, weights.norm) @ weights.fc1.double().mT)
        close(out, x + depthwise(hidden, weights.conv) @ weights.fc2.double().mT, dtype)

    def test_conv3x3(self, h: int, w: int, c: int, heads: int, dtype: torch.dtype) -> None:
        x, weight, bias = feature_map(h, w, c, dtype), normal(c, c, 3, 3, scale=c**-0.5 / 3), normal(c)
        out, residual = unwritten(x), feature_map(h, w, c, dtype)
        native.conv3x3(x, out, native.pack_conv(weight, bias, dtype), residual, (0, h))
        close(out, convolve(x, weight, 1) + bias.double() + residual, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("c_in", "c_out"), [(3, 96), (12, 96), (1, 7), (96, 12), (96, 48), (64, 256), (5, 3)])
def test_conv3x3_between_widths(c_in: int, c_out: int, dtype: torch.dtype) -> None:
    x, weight = feature_map(21, 43, c_in, dtype), normal(c_out, c_in, 3, 3, scale=c_in**-0.5 / 3)
    out = unwritten(x, c_out)
    native.conv3x3(x, out, native.pack_conv(weight, None, dtype), None, (0, 21))
    close(out, convolve(x, weight, 1), dtype)


@parametrize("dtype", DTYPES, quick=[torch.float32])
@pytest.mark.parametrize(
    ("c", "heads", "window"), [(96, 3, 4), (108, 4, 7), (24, 2, 16), (96, 3, 8), (40, 8, 3), (5, 5, 2)]
)
def test_any_window_with_biased_qkv(c: int, heads: int, window: int, dtype: torch.dtype) -> None:
    x, weights = feature_map(19, 45, c, dtype), spatial_weights(c, heads, window, biased=True)
    projection, bias, out = normal(c, c, scale=c**-0.5), normal(c), unwritten(x)
    native.spatial_apply(x, out, native.pack_spatial(weights, dtype), projection, bias, (0, 19))
    n = layer_norm(x, weights.norm)
    attended = F.linear(window_attention(n, weights), projection.double(), bias.double())
    close(out, x + attended + F.gelu(depthwise(n, weights.conv)), dtype)


def every_op(dtype: torch.dtype, c: int = 96) -> dict:
    """Each op with its weights, as (x, out, rows) -> what it returns."""
    spatial, channel = native.pack_spatial(spatial_weights(c, 3), dtype), native.pack_channel(channel_weights(c), dtype)
    hidden, conv = (
        native.pack_ffn(ffn_weights(c, c), dtype),
        native.pack_conv(normal(c, c, 3, 3, scale=0.03), None, dtype),
    )
    matrix, bias = normal(c, c, scale=0.1), normal(c)
    return {
        "spatial_reduce": lambda x, out, rows: native.spatial_reduce(x, spatial, rows),
        "spatial_apply": lambda x, out, rows: native.spatial_apply(x, out, spatial, matrix, bias, rows),
        "channel_reduce": lambda x, out, rows: torch.cat(
            [t.flatten() for t in native.channel_reduce(x, channel, rows)]
        ),
        "channel_apply": lambda x, out, rows: native.channel_apply(x, out, channel, matrix, bias, rows),
        "ffn": lambda x, out, rows: native.ffn(x, out, hidden, rows),
        "conv3x3": lambda x, out, rows: native.conv3x3(x, out, conv, x, rows),
    }


OPS = list(every_op(torch.float32)) if not native.why_not(CPU, torch.float32, SHAPE) else []


@parametrize("dtype", DTYPES, quick=[torch.float32])
@pytest.mark.parametrize("name", OPS)
class TestEveryOp:
    def test_writes_only_its_rows(self, name: str, dtype: torch.dtype) -> None:
        """Rows in two calls are the whole map's rows to the bit, and nothing else is touched."""
        x, op = feature_map(37, 51, 96, dtype), every_op(dtype)[name]
        whole, upper, lower = unwritten(x), unwritten(x), unwritten(x)
        sums = op(x, whole, (0, 37)), op(x, upper, (0, 16)), op(x, lower, (16, 37))
        if sums[0] is not None:
            close(sums[1] + sums[2], sums[0].double(), torch.float32)
            return
        assert upper[16:].isnan().all()
        assert lower[:16].isnan().all()
        assert torch.equal(torch.cat([upper[:16], lower[16:]]), whole)

    def test_threads_do_not_change_a_bit(self, name: str, dtype: torch.dtype) -> None:
        x, op, before = feature_map(100, 150, 96, dtype), every_op(dtype)[name], torch.get_num_threads()
        results = []
        try:
            for threads in (1, 2, 3, 2):
                torch.set_num_threads(threads)
                out = unwritten(x)
                sums = op(x, out, (0, 100))
                results.append(out if sums is None else sums)
        finally:
            torch.set_num_threads(before)
        assert all(torch.equal(results[0], result) for result in results[1:])

    @pytest.mark.parametrize("poison", [torch.nan, torch.inf])
    def test_poison_spreads_and_stays_local(self, name: str, dtype: torch.dtype, poison: float) -> None:
        x, op, out = feature_map(40, 40, 96, dtype), every_op(dtype)[name], torch.zeros(40, 40, 96, dtype=dtype)
        x[20, 21, 5] = poison
        sums = op(x, out, (0, 40))
        if sums is not None:
            assert not sums.isfinite().all()
            return
        assert not out[20, 21].isfinite().any() or not out[20, 21].isfinite().all()
        assert out[:14].isfinite().all()
        assert out[27:].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", kernels_of(native))
def test_the_cases_of_all_backends(kernel: str, dtype: torch.dtype) -> None:
    outcome = KERNELS[kernel](Case(CaseShape(24, 2, 40, qkv_bias=True), 19, 11, (8, 16), dtype, CPU), native)
    assert outcome.error <= TOLERANCES[dtype]
    assert outcome.untouched


@pytest.mark.parametrize("eps", EPSILONS)
@pytest.mark.parametrize("kernel", kernels_of(native))
def test_layer_norm_has_the_networks_epsilon(kernel: str, eps: float) -> None:
    case = Case(CaseShape(24, 2, 40), 19, 11, (8, 16), torch.float32, CPU, eps=eps, **FAINT)
    assert KERNELS[kernel](case, native).error <= TOLERANCES[torch.float32]


def test_refuses_what_it_cannot_read() -> None:
    x, weights = feature_map(8, 8, 96, torch.float32), native.pack_ffn(ffn_weights(96, 96), torch.float32)
    with pytest.raises(ValueError, match="contiguous"):
        native.ffn(x.transpose(0, 1), unwritten(x), weights, (0, 8))
    with pytest.raises(ValueError, match=r"packed for torch\.float32, passed torch\.bfloat16"):
        native.ffn(x.bfloat16(), unwritten(x), weights, (0, 8))


def test_says_why_a_dtype_cannot_run() -> None:
    assert native.why_not(CPU, torch.float64, SHAPE) == "the CPU kernels know fp32, fp16 and bf16, not torch.float64"


def test_is_for_cpus() -> None:
    assert native.why_not(torch.device("cuda:0"), torch.float32, SHAPE) == "they are for CPUs, this is cuda:0"
