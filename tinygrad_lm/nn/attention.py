"""Attention: the function, the layer of several heads, and what tells positions apart, in PyTorch's words."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from tinygrad_lm.autograd import attention as kernels
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.nn import functional as F
from tinygrad_lm.nn.layers import Linear
from tinygrad_lm.nn.module import Module
from tinygrad_lm.nn.parameter import Parameter
from tinygrad_lm.random import as_generator

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Rows = Tensor | Array


@functools.lru_cache(maxsize=64)
def causal_mask(length: int, source: int | None = None) -> Array:
    """True where a query sees a key: at its own place and before. Shape (length, source), read-only."""
    mask = np.tri(length, length if source is None else source, dtype=bool)
    mask.flags.writeable = False
    return mask


@overload
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: np.random.Generator | int | None = None,
) -> Array: ...
@overload
def scaled_dot_product_attention(
    query: Tensor,
    key: Rows,
    value: Rows,
    attn_mask: Rows | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: np.random.Generator | int | None = None,
) -> Tensor: ...
def scaled_dot_product_attention(
    query: Rows,
    key: Rows,
    value: Rows,
    attn_mask: Rows | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: np.random.Generator | int | None = None,
) -> Rows:
    """softmax(Q K^T / sqrt(d) + mask) V: each query's mean of the values, weighted by how it fits their keys.

    Parameters
    ----------
    query
        (..., length, d).
    key
        (..., source, d); its leading axes, and those of the value, broadcast with the query's.
    value
        (..., source, any).
    attn_mask
        Broadcasts to (..., length, source): booleans, true where a query sees a key (for padding: (n, 1, source)), or
        numbers that are added to the scores, -inf to hide one. A query that sees no key gives 0.
    dropout_p
        The probability with which a weight is 0, the others divided by 1 - p. As in PyTorch it is applied whenever it
        is above 0: hand on 0 in evaluation.
    is_causal
        Whether a query sees no key behind its own place, beside what ``attn_mask`` hides.
    scale
        What the scores are multiplied by; ``None``: 1 / sqrt(d).
    rng
        Draws what is dropped; without it the default generator does.

    Returns
    -------
    Tensor
        (..., length, any); an array where all that was given are arrays.

    Raises
    ------
    ValueError
        Naming the shapes that do not fit together.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2.1.
    """
    query, key, value = _like_one_another(query, key, value)
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    mask = _joined(attn_mask, is_causal, (*query.shape[:-1], key.shape[-2]))
    kept = None
    if dropout_p:
        kept = F.dropout_mask((*query.shape[:-1], key.shape[-2]), dropout_p, query.dtype, rng)
    if isinstance(mask, Tensor):
        weights = kernels.weights_reference(cast(Any, query), cast(Any, key), scale=scale, mask=cast(Any, mask))
        return cast(Tensor, (weights if kept is None else weights * kept) @ value)
    return cast(Tensor, kernels.attention(query, key, value, scale=scale, mask=mask, kept=kept))


@overload
def attention_weights(
    query: Array, key: Array, attn_mask: Array | None = None, is_causal: bool = False, scale: float | None = None
) -> Array: ...
@overload
def attention_weights(
    query: Tensor, key: Rows, attn_mask: Rows | None = None, is_causal: bool = False, scale: float | None = None
) -> Tensor: ...
def attention_weights(
    query: Rows, key: Rows, attn_mask: Rows | None = None, is_causal: bool = False, scale: float | None = None
) -> Rows:
    """softmax(Q K^T / sqrt(d) + mask), the weights of ``scaled_dot_product_attention``: (..., length, source).

    Its parameters are that function's. Each row sums to 1, but that of a query that sees no key, which is 0.
    """
    query, key, _ = _like_one_another(query, key, key)
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    mask = _joined(attn_mask, is_causal, (*query.shape[:-1], key.shape[-2]))
    return cast(Tensor, kernels.weights_reference(cast(Any, query), cast(Any, key), scale=scale, mask=cast(Any, mask)))


def _like_one_another(query: Rows, key: Rows, value: Rows) -> tuple[Rows, Rows, Rows]:
    """The three with the same leading axes."""
    lead = {part.shape[:-2] for part in (query, key, value)}
    if len(lead) > 1 and min(part.ndim for part in (query, key, value)) > 1:
        try:
            shape = np.broadcast_shapes(*lead)
        except ValueError:
            pass  # the kernel names the shapes
        else:
            given = (query, key, value)
            query, key, value = (cast(Any, np.broadcast_to(x, (*shape, *x.shape[-2:]))) for x in given)
    kernels.check_attention(cast(Any, query), cast(Any, key), cast(Any, value))
    return query, key, value


def _joined(mask: Rows | None, is_causal: bool, scores: tuple[int, ...]) -> Rows | None:
    """One mask of those that were given: of booleans, or of numbers where one is."""
    causal = causal_mask(*scores[-2:]) if is_causal else None
    if mask is None:
        return causal
    if not isinstance(mask, Tensor):
        mask = np.asarray(mask)
    elif not mask.requires_grad:
        mask = mask.data
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"attn_mask is of booleans, true where a key is seen, or of numbers that are added, not {mask.dtype}"
        )
    try:
        fits = np.broadcast_shapes(mask.shape, scores) == scores
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"attn_mask must broadcast to the scores (..., length, source), {scores}, not {mask.shape}")
    if causal is None:
        return mask
    return mask & causal if mask.dtype == bool else cast(Any, np.where(causal, mask, -np.inf))


class MultiheadAttention(Module):
    """Attention of several heads side by side, each over its share of the width, with PyTorch's parameters.

    ``in_proj_weight`` (3 * embed_dim, embed_dim) has the rows of the queries', the keys' and the values' map,
    ``in_proj_bias`` (3 * embed_dim,) their biases, ``out_proj`` is the ``Linear`` that mixes the heads.

    Parameters
    ----------
    embed_dim, num_heads
        The width, and the number of heads, which divides it.
    dropout
        The probability with which a weight of attention is 0 in training.
    bias
        Whether the maps have biases.
    batch_first
        Whether sequences are (n, length, embed_dim) in place of (length, n, embed_dim).
    rng
        Draws the weights, and what is dropped; without it the default generator does.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = False,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.embed_dim = whole_number(embed_dim, 1, "embed_dim must be a whole number from 1, not")
        self.num_heads = whole_number(num_heads, 1, "num_heads must be a whole number from 1, not")
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {embed_dim} is not divided by num_heads {num_heads}: each head has a share")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a probability from 0 to below 1, not {dropout!r}")
        self.dropout, self.batch_first = dropout, bool(batch_first)
        self.rng = None if rng is None else as_generator(rng)
        generator = as_generator(rng) if self.rng is None else self.rng
        bound = math.sqrt(6 / (4 * embed_dim))  # Xavier's, of the three maps as one
        self.in_proj_weight = Parameter(generator.uniform(-bound, bound, (3 * embed_dim, embed_dim)), dtype=dtype)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim), dtype=dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=generator, dtype=dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data = np.zeros(embed_dim)

    def forward(
        self,
        query: Rows,
        key: Rows,
        value: Rows,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from a query to keys and values; the three may be one (self-attention).

        Parameters
        ----------
        query, key, value
            (length, n, embed_dim) and twice (source, n, embed_dim), or with ``batch_first`` the axis n first; without
            the axis n, one sequence.
        key_padding_mask
            (n, source), true where a key is only padding and **not** seen, as in PyTorch.
        need_weights
            Whether the weights are given too; without them the fused kernel computes.
        attn_mask
            (length, source) or (n * num_heads, length, source): booleans, true where a key is **not** seen, as in
            PyTorch and other than in ``scaled_dot_product_attention``; or numbers that are added to the scores.
        average_attn_weights
            Whether the weights are the mean over the heads, (n, length, source), or (n, heads, length, source).
        is_causal
            Whether a query sees no key behind its own place.

        Returns
        -------
        tuple
            The output, shaped as the query, and the weights or ``None``.
        """
        single = query.ndim == 2
        parts = [
            part[None] if single else part if self.batch_first else part.swapaxes(0, 1) for part in (query, key, value)
        ]
        projected = self._projected(parts, same=query is key and key is value)
        heads = [self._heads(part) for part in projected]
        seen = self._seen(key_padding_mask, attn_mask, heads[0], heads[1])
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            weights = attention_weights(heads[0], heads[1], seen, is_causal)
            mixed = F.dropout(weights, p, rng=self.rng) @ heads[2]
            weights = weights.mean(axis=1) if average_attn_weights else weights
            weights = weights[0] if single else weights
        else:
            mixed = scaled_dot_product_attention(*heads, attn_mask=seen, dropout_p=p, is_causal=is_causal, rng=self.rng)
        n, _, length, _ = mixed.shape
        out = self.out_proj(mixed.swapaxes(1, 2).reshape(n, length, self.embed_dim))
        return (out[0] if single else out if self.batch_first else out.swapaxes(0, 1)), weights

    def _projected(self, parts: list[Any], same: bool) -> list[Any]:
        """Queries, keys and values (n, length, embed_dim): by one product where all are made of the same."""
        width = self.embed_dim
        for part, what in zip(parts, ("query", "key", "value"), strict=True):
            if part.ndim != 3 or part.shape[-1] != width:
                raise ValueError(f"MultiheadAttention: the {what} must have {width} as its last axis, not {part.shape}")
        if parts[1].shape != parts[2].shape:
            raise ValueError(
                f"MultiheadAttention: each key has a value, but they are (n, source, width) {parts[1].shape} and "
                f"{parts[2].shape}"
            )
        if same:
            whole = F.linear(parts[0], self.in_proj_weight, self.in_proj_bias)
            return [whole[..., i * width : (i + 1) * width] for i in range(3)]
        found = list[Any]()
        for i, part in enumerate(parts):
            rows = slice(i * width, (i + 1) * width)
            bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
            found.append(F.linear(part, self.in_proj_weight[rows], bias))
        return found

    def _heads(self, x: Any) -> Tensor:
        """(n, length, embed_dim) as (n, heads, length, share)."""
        n, length, width = x.shape
        return x.reshape(n, length, self.num_heads, width // self.num_heads).swapaxes(1, 2)

    def _seen(self, padding: Any, mask: Any, query: Any, key: Any) -> Any:
        """PyTorch's two masks, true where a key is hidden, as one for the function, true where it is seen."""
        found: Any = None
        if mask is not None:
            mask = mask if isinstance(mask, Tensor) else np.asarray(mask)
            found = ~detach(mask) if mask.dtype == bool else mask
            if found.ndim == 3:
                if len(found) != query.shape[0] * self.num_heads:
                    raise ValueError(
                        "attn_mask of three axes is (n * num_heads, length, source), with "
                        f"{query.shape[0] * self.num_heads} first, not {found.shape}"
                    )
                found = found.reshape(query.shape[0], self.num_heads, *found.shape[1:])
        if padding is not None:
            padding = np.asarray(detach(padding))
            padding = padding[None] if padding.ndim == 1 else padding
            if padding.dtype != bool or padding.shape != (key.shape[0], key.shape[2]):
                raise ValueError(
                    f"key_padding_mask is of booleans (n, source), {(key.shape[0], key.shape[2])}, true where a key is "
                    f"padding, not {padding.dtype} {padding.shape}"
                )
            seen = ~padding[:, None, None]
            found = seen if found is None else found & seen if found.dtype == bool else np.where(seen, found, -np.inf)
        return found

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.embed_dim}, {self.num_heads} heads" + (f", dropout={self.dropout}" if self.dropout else "")


def sinusoidal_positions(length: int, width: int, dtype: DTypeLike = np.float32) -> Array:
    """PE(pos, 2i) = sin(pos / 10000^(2i / width)), PE(pos, 2i + 1) = cos of the same: (length, width).

    What is added to embeddings, so that a model of attention can tell positions apart (Vaswani et al. 2017, section
    3.5; level 6 of the lectures). Of an odd width the last column is a sine.
    """
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    table = np.empty((length, width))
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : width // 2])
    return table.astype(dtype)


@functools.lru_cache(maxsize=64)
def _rotations(first: int, length: int, width: int, base: float, dtype: Any) -> tuple[Array, Array]:
    angles = np.arange(first, first + length)[:, None] / base ** (np.arange(0, width, 2) / width)
    both = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    for table in both:
        table.flags.writeable = False
    return both


@overload
def rotary(x: Array, first: int = 0, base: float = 10_000.0) -> Array: ...
@overload
def rotary(x: Tensor, first: int = 0, base: float = 10_000.0) -> Tensor: ...
def rotary(x: Rows, first: int = 0, base: float = 10_000.0) -> Rows:
    """Queries or keys (..., length, width) turned by their places, so that their products tell the distance alone.

    Column i and column i + width / 2 are the coordinates of a point that is turned by the angle
    place / base^(2i / width); the first row has the place ``first``. The width is even.

    References
    ----------
    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
    """
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ValueError(f"rotary takes rows (..., length, width) of an even width, not {x.shape}: it turns pairs")
    length, width = x.shape[-2:]
    cosine, sine = _rotations(first, length, width, base, np.float64 if x.dtype.kind in "biu" else x.dtype)
    left, right = x[..., : width // 2], x[..., width // 2 :]
    return cast(Tensor, np.concatenate([left * cosine - right * sine, left * sine + right * cosine], axis=-1))
