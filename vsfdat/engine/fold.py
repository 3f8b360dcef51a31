"""The algebraic rewrites: exact, one function each, one line of mathematics each.

What depends on the weights alone is rewritten once; what depends on the frame is rewritten from its sums.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_NORMALIZE_EPS = 1e-12


def scale_into_q(qkv: Tensor, head_dim: int) -> Tensor:
    """(s·q)·kᵀ with q = W_q·n + b_q  =  ((s·W_q)·n + s·b_q)·kᵀ, s = head_dim^-½.

    Args:
        qkv: [3·C, C] or, for the bias, [3·C].
        head_dim: Channels of a head.

    Returns:
        As `qkv`, its first third scaled.
    """
    q, k, v = qkv.chunk(3)
    return torch.cat((q * head_dim**-0.5, k, v))


def channel_gate(mean: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
    """g = σ(W₂·GELU(W₁·m)), m the mean of the convolution branch over the frame's pixels.

    Args:
        mean: m, [C].
        squeeze: W₁, [C/r, C].
        excite: W₂, [C, C/r].

    Returns:
        [C].
    """
    return torch.sigmoid(_times(excite, F.gelu(_times(squeeze, mean))))


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix * vector).sum(dim=-1)


def gate_into_projection(gate: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """g ⊙ (W·a + b)  =  (diag(g)·W)·a + g ⊙ b.

    Args:
        gate: g, [C], what this frame's `channel_gate` gave.
        weight: W, the projection's, [C, C].
        bias: b, the projection's, [C].

    Returns:
        The projection [C, C] and its bias [C] for this frame.
    """
    return gate[:, None] * weight, gate * bias


def channel_attention_into_matrix(
    gram: Tensor,
    sums: Tensor,
    pixels: int,
    qkv: Tensor,
    qkv_bias: Tensor | None,
    temperature: Tensor,
    projection: Tensor,
    projection_bias: Tensor,
    product: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> tuple[Tensor, Tensor]:
    """P·A·(W_v·n + b_v) + b_P  =  (P·A·W_v)·n + (P·A·b_v + b_P), A = diag(A₁…A_h).

    The Aᵢ need the frame only through G: q·kᵀ = W_q·G·W_kᵀ and ‖qᵢ‖² = (W_q·G·W_qᵀ)ᵢᵢ; with a bias, W stands for
    [W b] and G for the sum of (n, 1)ᵀ(n, 1).

    Args:
        gram: G = nᵀn, [C, C], n the frame's normalised features.
        sums: Σn over the frame's pixels, [C].
        pixels: How many were summed.
        qkv: W_q, W_k and W_v below each other, [3·C, C].
        qkv_bias: b_q, b_k and b_v, [3·C], or None.
        temperature: One a head, [h].
        projection: P, [C, C].
        projection_bias: b_P, the projection's own, [C].
        product: Multiplies matrices [..., M, K] · [..., K, N].

    Returns:
        The matrix [C, C] and the bias [C] for this frame.
    """
    if qkv_bias is None:
        qkv_bias = qkv.new_zeros(qkv.shape[0])
    heads = temperature.numel()
    count = gram.new_full((1, 1), pixels)
    gram = torch.cat((torch.cat((gram, sums[:, None]), dim=1), torch.cat((sums[None], count), dim=1)))
    # [3·C, C + 1] -> q, k, v: [h, head_dim, C + 1]
    q, k, v = torch.cat((qkv, qkv_bias[:, None]), dim=1).reshape(3, heads, -1, gram.shape[0])

    q_gram, k_gram = product(q, gram), product(k, gram)
    products = product(q_gram, k.transpose(1, 2))
    weights = products / (_norms(q, q_gram)[:, :, None] * _norms(k, k_gram)[:, None, :]) * temperature.view(-1, 1, 1)
    # [h, head_dim, C + 1] -> [C, C + 1]
    folded = product(projection, product(weights.softmax(dim=-1), v).flatten(0, 1))
    return folded[:, :-1], folded[:, -1] + projection_bias


def _norms(rows: Tensor, rows_gram: Tensor) -> Tensor:
    """‖W·n‖ over the frame's pixels, row by row: twice [h, head_dim, C], W and W·G -> [h, head_dim]."""
    squares = (rows_gram * rows).sum(dim=-1)
    return squares.clamp(min=0).sqrt().clamp(min=_NORMALIZE_EPS)


def doubling_into_convolution(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A 4×4 transposed convolution of stride 2 = a 3×3 convolution to four pictures, shuffled together.

    Output row 2m sees input rows m-1 and m through taps 3 and 1, row 2m+1 sees m and m+1 through taps 2 and 0.

    Args:
        weight: [C_in, C_out, 4, 4], padding 1.
        bias: One number for each channel made, [C_out].

    Returns:
        Weight [4·C_out, C_in, 3, 3] and bias [4·C_out], in `pixel_shuffle`'s order.
    """
    c_in, c_out = weight.shape[:2]
    folded = weight.new_zeros(c_out, 2, 2, c_in, 3, 3)
    taps = {0: {0: 3, 1: 1}, 1: {1: 2, 2: 0}}  # parity of the output row: {row of the 3×3: row of the 4×4}
    for down, rows in taps.items():
        for right, columns in taps.items():
            for i, row in rows.items():
                for j, column in columns.items():
                    folded[:, down, right, :, i, j] = weight[:, :, row, column].T
    return folded.reshape(4 * c_out, c_in, 3, 3), bias.repeat_interleave(4)


def fusion_into_convolution(weight: Tensor, bias: Tensor, mix: Tensor, mix_bias: Tensor) -> tuple[Tensor, Tensor]:
    """M·(W∗c + b, W∗a + b) + m = (M_c·W, M_a·W)∗(c, a) + (M_c + M_a)·b + m.

    Args:
        weight: W of the convolution that centre c and average a both go through, [C, C_in, 3, 3].
        bias: b, [C].
        mix: M of the 1×1 convolution behind it, [C, 2·C], the centre's part first.
        mix_bias: m, [C].

    Returns:
        Weight [C, 2·C_in, 3, 3] and bias [C] of one convolution of both.
    """
    parts = mix.chunk(2, dim=1)
    folded = torch.cat([torch.einsum("ok,kiyx->oiyx", part, weight) for part in parts], dim=1)
    return folded, (parts[0] + parts[1]) @ bias + mix_bias
