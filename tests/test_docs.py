"""Every example in README.md and docs/ runs, in the order of its page, in an empty folder of its own.

How a page writes its examples:

- A ```python block runs. The blocks of a page are one program: a later one sees the names of the earlier ones. Async
  code says `asyncio.run` or `anyio.run`, as a reader's program must.
- A block with `file=NAME` behind its language is written to that name before the page's first block runs. A file named
  `test_….py` is run by pytest, as readers would run it.
- In a ```console block, `$ chatstream ...` runs through the command line's own `main`; the lines up to the next `$` are
  what it must print on stdout and stderr together, `…` standing for anything. Without such lines the output is free. It
  must succeed, unless `$ echo $?` is what comes next. Other commands are for the reader only.
- `<!-- not run: reason -->` above a block, and Python in it is only compiled.
"""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [page for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))] if page.is_file()]

BLOCK = re.compile(
    r"(?:^[ ]*<!--[ ]*not[ ]run:(?P<reason>.*?)-->[ ]*\n\s*)?"
    r"^(?P<indent>[ ]*)(?P<fence>`{3,})(?P<language>[\w+-]*)[ ]*(?P<info>[^`\n]*)\n"
    r"(?P<text>.*?)"
    r"^[ ]*(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int  # of its first line, counted from 1
    file: str | None
    runs: bool


def read_blocks(page: str) -> list[Block]:
    return [_block(match) for match in BLOCK.finditer(page)]


def _block(match: re.Match[str]) -> Block:
    line = match.string.count("\n", 0, match.start("text")) + 1
    reason = match["reason"]
    if reason is not None and not reason.strip():
        message = f"line {line}: an example that is not run needs a reason"
        raise ValueError(message)
    file = re.search(r"(?:^|\s)file=(\S+)", match["info"])
    text = textwrap.dedent(match["text"])
    return Block(match["language"], text, line, file[1] if file else None, runs=reason is None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(page, tmp_path, monkeypatch)


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")  # argparse folds its help to the window
    blocks = read_blocks(page.read_text("utf-8"))
    for block in blocks:
        if block.file is not None:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, "utf-8")

    # The page is a program: pydantic looks a class's names up in sys.modules, and `__name__ == "__main__"` must hold.
    program = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", program)
    for block in blocks:
        if block.file is None and block.language == "python":
            # Blank lines in front, so that a traceback and inspect.getsource point into the page.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
            if block.runs:
                exec(code, vars(program))  # noqa: S102 - the project's own docs
        elif block.file is None and block.language == "console" and block.runs:
            run_console(block, page)
        elif block.file is not None and re.fullmatch(r"test_\w+\.py", block.file):
            run_pytest(block, page)


def run_pytest(block: Block, page: Path) -> None:
    # Without pytest-asyncio, which warns of whoever has no configuration: a reader's own is not the page's business.
    quiet = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    command = [sys.executable, "-m", "pytest", *quiet, str(block.file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, f"{page}:{block.line}: pytest {block.file} failed:\n{ran.stdout}{ran.stderr}"


def run_console(block: Block, page: Path) -> None:
    from chatstream.cli import main

    code: int | None = None  # of a failure that nothing has asked about yet
    for line, command, expected in read_commands(block):
        if command == "echo $?":
            assert expected == str(code or 0), f"{page}:{line}: exit code {code or 0}, the page says {expected}"
            code = None
            continue
        if not command.startswith("chatstream"):
            continue
        assert not code, f"{page}:{line}: the command before this one failed with exit code {code}"
        code, output = run_command(main, command)
        assert not expected or matches(expected, output), f"{page}:{line}: $ {command} printed:\n{output}"
    assert not code, f"{page}:{block.line}: the last command failed with exit code {code}"


def read_commands(block: Block) -> Iterator[tuple[int, str, str]]:
    """The line, the command and the expected output of each `$` in a block."""
    for match in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
        line = block.line + block.text.count("\n", 0, match.start())
        yield line, match[1].strip(), match[2].strip("\n")


def run_command(main: Callable[[list[str]], int | None], command: str) -> tuple[int, str]:
    arguments = shlex.split(command, comments=True)[1:]
    if shell := {"|", "<", ">", ">>", "&&", ";"} & set(arguments):
        message = f"$ {command}: there is no shell here for {shell.pop()}"
        raise ValueError(message)
    # One file for both, so that the output is in the order in which a terminal would show it; with a buffer beneath,
    # for a command line that writes bytes.
    screen = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True)
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        try:
            code = main(arguments)
        except SystemExit as stopped:  # argparse's way out
            code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    screen.seek(0)
    return code or 0, screen.read()


def matches(expected: str, output: str) -> bool:
    """Whether the output is as the page has it; white space at the end of a line cannot be seen, and does not count."""
    pattern = ".*".join(re.escape(part) for part in _visible(expected).split("…"))
    return re.fullmatch(pattern, _visible(output), re.DOTALL) is not None


def _visible(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


# A page whose examples are broken must not pass.


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def run(text: str) -> None:
        page = tmp_path / "page.md"
        page.write_text(textwrap.dedent(text), "utf-8")
        run_page(page, tmp_path, monkeypatch)

    return run


def test_blocks_are_one_program_and_find_their_files(run) -> None:
    run("""
        ```python
        from pathlib import Path

        text = Path("greeting.txt").read_text("utf-8")
        ```

        - in a list:

          ```python
          assert text == "hello\\n"
          assert __name__ == "__main__"
          ```

        ```text file=greeting.txt
        hello
        ```
        """)


def test_a_failure_points_at_its_line_in_the_page(run) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("""\
            # a page

            ```python
            ratio = 1 / 0
            ```
            """)
    assert caught.traceback[-1].path.name == "page.md"
    assert caught.traceback[-1].lineno + 1 == 4


def test_a_warning_in_an_example_fails_it(run) -> None:
    with pytest.raises(UserWarning):
        run("""
            ```python
            import warnings

            warnings.warn("old", stacklevel=1)
            ```
            """)


def test_a_file_of_tests_is_run_by_pytest(run) -> None:
    run("""
        ```python file=test_one.py
        def test_one():
            assert True
        ```
        """)
    with pytest.raises(AssertionError, match=r"pytest test_one\.py failed"):
        run("""
            ```python file=test_one.py
            def test_one():
                assert False
            ```
            """)


def test_what_is_not_run_is_compiled_and_has_a_reason(run) -> None:
    run("""
        <!-- not run: needs a key -->
        ```python
        raise RuntimeError
        ```
        """)
    with pytest.raises(SyntaxError):
        run("<!-- not run: needs a key -->\n```python\n1 +\n```\n")
    with pytest.raises(ValueError, match="needs a reason"):
        run("<!-- not run: -->\n\n```python\npass\n```\n")


def test_a_command_must_print_what_the_page_shows(run) -> None:
    run("""
        ```console
        $ chatstream --version
        chatstream …
        $ pip install nothing-that-is-run
        ```
        """)
    with pytest.raises(AssertionError, match=r"page\.md:3: \$ chatstream --version printed"):
        run("""
            ```console
            $ chatstream --version
            chatstream of another time
            ```
            """)


def test_a_command_that_fails_must_be_asked_for_its_exit_code(run) -> None:
    run("""
        ```console
        $ chatstream --no-such-option
        …
        $ echo $?
        2
        ```
        """)
    with pytest.raises(AssertionError, match="failed with exit code 2"):
        run("""
            ```console
            $ chatstream --no-such-option
            ```
            """)


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("one\ntwo", "one  \ntwo\n", True),
        ("one\n…", "one\ntwo\nthree\n", True),
        ("took … s (whole)", "took 0.25 s (whole)\n", True),
        ("one", "one\ntwo\n", False),
        ("a.c", "abc\n", False),
    ],
)
def test_dots_stand_for_anything_and_nothing_else_does(expected: str, output: str, same: bool) -> None:
    assert matches(expected, output) is same
