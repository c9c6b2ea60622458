"""Ways to damage a file of a run: blind ones on its bytes, and ones that know JSON and re-sign what they changed."""

import hashlib
import json

HOSTILE = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**39, -(10**39), 0.5, 1e308, -1e308, 1e-320),
    *(float("nan"), float("inf"), "", "-", "\x1b[2J", "\0", "ŝ" * 40, "../../x", "__class__", [], {}, [[]], {"a": 1}),
)


def flip(rng, content):
    """One bit the other way round."""
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def scribble(rng, content):
    """A few bytes replaced by others."""
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.randint(1, 16)) + content[at + 16 :]


def truncate(rng, content):
    """The end cut off, perhaps all of it."""
    return content[: rng.randrange(len(content))]


def extend(rng, content):
    """Something added at the end."""
    return content + rng.choice([b"\n", b"\0", b" ", b"{}", rng.randbytes(64), content])


def drop(rng, content):
    """A piece cut out of the middle."""
    at, length = rng.randrange(len(content)), rng.randint(1, 64)
    return content[:at] + content[at + length :]


def repeat(rng, content):
    """A piece that stands there twice."""
    at, length = rng.randrange(len(content)), rng.randint(1, 64)
    return content[: at + length] + content[at : at + length] + content[at + length :]


def digits(rng, content):
    """One digit replaced by another, wherever text holds one."""
    places = [i for i, byte in enumerate(content[:100_000]) if 48 <= byte <= 57]
    if not places:
        return flip(rng, content)
    at = rng.choice(places)
    return content[:at] + b"%d" % rng.randrange(10) + content[at + 1 :]


BLIND = (flip, scribble, truncate, extend, drop, repeat, digits)


def places(data, path=()):
    """The way to every part of a JSON value."""
    found = [path] if path else []
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            found += places(data[key], (*path, key))
    return found


def hostile(rng, data):
    """A copy of a JSON value with one part replaced, taken out, or joined by another."""
    data = json.loads(json.dumps(data))
    *way, last = rng.choice(places(data))
    parent = data
    for key in way:
        parent = parent[key]
    kind = rng.random()
    if kind < 0.1:
        del parent[last]
    elif kind < 0.2 and isinstance(parent, dict):
        parent["more"] = rng.choice(HOSTILE)
    elif kind < 0.5 and type(parent[last]) in (int, float):
        parent[last] += rng.choice([1, -1, 0.5, 100, 10**12])
    else:
        parent[last] = rng.choice(HOSTILE)
    return data


def in_json(rng, content):
    """A JSON file with a hostile part."""
    return json.dumps(hostile(rng, json.loads(content))).encode()


def in_header(rng, content):
    """A safetensors file with a hostile part in its own header."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(hostile(rng, json.loads(content[8 : 8 + length]))).encode()
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def resigned(rng, content):
    """A safetensors file whose plain data was changed by somebody who knows how to sign it."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    entry = json.loads(header["__metadata__"]["tinygrad_lm"])
    entry["content"] = json.dumps(hostile(rng, json.loads(entry["content"])), sort_keys=True)
    found = hashlib.sha256(entry["content"].encode())
    names = {"F32": "float32", "F64": "float64", "I64": "int64", "I32": "int32", "U8": "uint8"}
    data = content[8 + length :]
    for name in sorted(header.keys() - {"__metadata__"}):
        start, end = header[name]["data_offsets"]
        found.update(repr((name, names[header[name]["dtype"]], tuple(header[name]["shape"]))).encode())
        found.update(data[start:end])
    entry["sha256"] = found.hexdigest()
    header["__metadata__"]["tinygrad_lm"] = json.dumps(entry)
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data
