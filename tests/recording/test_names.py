"""Names that are made of anything, and paths that stay in their folder."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording.writing.names import inside, safe_name

GOOD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<![.])")


@pytest.mark.parametrize(
    "name", ["a", "test_it_streams", "TestTools.test_it", "v1-chat-completions", "x.tape.jsonl", "9"]
)
def test_a_good_name_is_kept(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "C:\\x",
        ".hidden",
        "x.",
        "con",
        "NUL.tape",
        "com1",
        "a\0b",
        "ä",
        "\ud800",
        "-x",
        "a" * 101,
        "🦊",
    ],
)
def test_any_other_text_becomes_one(text):
    name = safe_name(text)
    assert GOOD.fullmatch(name)
    assert len(name) <= 100
    assert name != text
    assert name.lower().partition(".")[0] not in {"con", "nul", "com1"}


@given(st.text(st.characters(exclude_categories=()), max_size=150))
def test_a_name_is_good_whatever_the_text(text):
    name = safe_name(text)
    assert GOOD.fullmatch(name)
    assert len(name) <= 100
    assert safe_name(name) == name


def test_texts_that_lose_the_same_have_two_names():
    texts = ["a/b", "a b", "a-b", "a?b", "a//b", "ä-b", ".a-b", "a" * 200, "a" * 201]
    assert len({safe_name(text) for text in texts}) == len(texts)


def test_what_can_be_read_of_a_text_stays_in_its_name():
    assert re.fullmatch(r"test_it-gpt-4o-en-[0-9a-f]{8}", safe_name("test_it[gpt-4o/en]"))


def test_a_name_stays_in_its_folder(tmp_path):
    assert inside(tmp_path, "a.tape.jsonl") == tmp_path / "a.tape.jsonl"
    assert inside(tmp_path, "sub/../a") == tmp_path / "sub/../a"
    assert inside(tmp_path, "deep/er/a") == tmp_path / "deep/er/a"


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "/etc/passwd", "", ".", "a\0b"])
def test_a_name_that_leaves_its_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="folder") as caught:
        inside(tmp_path / "tapes", name)
    assert len(str(caught.value)) < 200


def test_a_name_that_leaves_its_folder_through_a_link_is_refused(tmp_path):
    folder = tmp_path / "tapes"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "file").symlink_to(tmp_path / "elsewhere")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "within").symlink_to(folder / "a")
    for name in ("out/a", "file"):
        with pytest.raises(ValueError, match="leaves"):
            inside(folder, name)
    assert inside(folder, "within") == folder / "within"


def test_a_folder_that_is_itself_a_link_has_its_names(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    assert inside(link, "a") == link / "a"
