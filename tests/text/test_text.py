"""Tests of tinygrad_lm.text: graphemes, vocabularies, reading, cleaning and splitting names."""

import ast
import itertools
import json
import sys
import unicodedata
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.helpers.refusing import refuses
from tests.helpers.sources import parsed
from tinygrad_lm import checks, lazy, text
from tinygrad_lm.text import (
    DataError,
    Vocabulary,
    bundled_names,
    clean_names,
    graphemes,
    read_names,
    split_names,
)

A_TO_Z = "abcdefghijklmnopqrstuvwxyz"
LETTERS = Vocabulary()
FAMILY = "\U0001f469\u200d\U0001f467"
names_a_to_z = st.text(A_TO_Z, min_size=1, max_size=12)
# Letters, numbers, marks, joiners and symbols of every script; what a vocabulary of names can hold.
printable = st.text(st.characters(exclude_categories=("Cc", "Cs", "Z"), exclude_characters="-"), min_size=1)


class TestGraphemes:
    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("", []),
            ("abid", ["a", "b", "i", "d"]),
            ("कृष्ण", ["कृ", "ष्", "ण"]),
            ("प्रिया", ["प्", "रि", "या"]),
            ("e\u0301a", ["é", "a"]),  # composed by NFC
            ("x\u0301\u0323", ["x\u0323\u0301"]),  # no composed form: the marks stay, in canonical order
            ("\u0301a", ["\u0301", "a"]),  # nothing to stand on
            ("क्\u200dष", ["क्\u200d", "ष"]),
            ("❤\ufe0fa", ["❤\ufe0f", "a"]),
            (FAMILY, ["\U0001f469\u200d", "\U0001f467"]),  # documented: emoji are not joined
            ("\r\n", ["\r", "\n"]),
            ("a\0\x1b", ["a", "\0", "\x1b"]),
            ("\ud800a", ["\ud800", "a"]),
            ("\ufeffa", ["\ufeff", "a"]),
        ],
    )
    def test_examples(self, text, parts):
        assert graphemes(text) == parts

    @given(st.text(st.characters()))
    def test_nothing_is_lost_or_reordered(self, text):
        assert "".join(graphemes(text)) == unicodedata.normalize("NFC", text)

    @given(st.text(st.characters()))
    def test_only_the_first_grapheme_can_start_with_a_mark(self, text):
        assert not any(unicodedata.category(part[0]).startswith("M") for part in graphemes(text)[1:])


class TestVocabulary:
    def test_27_tokens_by_default(self):
        assert len(LETTERS) == 27
        assert LETTERS.tokens == (*A_TO_Z, "-")
        assert LETTERS.encode("az") == [0, 25]
        assert (LETTERS.boundary, LETTERS.boundary_id) == ("-", 26)
        assert Vocabulary(boundary=".").tokens == (*A_TO_Z, ".")
        assert repr(LETTERS) == f"Vocabulary('{A_TO_Z}', boundary='-')"

    def test_membership_equality_hash(self):
        assert "a" in LETTERS and "-" in LETTERS
        assert "A" not in LETTERS and "ab" not in LETTERS and "" not in LETTERS and 0 not in LETTERS
        assert "e\u0301" in Vocabulary("é")
        assert Vocabulary(A_TO_Z) == LETTERS and hash(Vocabulary(A_TO_Z)) == hash(LETTERS)
        assert Vocabulary(boundary=".") != LETTERS and Vocabulary("ba") != Vocabulary("ab")
        assert LETTERS.tokens != LETTERS

    @pytest.mark.parametrize("name", ["कृष्ण", "प्रिया", "ரவி", "নিপুণ", "zoë", "ज्योत्स्ना", "क्\u200dष", FAMILY])
    def test_names_in_any_alphabet_survive(self, name):
        vocabulary = Vocabulary.from_names([name])
        assert vocabulary.decode(vocabulary.encode(name)) == unicodedata.normalize("NFC", name)
        assert vocabulary.tokens[:-1] == tuple(sorted(set(graphemes(name))))

    @given(printable)
    def test_round_trip(self, text):
        vocabulary = Vocabulary.from_names([text])
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == vocabulary.decode(np.array(ids)) == unicodedata.normalize("NFC", text)
        assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary

    def test_unknown_characters_are_named(self):
        refuses(DataError, lambda: LETTERS.encode("abiD"), "'D' (U+0044) at position 3 of 'abiD'", "lower case, 'd'")
        refuses(DataError, lambda: LETTERS.encode("a-b"), "'-' (U+002D) at position 1", "boundary", "Take it out")
        refuses(DataError, lambda: LETTERS.encode("aकृ"), "(U+0915 U+0943) at position 1", "Vocabulary.from_names")
        refuses(DataError, lambda: LETTERS.encode("x\ud800"), r"'\ud800' (U+D800) at position 1")
        refuses(DataError, lambda: LETTERS.encode("\0"), r"'\x00' (U+0000) at position 0")
        refuses(
            DataError, lambda: LETTERS.encode("a" * 100_000 + "!"), "position 100000 of 'aaaaa", "aaa... is not among"
        )
        assert LETTERS.unknown("a-Bé") == ["-", "B", "é"]

    @pytest.mark.parametrize(
        ("ids", "shown"),
        [
            ([0, -1], "-1 at position 1"),
            ([27], "27 at position 0"),
            ([True], "True"),
            ([1.0], "1.0"),
            ("ab", "'ab'"),
            ([10**30], str(10**30)),
            ([[0], [1, 2]], "[0]"),
            (np.array([0.0]), "0.0"),
            (np.array([False]), "False"),
            (np.array([0, 1, -3]), "-3 at position 2"),
            (np.array([2**63], dtype=np.uint64), str(2**63)),
        ],
    )
    def test_ids_are_checked(self, ids, shown):
        refuses(DataError, lambda: LETTERS.decode(ids), "integers from 0 to 26", shown)
        refuses(DataError, lambda: LETTERS.one_hot(ids), "integers from 0 to 26", shown)

    def test_decode_takes_one_sequence(self):
        refuses(DataError, lambda: LETTERS.decode(np.zeros((2, 3), int)), "(2, 3)")
        refuses(DataError, lambda: LETTERS.decode(3), "one sequence")
        assert LETTERS.decode([]) == "" and LETTERS.decode(np.uint8([26, 0])) == "-a"
        assert LETTERS.decode([np.int32(1)]) == "b"

    def test_one_hot(self):
        rows = LETTERS.one_hot([[0, 26], [3, 3]])
        assert rows.shape == (2, 2, 27) and rows.dtype == np.float32
        assert np.array_equal(rows.argmax(-1), [[0, 26], [3, 3]]) and np.array_equal(rows.sum(-1), np.ones((2, 2)))
        every = LETTERS.one_hot(np.arange(27), dtype=np.float64)
        assert every.dtype == np.float64 and np.array_equal(every, np.eye(27))
        distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(every, 2)]
        assert np.allclose(distances, np.sqrt(2))
        assert LETTERS.one_hot([]).shape == (0, 27) and LETTERS.one_hot(5).shape == (27,)

    def test_tokens_are_checked(self):
        refuses(DataError, lambda: Vocabulary([]), "at least one token")
        refuses(DataError, lambda: Vocabulary("aba"), "'a'", "twice")
        refuses(DataError, lambda: Vocabulary(["é", "e\u0301"]), "twice")
        refuses(DataError, lambda: Vocabulary(["ab"]), "a token is one character", "'ab'")
        refuses(DataError, lambda: Vocabulary("ab", boundary=""), "the boundary is one character", "''")
        refuses(DataError, lambda: Vocabulary("ab", boundary="b"), "boundary 'b'", "boundary='.'")
        for junk in ("\0", "\x1b", "\n", "\ud800"):
            refuses(DataError, lambda junk=junk: Vocabulary(["a", junk]), "can be printed", repr(junk))
        refuses(DataError, lambda: Vocabulary.from_names(["jean-luc"]), "boundary '-'", "boundary='.'")
        refuses(DataError, lambda: Vocabulary.from_names([" ", ""]), "no character")
        assert Vocabulary.from_names(["jean-luc"], boundary=".").decode([0]) == "-"

    @pytest.mark.parametrize(
        "data",
        [
            [],
            {"tokens": ["a"]},
            {"tokens": "a", "boundary": "-"},
            {"tokens": ["a"], "boundary": "-", "x": 1},
            {"tokens": ["a", 1], "boundary": "-"},
            {"tokens": ["a"], "boundary": None},
            {"tokens": ["a", "a"], "boundary": "-"},
            {"tokens": [], "boundary": "-"},
        ],
    )
    def test_damaged_json_is_refused(self, data):
        with pytest.raises(DataError):
            Vocabulary.from_json(data)

    def test_from_file(self, tmp_path):
        path = tmp_path / "names.txt"
        path.write_text("कृष्ण\r\nराम \n", encoding="utf-8-sig")
        assert Vocabulary.from_file(path).tokens == ("कृ", "ण", "म", "रा", "ष्", "-")


class TestReadNames:
    def read(self, tmp_path, raw):
        path = tmp_path / "names.txt"
        path.write_bytes(raw)
        return read_names(str(path))

    @pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_line_endings_and_byte_order_mark(self, tmp_path, ending, mark):
        raw = mark + ending.join([b"abid", b"", b" zara"])
        assert self.read(tmp_path, raw) == self.read(tmp_path, raw + ending) == ["abid", "", " zara"]

    @given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"))))
    @example(["a\x0bb\x85c\u2028d"])  # str.splitlines would cut these
    def test_every_line_comes_back(self, tmp_path_factory, lines):
        lines = ["first", *lines]
        path = tmp_path_factory.mktemp("lines") / "names.txt"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        assert read_names(path) == lines

    def test_what_is_no_list_of_names(self, tmp_path):
        refuses(DataError, lambda: read_names(tmp_path / "no.txt"), "no.txt", "no file", "one name a line")
        refuses(DataError, lambda: read_names(tmp_path), "is a directory")
        refuses(DataError, lambda: read_names("a\0b"), r"a\x00b", "cannot be read")
        for empty in (b"", b"\xef\xbb\xbf", b" \r\n\t\n"):
            refuses(DataError, lambda empty=empty: self.read(tmp_path, empty), "is empty")
        refuses(DataError, lambda: self.read(tmp_path, b"abid\0"), "binary", "byte 4 is NUL")
        refuses(DataError, lambda: self.read(tmp_path, "abid".encode("utf-16")), "UTF-16", "Save it as UTF-8")
        refuses(
            DataError, lambda: self.read(tmp_path, b"abid\nzo\xeb\n"), "byte 7, on line 2, is 0xeb", "Save it as UTF-8"
        )
        refuses(DataError, lambda: self.read(tmp_path, b"\xef\xbb\xbfzo\xeb"), "byte 5, on line 1")

    def test_a_file_that_may_not_be_read(self, monkeypatch):
        monkeypatch.setattr(Path, "open", Mock(side_effect=PermissionError(13, "Permission denied")))
        refuses(DataError, lambda: read_names("names.txt"), "'names.txt' cannot be read", "Permission denied", "UTF-8")

    def test_a_file_without_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tinygrad_lm.text.files.MAX_SIZE", 10)
        endless = tmp_path / "endless"
        endless.write_bytes(b"a" * 11)
        refuses(DataError, lambda: read_names(endless), "is larger than 10 bytes", "one name a line")


class TestCleanNames:
    def test_reasons(self):
        lines = ["Abid", " zara\t", "", "abid", "zoë", "a-b", "al", "maximilian", "  "]
        cleaned = clean_names(lines, LETTERS, min_length=3, max_length=8)
        assert cleaned.kept == ("abid", "zara")
        assert cleaned.dropped == {
            "empty": ("", "  "),
            "duplicate": ("abid",),
            "characters outside the vocabulary": ("zoë", "a-b"),
            "shorter than 3": ("al",),
            "longer than 8": ("maximilian",),
        }

    def test_case_is_kept_where_the_vocabulary_has_upper_case(self):
        assert clean_names(["Abid", "abid"], Vocabulary("abidA")).kept == ("Abid", "abid")
        assert clean_names(["Abid"], Vocabulary("abid", boundary="E")).kept == ("abid",)

    def test_lengths_count_graphemes(self):
        lines = ["कृष्ण", "राम"]
        assert clean_names(lines, Vocabulary.from_names(lines), min_length=3).kept == ("कृष्ण",)

    def test_equal_names_in_two_unicode_forms_are_one(self):
        assert clean_names(["zoë", "zoe\u0308"], Vocabulary("zoë")).kept == ("zoë",)

    @pytest.mark.parametrize("junk", ["a\0b", "a\x1b[31m", "ab\u0301", "ab" + FAMILY, "ab\ud800", "a\rb", "a\ufeffb"])
    def test_strange_characters_are_dropped_with_their_line(self, junk):
        cleaned = clean_names(["abid", junk], LETTERS)
        assert cleaned.kept == ("abid",)
        assert cleaned.dropped == {"characters outside the vocabulary": (junk,)}

    @given(st.lists(printable, min_size=1))
    def test_a_vocabulary_from_the_names_drops_only_duplicates(self, lines):
        cleaned = clean_names(lines, Vocabulary.from_names(lines))
        assert set(cleaned.dropped) <= {"duplicate"}
        assert len(cleaned.kept) + len(cleaned.dropped.get("duplicate", ())) == len(lines)
        assert len(set(cleaned.kept)) == len(cleaned.kept)

    def test_nothing_left(self):
        refuses(DataError, lambda: clean_names([], LETTERS), "no line was given")
        refuses(
            DataError,
            lambda: clean_names(["राम", "Zoë", ""], LETTERS),
            "3 line(s)",
            "vocabulary (2)",
            "empty (1)",
            "'ë'",
        )
        refuses(DataError, lambda: clean_names(["राम"], LETTERS), "Vocabulary.from_names")
        refuses(DataError, lambda: clean_names(["al"], LETTERS, min_length=4), "shorter than 4 (1)", "min_length")
        refuses(DataError, lambda: clean_names(["al"], LETTERS, min_length=0), "min_length", "from 1 up", "0")
        refuses(DataError, lambda: clean_names(["al"], LETTERS, 3, 2), "max_length", "from 3 up", "2")


class TestSplitNames:
    @given(st.lists(names_a_to_z, min_size=3, max_size=60), st.integers(0, 2**70), st.randoms())
    def test_no_leak_nothing_lost_order_of_the_input_does_not_matter(self, names, seed, random):
        if len(set(names)) < 3:
            names += ["aa", "bb", "cc"]
        split = split_names(names, seed)
        assert sorted(itertools.chain(*split)) == sorted(set(names))
        assert all(split)
        random.shuffle(names)
        assert split_names(names, seed) == split

    def test_seed(self):
        names = bundled_names()
        assert split_names(names, 0) == split_names(names)
        assert len({split_names(names, seed).test for seed in range(20)}) == 20
        refuses(DataError, lambda: split_names(names, -1), "the seed", "-1")
        refuses(DataError, lambda: split_names(names, True), "the seed", "True")
        refuses(DataError, lambda: split_names(names, None), "the seed", "None")

    def test_sizes(self):
        names = bundled_names()
        split = split_names(names)
        assert len(split.validation) == len(split.test) == round(0.1 * len(names))
        assert [len(part) for part in split_names(names[:4])] == [2, 1, 1]
        assert [len(part) for part in split_names(names[:100], fractions=(0.5, 0.3, 0.2))] == [50, 30, 20]

    def test_too_few_names(self):
        refuses(DataError, lambda: split_names(["abid"]), "1 different name(s)", "at least three")
        refuses(DataError, lambda: split_names(["abid"] * 50), "1 different name(s) (50 with the repeated ones)")
        refuses(DataError, lambda: split_names(list("abcd"), fractions=(0.01, 0.49, 0.5)), "larger first fraction")
        refuses(DataError, lambda: split_names([]), "0 different")
        refuses(DataError, lambda: split_names("abid"), "the string 'abid'")

    @pytest.mark.parametrize(
        "fractions", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)]
    )
    def test_fractions(self, fractions):
        refuses(
            DataError, lambda: split_names(list("abcdef"), fractions=fractions), "whose sum is 1", "(0.8, 0.1, 0.1)"
        )


def test_the_package_needs_numpy_and_the_standard_library_alone():
    allowed = {"numpy", "tinygrad_lm.text", "tinygrad_lm.checks", "tinygrad_lm.lazy", *sys.stdlib_module_names}
    for file in (*Path(text.__file__).parent.glob("*.py"), Path(checks.__file__), Path(lazy.__file__)):
        for node in ast.walk(parsed(file)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                assert any(f"{module}.".startswith(f"{name}.") for name in allowed), (file.name, module)
