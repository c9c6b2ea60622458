"""Tests of what every tokenizer promises, and that a saved one is found by its kind."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.pairs import Pairs, registered
from tinygrad_lm.text import (
    TOKENIZERS,
    DataError,
    NameDataset,
    Vocabulary,
    clean_names,
    graphemes,
    in_lower_case,
    tokenizer_from_json,
)

DEVANAGARI = "कृष्णप्रिया"
KNOWN = {
    "characters": Vocabulary(),
    "another boundary": Vocabulary("abc", boundary="."),
    "devanagari": Vocabulary.from_names([DEVANAGARI]),
    "pairs": Pairs("abc"),
    "pairs of devanagari": Pairs(DEVANAGARI, boundary="-"),
}
UNKNOWN = "\N{SNOWMAN}"


def texts(tokenizer):
    """Names of the tokenizer's characters; at least one."""
    letters = sorted({part for token in _without_boundary(tokenizer) for part in graphemes(token)})
    return st.lists(st.sampled_from(letters), min_size=1, max_size=9).map("".join)


def _without_boundary(tokenizer):
    return [token for index, token in enumerate(tokenizer.tokens) if index != tokenizer.boundary_id]


@pytest.mark.parametrize("tokenizer", KNOWN.values(), ids=KNOWN.keys())
class TestEveryTokenizer:
    @given(data=st.data())
    def test_a_text_comes_back(self, tokenizer, data):
        text = data.draw(texts(tokenizer))
        ids = tokenizer.encode(text)
        assert all(type(index) is int and 0 <= index < len(tokenizer) for index in ids)
        assert tokenizer.boundary_id not in ids
        whole = unicodedata.normalize("NFC", text)
        assert tokenizer.decode(ids) == tokenizer.decode(np.array(ids)) == whole
        assert "".join(tokenizer.tokens[index] for index in ids) == whole
        assert sum(len(graphemes(tokenizer.tokens[index])) for index in ids) == len(graphemes(text))
        assert tokenizer.unknown(text) == []

    def test_the_boundary_is_a_token_and_no_text(self, tokenizer):
        assert len(tokenizer) == len(tokenizer.tokens) == len(set(tokenizer.tokens))
        assert tokenizer.tokens[tokenizer.boundary_id] == tokenizer.boundary
        assert tokenizer.decode([tokenizer.boundary_id]) == tokenizer.boundary
        assert tokenizer.unknown(tokenizer.boundary) == [tokenizer.boundary]
        with pytest.raises(DataError):
            tokenizer.encode(tokenizer.boundary)

    @given(data=st.data())
    def test_what_it_does_not_know_is_named_and_refused(self, tokenizer, data):
        text = data.draw(texts(tokenizer)) + UNKNOWN
        assert tokenizer.unknown(text) == [UNKNOWN]
        with pytest.raises(DataError, match=UNKNOWN):
            tokenizer.encode(text)

    @pytest.mark.parametrize("ids", [[-1], [10**6]])
    def test_ids_that_are_none_are_refused(self, tokenizer, ids):
        with pytest.raises(DataError):
            tokenizer.decode(ids)

    def test_it_is_read_back_from_json(self, tokenizer, monkeypatch):
        registered(monkeypatch)
        twin = tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json())))
        assert type(twin) is type(tokenizer) and TOKENIZERS[tokenizer.kind] is type(tokenizer)
        assert twin == tokenizer and hash(twin) == hash(tokenizer) and twin.tokens == tokenizer.tokens
        assert all(twin != other for other in KNOWN.values() if other is not tokenizer)

    def test_names_are_cleaned_and_cut_into_windows(self, tokenizer):
        name = unicodedata.normalize("NFC", "".join(_without_boundary(tokenizer)[:3]))
        assert clean_names([name, UNKNOWN], tokenizer).kept == (name,)
        windows = NameDataset([name, name], tokenizer, 2)
        size = len(tokenizer.encode(name)) + 1
        assert len(windows) == 2 * size
        assert windows.contexts[0].tolist() == windows.contexts[size].tolist() == [tokenizer.boundary_id] * 2
        assert windows.targets[size - 1] == windows.targets[-1] == tokenizer.boundary_id
        assert "".join(target for _, target in windows.windows(name)) == name + tokenizer.boundary
        assert windows._ids.dtype == np.uint8 == np.min_scalar_type(len(tokenizer) - 1)


def test_the_case_is_that_of_the_tokens_wherever_the_boundary_stands():
    assert in_lower_case(Pairs("ab", boundary="E")) and not in_lower_case(Pairs("aB"))
    assert clean_names(["AB"], Pairs("ab", boundary="E")).kept == ("ab",)


def test_ids_of_the_largest_tokens_fit_where_the_boundary_is_the_first():
    tokenizer = Pairs()
    assert len(tokenizer) == 703
    assert NameDataset(["zzz"], tokenizer, 1).targets.tolist() == [702, 26, 0]


class TestKinds:
    def test_the_files_of_a_vocabulary_are_as_they_always_were(self):
        assert json.dumps(Vocabulary("ab").to_json()) == '{"tokens": ["a", "b"], "boundary": "-"}'

    def test_a_kind_is_looked_up_and_never_imported(self):
        for kind in ("pairs", "os.system", "tests.helpers.pairs.Pairs", "", ["characters"], {}, None, 1):
            with pytest.raises(DataError, match=r"unknown kind .*known are characters, and .*text\.TOKENIZERS"):
                tokenizer_from_json({**Pairs("ab").to_json(), "kind": kind})

    @pytest.mark.parametrize("data", [None, [], "characters", {}, {"tokens": ["a"]}, {"boundary": "-"}])
    def test_without_a_kind_it_is_a_vocabulary(self, data):
        with pytest.raises(DataError, match="a vocabulary is written as"):
            tokenizer_from_json(data)
