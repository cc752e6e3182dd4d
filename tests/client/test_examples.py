"""What the client's pages show beneath an example is what the example prints.

`test_docs.py` runs every page; this one also compares. On these pages a ```text block that comes right behind a ```python
block is its output, `…` standing for anything.
"""

import contextlib
import io
import re
import sys
import types
from pathlib import Path

import pytest

from test_docs import Block, matches, read_blocks

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ["client.md", "examples.md", "structured.md", "tools.md"]


@pytest.mark.parametrize("name", PAGES)
def test_an_example_prints_what_the_page_shows_beneath_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare((DOCS / name).read_text("utf-8"), name, monkeypatch) > 0


def compare(page: str, name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the blocks of a page, and compare what they print; how many there were to compare."""
    blocks = read_blocks(page)
    for block in blocks:
        if block.file is not None:
            Path(block.file).write_text(block.text, "utf-8")
    program = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", program)
    compared = 0
    for block, behind in zip(blocks, [*blocks[1:], None], strict=True):
        if block.file is not None or block.language != "python" or not block.runs:
            continue
        printed = output_of(block, name, program)
        if behind is not None and is_output(behind, block, page):
            compared += 1
            assert matches(behind.text, printed), f"{name}:{behind.line}: the example printed:\n{printed}"
        else:
            assert not printed, f"{name}:{block.line}: the page does not show what this prints:\n{printed}"
    return compared


def output_of(block: Block, name: str, program: types.ModuleType) -> str:
    code = compile("\n" * (block.line - 1) + block.text, name, "exec", dont_inherit=True)
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen):
        exec(code, vars(program))  # noqa: S102 - the project's own docs
    return screen.getvalue()


def is_output(block: Block, example: Block, page: str) -> bool:
    """Whether this is a block of text with nothing but blank lines and fences between it and the example."""
    between = page.split("\n")[example.line - 1 + example.text.count("\n") : block.line - 1]
    return (
        block.language == "text"
        and block.file is None
        and re.fullmatch(r"[\s`]*(text)?\s*", "".join(between)) is not None
    )


# A page that shows something else must not pass.


def page_of(example: str, shown: str, between: str = "") -> str:
    return f"# a page\n\n```python\n{example}\n```\n\n{between}```text\n{shown}\n```\n"


def test_an_output_that_is_not_shown_so_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare(page_of("print('one')", "one"), "page.md", monkeypatch) == 1
    assert compare(page_of("print('one')\nprint(2)", "one\n…"), "page.md", monkeypatch) == 1
    with pytest.raises(AssertionError, match=r"page\.md:8: the example printed:\s+one"):
        compare(page_of("print('one')", "two"), "page.md", monkeypatch)


def test_an_output_that_is_not_shown_at_all_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=r"page\.md:4: the page does not show what this prints:\s+one"):
        compare(page_of("print('one')", "one", between="Something else entirely:\n\n"), "page.md", monkeypatch)
    assert compare(page_of("one = 1", "one", between="Something else entirely:\n\n"), "page.md", monkeypatch) == 0
