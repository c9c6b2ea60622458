"""Tests of model files: what is written comes back, and nothing damaged, foreign or hostile is read."""

import errno
import json
import math
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.helpers.model_files import ARRAYS, DATA, join, parts, same, with_fields
from tinygrad_lm.models import MLP, ModelFileError, NGram, files, loading
from tinygrad_lm.text import Vocabulary


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    path = tmp_path_factory.mktemp("valid") / "model.safetensors"
    files.write_arrays(path, ARRAYS, DATA)
    return path.read_bytes()


class TestRoundTrip:
    def test_arrays_and_data(self, path):
        files.write_arrays(path, ARRAYS, DATA)
        arrays, data = files.read_arrays(path)
        assert same(arrays, ARRAYS) and data == DATA

    @pytest.mark.parametrize(
        "array",
        [
            np.arange(12.0).reshape(3, 4).T,
            np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
            np.arange(12.0)[::3],
            np.arange(12.0)[::-1],
            np.broadcast_to(np.arange(3.0), (4, 3)),
            np.asfortranarray(np.arange(12.0).reshape(3, 4)),
            np.arange(12, dtype=">f8").reshape(3, 4),
            np.arange(12, dtype=">i4")[::-2],
            np.array(2.5),
            np.zeros((0, 3)),
            np.array([np.finfo(np.float32).tiny / 2, -0.0, np.finfo(np.float32).max], np.float32),
            np.array([2**63 - 1, -(2**63)]),
        ],
    )
    def test_arrays_of_every_layout(self, path, array):
        files.write_arrays(path, {"x": array, "y": np.ones(2)})
        arrays, _ = files.read_arrays(path)
        assert arrays["x"].shape == array.shape and arrays["x"].dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(arrays["x"], array) and np.array_equal(np.signbit(arrays["x"]), np.signbit(array))

    @settings(max_examples=50)
    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",)), max_size=9).filter(lambda name: name != "__metadata__"),
            hnp.arrays(
                st.sampled_from(["f4", "f8", "i8", "i4", "u1"]),
                hnp.array_shapes(min_dims=0, min_side=0),
                fill=st.just(1),
            ).filter(lambda array: np.isfinite(array).all()),
            max_size=4,
        )
    )
    def test_any_arrays(self, tmp_path_factory, arrays):
        path = tmp_path_factory.getbasetemp() / "any.safetensors"
        files.write_arrays(path, arrays)
        assert same(files.read_arrays(path)[0], arrays)

    def test_equal_content_gives_equal_bytes(self, path, valid):
        for _ in range(5):
            files.write_arrays(path, dict(reversed(ARRAYS.items())), dict(reversed(DATA.items())))
            assert path.read_bytes() == valid

    @pytest.mark.parametrize("dtype", ["f2", "c16", "O", "U3", "bool", "M8[s]", "u8"])
    def test_dtypes_that_would_not_come_back(self, path, dtype):
        with pytest.raises(ModelFileError, match="'x' has dtype"):
            files.write_arrays(path, {"x": np.zeros(2, dtype)})
        assert not path.exists()

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_numbers_that_are_not_finite_leave_the_old_file(self, path, valid, bad):
        path.write_bytes(valid)
        with pytest.raises(ModelFileError, match="'x' holds nan or inf"):
            files.write_arrays(path, {"x": np.array([1.0, bad])})
        assert path.read_bytes() == valid

    def test_a_link_is_read_and_writing_replaces_it(self, tmp_path, path, valid):
        target = tmp_path / "elsewhere"
        target.write_bytes(valid)
        path.symlink_to(target)
        assert same(files.read_arrays(path)[0], ARRAYS)
        files.write_arrays(path, {})
        assert not path.is_symlink() and target.read_bytes() == valid


def deep(depth):
    return b'{"a":' * depth + b"1" + b"}" * depth


MALFORMED = {
    "empty": (lambda h, d: b"", "cut off"),
    "shorter than its length": (lambda h, d: b"\1\0\0", "cut off"),
    "length 2**63": (lambda h, d: join(h, d, 1 << 63), "cut off or too long"),
    "length beyond the file": (lambda h, d: join(h, d, 10_000), "cut off or too long"),
    "header beyond the limit": (lambda h, d: join(json.dumps(h).encode() + b" " * (1 << 20), d), "too long"),
    "not JSON": (lambda h, d: join(b"{no", d), "header"),
    "not UTF-8": (lambda h, d: join(b'{"\xff": 1}', d), "header"),
    "a list": (lambda h, d: join([], d), "not a table"),
    "a number": (lambda h, d: join(7, d), "not a table"),
    "nested deeply": (lambda h, d: join(deep(100_000), d), "header"),
    "cut data": (lambda h, d: join(h, d[:-1]), "cut off"),
    "more data": (lambda h, d: join(h, d + b"\0"), "more of it"),
    "a hole": (lambda h, d: join(with_fields(h, b="data_offsets", to=[24 + 8, 40 + 8]), d + b"\0" * 8), "more of it"),
    "an overlap": (lambda h, d: join(with_fields(h, b="data_offsets", to=[16, 32]), d), "header"),
    "offsets reversed": (lambda h, d: join(with_fields(h, b="data_offsets", to=[40, 24]), d), "header"),
    "offsets missing": (lambda h, d: join({**h, "b": {"dtype": "F64", "shape": [2]}}, d), "header"),
    "another shape": (lambda h, d: join(with_fields(h, b="shape", to=[3]), d), "more of it"),
    "a shape of 2**64 numbers": (lambda h, d: join(with_fields(h, b="shape", to=[1 << 32, 1 << 32]), d), "cut off"),
    "a shape of none and many": (lambda h, d: join(with_fields(h, b="shape", to=[0, 1 << 62]), d), "more of it"),
    "a negative dimension": (lambda h, d: join(with_fields(h, b="shape", to=[-2]), d), "impossible shape"),
    "two negative dimensions": (lambda h, d: join(with_fields(h, b="shape", to=[-2, -1]), d), "impossible shape"),
    "a fractional dimension": (lambda h, d: join(with_fields(h, b="shape", to=[2.0]), d), "impossible shape"),
    "a dimension True": (lambda h, d: join(with_fields(h, b="shape", to=[True, 2]), d), "impossible shape"),
    "a shape that is a word": (lambda h, d: join(with_fields(h, b="shape", to="22"), d), "impossible shape"),
    "nine dimensions": (lambda h, d: join(with_fields(h, b="shape", to=[1] * 8 + [2]), d), "dtype or a shape"),
    "an unknown dtype": (lambda h, d: join(with_fields(h, b="dtype", to="F63"), d), "dtype or a shape"),
    "a dtype no model has": (lambda h, d: join(with_fields(h, b="dtype", to="BF16"), d), "dtype or a shape"),
    "truth values": (
        lambda h, d: join(with_fields(with_fields(h, b="dtype", to="BOOL"), b="shape", to=[16]), d),
        "dtype or a shape",
    ),
    "a dtype that is a list": (lambda h, d: join(with_fields(h, b="dtype", to=[]), d), "header"),
    "an array twice": (lambda h, d: join(json.dumps(h).encode()[:-1] + b', "b": 1}', d), "occurs twice"),
    "100,000 arrays": (lambda h, d: join({**h, **{str(i): 0 for i in range(20_000)}}, d), "not a table"),
    "metadata that are no words": (lambda h, d: join({**h, "__metadata__": {files.ENTRY: 7}}, d), "header"),
    "metadata that are null": (lambda h, d: join({**h, "__metadata__": None}, d), "header"),
    "no checksum": (lambda h, d: join({k: v for k, v in h.items() if k != "__metadata__"}, d), "header"),
    "a checksum alone": (lambda h, d: join({**h, "__metadata__": {files.ENTRY: '{"sha256": "0"}'}}, d), "header"),
    "another name": (lambda h, d: join({"c" if k == "b" else k: v for k, v in h.items()}, d), "checksum"),
    "another dtype": (lambda h, d: join(with_fields(h, b="dtype", to="I64"), d), "checksum"),
    "a flipped bit": (lambda h, d: join(h, d[:7] + bytes([d[7] ^ 1]) + d[8:]), "checksum"),
    "a pickle": (lambda h, d: pickle.dumps({"a": 1, "b": [1, 2]}), "cut off or too long"),
    "a zip archive": (lambda h, d: b"PK\3\4" + b"\0" * 60, "cut off or too long"),
}


class TestMalformed:
    @pytest.mark.parametrize("name", MALFORMED)
    def test_one_error_says_what_is_wrong(self, path, valid, name):
        change, reason = MALFORMED[name]
        path.write_bytes(change(*parts(valid)))
        with pytest.raises(ModelFileError, match=reason) as caught:
            files.read_arrays(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)

    def test_taken_apart_and_joined_it_is_valid(self, path, valid):
        path.write_bytes(join(*parts(valid)))
        assert same(files.read_arrays(path)[0], ARRAYS)

    @given(data=st.data())
    def test_any_damage_is_found_or_changes_nothing(self, tmp_path_factory, valid, data):
        content = bytearray(valid)
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(content) - 1))
            match data.draw(st.sampled_from(["flip", "cut", "insert", "delete", "swap"])):
                case "flip":
                    content[place] ^= 1 << data.draw(st.integers(0, 7))
                case "cut":
                    del content[max(place, 1) :]
                case "insert":
                    content[place:place] = data.draw(st.binary(min_size=1, max_size=20))
                case "delete" if len(content) > 1:
                    del content[place]
                case _:
                    content[place], content[-1] = content[-1], content[place]
        path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
        path.write_bytes(content)
        try:
            arrays, found = files.read_arrays(path)
        except ModelFileError:
            return
        assert same(arrays, ARRAYS) and found == DATA

    @given(st.binary(max_size=300))
    def test_any_bytes(self, tmp_path_factory, content):
        path = tmp_path_factory.getbasetemp() / "bytes.safetensors"
        path.write_bytes(content)
        with pytest.raises(ModelFileError):
            files.read_arrays(path)
        with pytest.raises(ModelFileError):
            files.read_json(path)

    def test_no_file_at_all(self, tmp_path):
        with pytest.raises(ModelFileError, match="cannot be read: No such file"):
            files.read_arrays(tmp_path / "none")
        with pytest.raises(ModelFileError, match="not a regular file"):
            files.read_arrays(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_is_not_waited_for(self, path):
        os.mkfifo(path)
        with pytest.raises(ModelFileError, match="not a regular file"):
            files.read_arrays(path)

    def test_a_file_beyond_the_limit_is_not_read(self, path):
        with path.open("wb") as file:
            file.truncate(files.MAX_FILE + 1)  # sparse: it takes no space
        with pytest.raises(ModelFileError, match="is larger than 1,073,741,824 bytes"):
            files.read_arrays(path)


class TestWeights:
    @pytest.mark.parametrize(
        "model",
        [
            MLP(hidden=(4,), rng=0),
            NGram(3).fit(["ab"]),
            MLP(Vocabulary("राम"), context=1, embedding=1, hidden=(), rng=0),
        ],
    )
    def test_a_model_and_back(self, path, model):
        files.save_weights(model, path)
        twin = loading.build(json.loads(files.json_bytes(files.describe(model))), path, path)
        files.load_weights(twin, path)
        assert same(twin.state_dict(), model.state_dict()) and twin.vocabulary == model.vocabulary

    def test_those_of_another_vocabulary(self, path):
        files.save_weights(MLP(Vocabulary("ab"), hidden=(4,), rng=0), path)
        with pytest.raises(ModelFileError, match="another model or vocabulary"):
            files.load_weights(MLP(Vocabulary("ba"), hidden=(4,), rng=0), path)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda state: state.pop("output.bias"), "missing: 'output.bias'"),
            (lambda state: state.update({"../../x": np.zeros(1, np.float32)}), r"no place for '\.\./\.\./x'"),
            (lambda state: state.update({"__class__": np.zeros(1, np.float32)}), "no place for '__class__'"),
            (lambda state: state.update({"x" * 100_000: np.zeros(1, np.float32)}), "no place for 'x{59}$"),
            (lambda state: state.update({"output.bias": np.zeros(27)}), "has dtype float64, not float32"),
            (lambda state: state.update({"output.bias": np.zeros((27, 1), np.float32)}), r"shape of 'output\.bias'"),
        ],
    )
    def test_other_arrays(self, path, change, reason):
        model = MLP(hidden=(4,), rng=0)
        state = model.state_dict()
        change(state)
        files.save_weights(model, path, state)
        with pytest.raises(ModelFileError, match=reason) as caught:
            files.load_weights(model, path)
        assert len(str(caught.value)) < 1_000

    def test_a_few_words_do_not_take_all_memory(self, path):
        config = {"context": 1000, "embedding": 50_000, "hidden": [1 << 20] * 50, "activation": "tanh"}
        files.save_weights(MLP(hidden=(4,), rng=0), path)
        for kind, sizes in (
            ("mlp", config),
            ("ngram", {"order": 3, "smoothing": 1.0, "contexts": 1 << 32, "pairs": 1 << 32}),
        ):
            description = {"kind": kind, "config": sizes, "vocabulary": Vocabulary().to_json()}
            with pytest.raises(
                ModelFileError, match=r"describes a model of [\d,]+ numbers, more than model\.safetensors"
            ):
                loading.build(description, Path("config.json"), path)

    @pytest.mark.parametrize(
        "description",
        [
            None,
            7,
            [],
            {},
            {"kind": "mlp"},
            {"kind": ["mlp"], "config": {}, "vocabulary": Vocabulary().to_json()},
            {"kind": "os.system", "config": {}, "vocabulary": Vocabulary().to_json()},
            {"kind": "mlp", "config": None, "vocabulary": Vocabulary().to_json()},
            {"kind": "mlp", "config": {"context": 3}, "vocabulary": Vocabulary().to_json()},
            {"kind": "mlp", "config": MLP(rng=0).config(), "vocabulary": {"tokens": ["a", "a"], "boundary": "-"}},
            {"kind": "mlp", "config": MLP(rng=0).config(), "vocabulary": "abc"},
            {
                "kind": "ngram",
                "config": {**NGram(2).config(), "smoothing": 10**400},
                "vocabulary": Vocabulary().to_json(),
            },
            {"kind": "ngram", "config": {**NGram(2).config(), "order": 13}, "vocabulary": Vocabulary().to_json()},
        ],
    )
    def test_what_is_no_description(self, path, valid, description):
        path.write_bytes(valid)
        with pytest.raises(ModelFileError):
            loading.build(description, Path("config.json"), path)


class TestJson:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"7",
            b'"{}"',
            b'{"a": 1, "a": 2}',
            b"\xff{}",
            deep(150_000),
            b'{"n": ' + b"1" * 5_000 + b"}",
        ],
    )
    def test_what_is_no_object(self, path, content):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="is damaged"):
            files.read_json(path)

    def test_a_large_file(self, path):
        path.write_bytes(b" " * (files.MAX_HEADER + 1))
        with pytest.raises(ModelFileError, match="is larger than"):
            files.read_json(path)

    def test_round_trip_with_marks_and_undecodable_paths(self, path):
        data = {"नाम": "कृष्ण", "file": "/x/\udcff\\udcfe.txt", "quote": '"', "big": 2**128}
        path.write_bytes(files.json_bytes(data))
        assert files.read_json(path) == data

    def test_numbers_that_json_does_not_have(self):
        with pytest.raises(ValueError, match="not JSON compliant"):
            files.json_bytes({"loss": math.nan})


class TestAtomicWriting:
    @pytest.mark.parametrize("failing", ["fsync", "replace"])
    def test_a_full_disk_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, failing):
        path = tmp_path / "file"
        files.write_atomically(path, b"old")

        def full(*arguments):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, failing, full)
        with pytest.raises(OSError, match="No space left"):
            files.write_atomically(path, b"new")
        monkeypatch.undo()
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]

    def test_an_interruption_too(self, tmp_path, monkeypatch):
        def interrupted(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            files.write_atomically(tmp_path / "file", b"new")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
    def test_others_may_read_it_as_the_umask_says(self, tmp_path):
        before = os.umask(0o027)
        try:
            files.write_atomically(tmp_path / "file", b"")
        finally:
            os.umask(before)
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_an_archive_of_zeros_is_no_model(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights", b"\0" * 10_000_000)
    with pytest.raises(ModelFileError):
        files.read_arrays(path)
