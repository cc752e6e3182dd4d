import importlib.metadata
import json
import subprocess
import sys
from importlib.resources import files

import pytest

import chatstream


def test_importing_the_package_loads_neither_pydantic_nor_an_http_library() -> None:
    loaded = set(json.loads(python("-c", "import json, sys, chatstream; print(json.dumps(list(sys.modules)))")))
    assert "chatstream" in loaded
    assert not loaded & {"anyio", "h11", "httpcore", "httpx", "httpx2", "httpx_sse", "pydantic", "pydantic_core"}


def test_all_is_sorted() -> None:
    assert chatstream.__all__ == sorted(set(chatstream.__all__))


@pytest.mark.parametrize("name", chatstream.__all__)
def test_each_public_name_can_be_imported_and_is_listed(name: str) -> None:
    assert getattr(chatstream, name) is not None
    assert name in dir(chatstream)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = chatstream.no_such_name


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (files("chatstream") / "py.typed").is_file()


def test_the_version_is_the_installed_one() -> None:
    assert importlib.metadata.version("chatstream") == chatstream.__version__


def test_both_ways_to_the_command_line_are_there() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="chatstream")
    from chatstream.cli import main

    assert script.load() is main
    assert chatstream.__version__ in python("-m", "chatstream", "--version")


def python(*arguments: str) -> str:
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
