"""Tests of how the commands show a name that a model wrote: alike in every table, and in columns."""

from tinygrad_lm.cli import written


def test_a_name_is_shown_whole_cut_or_empty():
    assert written.shown("abid") == "abid" and written.shown("abid", complete=False) == "abid..."
    assert written.shown("") == "(empty)"


def test_where_it_comes_from():
    assert [written.origin(text, {"abid"}) for text in ("abid", "abi")] == ["in training data", "new"]


def test_a_column_has_room_for_sixty_letters_and_no_more():
    assert [written.column(longest) for longest in (0, 16, 33, 63, 500)] == [16, 16, 33, 63, 63]
