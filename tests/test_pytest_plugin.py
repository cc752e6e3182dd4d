import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

# The libraries are here so that the tests in the tests find them loaded: each would load its own, and take a second.
import httpx  # noqa: F401
import httpx2  # noqa: F401
import openai  # noqa: F401
import pytest

from chatstream import pytest_plugin
from chatstream.recording import Mode, Recording
from chatstream.server import ReplayServer
from chatstream.testing import text_turn

HELLO = text_turn("Hello from afar.", asked="Hello?", usage=(2, 4))
APP = """
    from openai import AsyncOpenAI, OpenAI

    SERVICE = {{"base_url": "{url}", "api_key": "sk-canary-0123456789abcdef"}}

    def ask(question):
        messages = [{{"role": "user", "content": question}}]
        with OpenAI(**SERVICE) as client:
            return client.chat.completions.create(model="m", messages=messages).choices[0].message.content

    async def ask_async(question):
        messages = [{{"role": "user", "content": question}}]
        async with (
            AsyncOpenAI(**SERVICE) as client,
            client.chat.completions.stream(model="m", messages=messages) as stream,
        ):
            return (await stream.get_final_completion()).choices[0].message.content
    """
INI = """
    [pytest]
    filterwarnings = error
    asyncio_mode = strict
    asyncio_default_fixture_loop_scope = function
    """
INSTALLED = any(point.value == "chatstream.pytest_plugin" for point in entry_points(group="pytest11"))
PLUGIN = [] if INSTALLED else ["-p", "chatstream.pytest_plugin"]


@pytest.fixture(autouse=True)
def no_mode(monkeypatch):
    monkeypatch.delenv("CHATSTREAM_RECORD_MODE", raising=False)


@pytest.fixture
def service():
    """Stands for a model far away: its answers can be recorded, and then it can be stopped."""
    with ReplayServer(on_miss="echo", speed=None) as running:
        yield running


@pytest.fixture
def run(pytester):
    """Run pytest on a test file of this text, in this process."""
    pytester.makeini(INI)

    def run(*options, **outcomes):
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:pytester", *PLUGIN, *options)
        result.assert_outcomes(**outcomes)
        return result

    return run


def tapes(pytester):
    return sorted(path.relative_to(pytester.path).as_posix() for path in pytester.path.rglob("*.tape.jsonl"))


def answers_of(path):
    return [recording.bytes for recording in Recording.load_all(path)]


def test_the_plugin_is_found_by_pytest():
    assert "chatstream.pytest_plugin" in [point.value for point in entry_points(group="pytest11")]


def test_the_modes_that_the_command_line_takes_are_those_of_cassettes():
    assert get_args(Mode) == pytest_plugin._MODES


def test_an_app_on_the_openai_sdk_has_its_first_recorded_and_replayed_test_in_under_ten_lines(pytester, run):
    test = """
        import pytest
        from app import ask

        @pytest.mark.tape
        def test_greeting():
            assert ask("Hello?") == "Hello from afar."
        """
    assert len(test.strip().splitlines()) < 10
    pytester.makepyfile(test_app=test)
    with ReplayServer([HELLO], match="order", speed=None) as service:
        pytester.makepyfile(app=APP.format(url=service.base_url))
        run(passed=1)
        assert len(service.requests) == 1
        run(passed=1)
        assert len(service.requests) == 1
    assert tapes(pytester) == ["tapes/test_app/test_greeting.tape.jsonl"]
    run(passed=1)  # the service is gone
    assert b"sk-canary" not in (pytester.path / tapes(pytester)[0]).read_bytes()


def test_an_unmarked_test_is_left_alone(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile("from app import ask\ndef test_it():\n    assert ask('x')")
    run(passed=1)
    run(passed=1)
    assert (len(service.requests), tapes(pytester)) == (2, [])


def test_each_test_has_a_tape_of_its_own_named_after_it(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        test_many="""
        import pytest
        from app import ask

        pytestmark = pytest.mark.tape

        @pytest.mark.parametrize("city", ["Oslo", "../Rome"])
        def test_city(city):
            assert city in ask(city)

        class TestLater:
            def test_city(self, tape):
                assert ask("Later")
                assert tape.path.name == "TestLater.test_city.tape.jsonl"

        def test_that_asks_nothing():
            pass
        """
    )
    run(passed=4)
    names = [Path(name).name for name in tapes(pytester)]
    assert len(names) == 3
    assert all(Path(name).parent.as_posix() == "tapes/test_many" for name in tapes(pytester))
    assert names[0] == "TestLater.test_city.tape.jsonl"
    assert len(service.requests) == 3
    run(passed=4)
    assert len(service.requests) == 3


def test_the_fixture_alone_does_the_same(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        """
        from app import ask

        def test_it(tape):
            assert ask("Hello")
            assert tape.mode == "once"
            assert (tape.recorded, tape.played) in [(1, 0), (0, 1)]
            assert len(tape.recordings) == tape.played
            assert tape.unused == []
        """
    )
    run(passed=1)
    run(passed=1)
    assert len(service.requests) == 1


def test_a_name_in_the_marker_is_shared_and_the_nearer_marker_counts_more(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        """
        import pytest
        from app import ask

        pytestmark = pytest.mark.tape("shared.tape.jsonl", ignore=["metadata"])

        def test_first():
            assert ask("Hello")

        @pytest.mark.tape(ignore=["messages[*].content"])
        def test_second(tape):
            assert ask("Good evening") == ask("Hello")
            assert tape.recorded == 0
        """
    )
    run(passed=2)
    assert tapes(pytester) == ["tapes/shared.tape.jsonl"]
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("name", "file"), [("gpt-4.1", "gpt-4.1.tape.jsonl"), ("a/b.tape.jsonl.gz", "a/b.tape.jsonl.gz")]
)
def test_a_name_that_says_no_kind_of_file_is_a_tapes(pytester, run, service, name, file):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        f"import pytest\nfrom app import ask\n@pytest.mark.tape({name!r})\ndef test_it():\n    assert ask('x')"
    )
    run(passed=1)
    run(passed=1)
    assert len(service.requests) == 1
    assert (pytester.path / "tapes" / file).is_file()
    assert (pytester.path / "tapes" / file).read_bytes().startswith(b"\x1f\x8b") == file.endswith(".gz")


def test_a_folder_is_no_tape(pytester, run):
    (pytester.path / "tapes").mkdir()
    pytester.makepyfile("import pytest\n@pytest.mark.tape('.')\ndef test_it(): pass")
    run(errors=1).stdout.fnmatch_lines(["*a tape is a file, and*is a folder*"])


def test_methods_of_unittest_and_tests_that_are_marked_late_are_taped_too(pytester, run, service):
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_late":
                    item.add_marker(pytest.mark.tape)
        """
    )
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        test_it="""
        import unittest, pytest
        from app import ask

        class Tests(unittest.TestCase):
            @pytest.mark.tape
            def test_method(self):
                assert ask("x")

        def test_late():
            assert ask("y")
        """
    )
    run(passed=2)
    run(passed=2)
    assert len(service.requests) == 2
    assert [Path(name).name for name in tapes(pytester)] == ["Tests.test_method.tape.jsonl", "test_late.tape.jsonl"]


def test_what_outlives_the_test_is_not_on_its_tape(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        test_it="""
        import pytest
        from app import ask

        @pytest.fixture(scope="module")
        def shared():
            return ask("shared")

        @pytest.fixture
        def own():
            return ask("own")

        @pytest.mark.tape
        def test_it(own, shared, tape):
            assert tape.recorded + tape.played == 1
        """
    )
    run(passed=1)
    run(passed=1)
    assert [request.body["messages"][0]["content"] for request in service.requests] == ["shared", "own", "shared"]


def test_the_configuration_has_a_mode_and_hosts_to_pass_through(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile("from app import ask\ndef test_it(tape):\n    assert ask('x')\n    assert tape.mode == 'none'")
    run("-o", "tape_mode=none", failed=1)
    run("-o", "tape_mode=none", "-o", "tape_passthrough=elsewhere 127.0.0.1", passed=1)
    assert len(service.requests) == 1


def test_a_replay_has_the_faults_that_the_marker_names(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('x')")
    run(passed=1)
    pytester.makepyfile(
        test_it="""
        import openai, pytest
        from app import ask

        @pytest.mark.tape(faults=["status:400"])
        def test_it():
            with pytest.raises(openai.BadRequestError, match="asked for"):
                ask("x")
        """
    )
    run(passed=1)


def test_what_nothing_has_asked_for_is_told(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('one')\n    assert ask('two')")
    run(passed=1)
    pytester.makepyfile(
        test_it="""
        from chatstream.pytest_plugin import TapeFixture
        from app import ask

        def test_it(tape: TapeFixture):
            assert isinstance(tape, TapeFixture)
            assert tape.unused == ["test_it.tape.jsonl", "test_it.tape.jsonl#2"]
            ask("two")
            assert tape.unused == ["test_it.tape.jsonl"]
        """
    )
    run(passed=1)


def test_tapes_are_where_the_configuration_says(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('x')")
    run("-o", "tape_dir=kept/here", passed=1)
    assert tapes(pytester) == ["kept/here/test_it/test_it.tape.jsonl"]


def test_a_test_that_fails_keeps_nothing_of_what_it_recorded(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        test_it="""
        import os
        from app import ask

        def test_it(tape):
            assert ask("one")
            assert "FAIL" not in os.environ
            assert ask("two")
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIL", "1")
        result = run(failed=1)
    result.stdout.fnmatch_lines(["*does not become its tape*test_it.tape.jsonl"])
    assert tapes(pytester) == []
    run(passed=1)
    assert len(answers_of(pytester.path / "tapes/test_it/test_it.tape.jsonl")) == 2
    run(passed=1)
    assert len(service.requests) == 3
    assert not list((pytester.path / "tapes").rglob(".*"))


def test_mode_none_sends_nothing_and_says_what_to_do(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile("from app import ask\ndef test_it(tape):\n    assert ask('x')")
    result = run("--tape-mode=none", failed=1)
    result.stdout.fnmatch_lines(
        ["*no recording on the tape answers this request: POST /v1/chat/completions*", "*--tape-mode=once*"]
    )
    assert service.requests == []
    assert tapes(pytester) == []


def test_the_environment_forces_none(pytester, run, service, monkeypatch):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile("from app import ask\ndef test_it(tape):\n    assert tape.mode == 'none'\n    ask('x')")
    monkeypatch.setenv("CHATSTREAM_RECORD_MODE", "none")
    run("--tape-mode=all", failed=1)
    assert (service.requests, tapes(pytester)) == ([], [])


@pytest.mark.parametrize(("mode", "asked"), [("new_episodes", 1), ("all", 2)])
def test_other_modes_record_what_is_new_or_everything(pytester, run, service, mode, asked):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('one')")
    run(passed=1)
    path = pytester.path / "tapes/test_it/test_it.tape.jsonl"
    assert len(answers_of(path)) == 1
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('one')\n    assert ask('two')")
    run(failed=1)  # once: what is on tape is all there is
    run(f"--tape-mode={mode}", passed=1)
    assert len(answers_of(path)) == 2
    assert len(service.requests) == 1 + asked
    run("--tape-mode=none", passed=1)


def test_a_failure_leaves_the_old_tape_as_it_was(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('one')")
    run(passed=1)
    path = pytester.path / "tapes/test_it/test_it.tape.jsonl"
    before = path.read_bytes()
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    ask('two')\n    assert False")
    run("--tape-mode=all", failed=1)
    run("--tape-mode=new_episodes", failed=1)
    assert path.read_bytes() == before


def record_then_ask(pytester, run, service, first, then):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it=first)
    run(passed=1)
    pytester.makepyfile(test_it=then)
    return run(failed=1)


def test_a_request_that_no_longer_matches_fails_with_what_differs_and_how(pytester, run, service):
    result = record_then_ask(
        pytester,
        run,
        service,
        "from app import ask\ndef test_it(tape):\n    assert ask('Hello there')",
        "from app import ask\ndef test_it(tape):\n    assert ask('Good evening')",
    )
    result.stdout.fnmatch_lines(
        [
            "*NotFoundError*",
            "*no recording on the tape answers this request: POST /v1/chat/completions",
            "the nearest is test_it.tape.jsonl; it differs in:",
            '  messages?0?.content: "Hello there" on the tape, "Good evening" now',
            '  -      "content": "Hello there",',
            '  +      "content": "Good evening",',
            "*--tape-mode=new_episodes*",
            "*tapes/test_it/test_it.tape.jsonl",
            '*ignore=?"messages?0?.content"?*',
        ]
    )


def test_a_miss_that_the_app_swallows_fails_the_test_all_the_same(pytester, run, service):
    result = record_then_ask(
        pytester,
        run,
        service,
        "from app import ask\ndef test_it(tape):\n    assert ask('Hello')",
        """
        from app import ask

        def test_it(tape):
            try:
                ask("Bye")
            except Exception:
                print("the model seems to be down")
        """,
    )
    result.stdout.fnmatch_lines(["*the nearest is test_it.tape.jsonl*"])


def test_a_miss_that_the_test_expects_can_be_taken_off_the_list(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        """
        import openai, pytest
        from app import ask

        @pytest.mark.tape(mode="none")
        def test_it(tape):
            with pytest.raises(openai.NotFoundError):
                ask("Bye")
            assert [miss.asked.path for miss in tape.misses] == ["/v1/chat/completions"]
            tape.misses.clear()
        """
    )
    run(passed=1)


def test_a_miss_during_teardown_is_told_too(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        """
        import contextlib, pytest
        from app import ask

        @pytest.fixture
        def session(tape):
            yield
            with contextlib.suppress(Exception):
                ask("Bye")

        @pytest.mark.tape(mode="none")
        def test_it(session):
            pass
        """
    )
    run(passed=1, errors=1).stdout.fnmatch_lines(["*no recording on the tape answers*"])


def test_no_secret_is_shown_of_a_request_that_does_not_match(pytester, run, service):
    result = record_then_ask(
        pytester,
        run,
        service,
        "from app import ask\ndef test_it(tape):\n    assert ask('Hello')",
        """
        import pytest
        from app import ask

        @pytest.mark.tape(secrets=["open-sesame-canary"])
        def test_it():
            with pytest.raises(Exception):
                ask("it opens with open-sesame" + "-canary, and the key is sk-canary-" + "9876543210fedcba")
        """,
    )
    result.stdout.fnmatch_lines(
        ['*messages?0?.content: "Hello" on the tape, "it opens with [*][*][*]*, and the key is [*][*][*]*"*']
    )
    assert "open-sesame-canary" not in result.stdout.str()
    assert "9876543210fedcba" not in result.stdout.str()


def test_every_http_client_goes_through_the_tape(pytester, run, service):
    pytester.makepyfile(
        test_it=f"""
        import anyio, httpx, httpx2
        from chatstream import AsyncChatClient, ChatClient

        URL = "{service.base_url}"
        BODY = {{"model": "m", "messages": [{{"role": "user", "content": "Hello"}}]}}
        made_at_import = httpx.Client()

        def teardown_module():
            made_at_import.close()

        def test_sync(tape):
            with httpx2.Client() as other:
                for client in (made_at_import, other):
                    assert client.post(URL + "/chat/completions", json=BODY).json()["choices"]
            with ChatClient(base_url=URL) as client:
                assert client.chat.completions.create(**BODY).choices
            assert tape.recorded + tape.played == 3

        def test_async(tape):
            async def ask():
                for library in (httpx, httpx2):
                    async with library.AsyncClient() as client:
                        answer = await client.post(URL + "/chat/completions", json=BODY)
                        assert answer.json()["choices"]
                async with AsyncChatClient(base_url=URL) as client:
                    assert (await client.chat.completions.create(**BODY)).choices

            anyio.run(ask)
            assert tape.recorded + tape.played == 3
        """
    )
    run(passed=2)
    assert len(service.requests) == 6
    run(passed=2)
    assert len(service.requests) == 6


def test_hosts_that_are_passed_through_are_not_taped(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        """
        import pytest
        from app import ask

        @pytest.mark.tape(passthrough="127.0.0.1")
        def test_marked(tape):
            assert ask("x")
            assert (tape.recorded, tape.played) == (0, 0)
        """
    )
    run(passed=1)
    run(passed=1)
    assert (len(service.requests), tapes(pytester)) == (2, [])


def test_transports_of_the_tape_record_each_request_once(pytester, run, service):
    pytester.makepyfile(
        f"""
        import anyio, httpx, httpx2

        URL = "{service.base_url}/chat/completions"
        BODY = {{"model": "m", "messages": [{{"role": "user", "content": "Hello"}}]}}

        def test_sync(tape):
            for library in (httpx, httpx2):
                with library.Client(transport=tape.transport()) as client:
                    assert client.post(URL, json=BODY).json()["choices"]
            assert tape.recorded + tape.played == 2

        def test_async(tape):
            async def ask():
                for library in (httpx, httpx2):
                    async with library.AsyncClient(transport=tape.async_transport()) as client:
                        assert (await client.post(URL, json=BODY)).json()["choices"]

            anyio.run(ask)
            assert tape.recorded + tape.played == 2
        """
    )
    run(passed=2)
    run(passed=2)
    assert len(service.requests) == 4


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_it_works_under_pytest_asyncio(pytester, run, service, mode):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(
        """
        import pytest
        from app import ask_async
        from chatstream.testing import text_turn
        from openai import AsyncOpenAI

        @pytest.mark.tape
        @pytest.mark.asyncio
        async def test_tape():
            assert await ask_async("Hello")

        @pytest.mark.asyncio
        async def test_server(replay_server):
            server = replay_server(text_turn("On tape."), match="order")
            async with AsyncOpenAI(base_url=server.base_url, api_key="none") as client:
                answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
            assert answer.choices[0].message.content == "On tape."
        """
    )
    run("-o", f"asyncio_mode={mode}", passed=2)
    run("-o", f"asyncio_mode={mode}", passed=2)
    assert len(service.requests) == 1


def test_it_works_under_anyio_on_asyncio_and_trio(pytester, run, service):
    pytester.makepyfile(
        f"""
        import pytest
        from chatstream import AsyncChatClient
        from chatstream.testing import text_turn

        pytestmark = pytest.mark.anyio
        ASK = {{"model": "m", "messages": [{{"role": "user", "content": "Hello"}}]}}

        @pytest.mark.tape
        async def test_tape():
            async with AsyncChatClient(base_url="{service.base_url}") as client:
                async with client.chat.completions.stream(**ASK) as stream:
                    assert await stream.final_content()

        async def test_server(replay_server):
            server = replay_server(text_turn("On tape."), match="order")
            async with AsyncChatClient(base_url=server.base_url) as client:
                assert (await client.chat.completions.create(**ASK)).choices[0].message.content == "On tape."
        """
    )
    run(passed=4)
    run(passed=4)
    assert len(service.requests) == 2
    assert len(tapes(pytester)) == 2  # one for each backend


def test_a_server_of_the_fixture_is_stopped_when_the_test_is_over(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        from chatstream import ChatClient
        from chatstream.testing import turns

        running = []

        def test_it(replay_server):
            running.extend(replay_server(turns("one", "two"), match="order") for _ in range(2))
            for server in running:
                with ChatClient(base_url=server.base_url) as client:
                    answers = [client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}]) for _ in range(2)]
                assert [answer.choices[0].message.content for answer in answers] == ["one", "two"]

        def test_afterwards():
            for server in running:
                with pytest.raises(RuntimeError, match="not running"):
                    server.url
        """
    )
    run(passed=2)


def test_faults_are_given_to_anything_that_is_a_stream(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        from chatstream import ChatCompletionStream
        from chatstream.errors import StreamInterruptedError
        from chatstream.testing import sse, text_turn

        CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}

        def test_it(stream_faults, tmp_path):
            path = tmp_path / "raw.sse"
            path.write_bytes(sse(CHUNK))
            for source in (text_turn("Hi"), sse(CHUNK), [CHUNK], path, str(path)):
                with pytest.raises(StreamInterruptedError):
                    ChatCompletionStream(stream_faults(source, "reset", seed=3)).until_done()
            recording = text_turn("Hello there")
            assert stream_faults(recording, "split:1").bytes == recording.bytes
            assert len(stream_faults(recording, "split:1").reads) == len(recording.bytes)
            with pytest.raises(RuntimeError, match="mark the test"):
                stream_faults.inject(recording)
        """
    )
    run(passed=1)


def test_a_marked_test_runs_once_for_each_fault(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        from chatstream import ChatCompletionStream
        from chatstream.errors import ChatStreamError
        from chatstream.testing import text_turn

        def content(recording):
            try:
                return ChatCompletionStream(recording.play(speed=None)).final_content()
            except ChatStreamError as error:
                return error

        @pytest.mark.stream_faults("reset:2", "split:1")
        def test_named(stream_faults):
            got = content(stream_faults.inject(text_turn("Hello")))
            assert (got == "Hello") == (stream_faults.fault.name == "split")

        @pytest.mark.stream_faults()
        def test_all(stream_faults):
            assert stream_faults.inject(text_turn("Hello", usage=(1, 2))) != text_turn("Hello", usage=(1, 2))
            content(stream_faults.inject(text_turn("Hello")))
        """
    )
    result = run("-v", passed=2 + 16)
    result.stdout.fnmatch_lines(
        ["*test_named?reset:2? PASSED*", "*test_named?split:1? PASSED*", "*test_all?stall? PASSED*"]
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("@pytest.mark.stream_faults('boom')\ndef test_it(stream_faults): pass", "*no fault is called 'boom'*"),
        ("@pytest.mark.stream_faults('reset')\ndef test_it(): pass", "*takes no such argument*"),
    ],
)
def test_a_marker_of_faults_that_makes_no_sense_is_told_when_tests_are_collected(pytester, run, source, message):
    pytester.makepyfile(f"import pytest\n{source}")
    run(errors=1).stdout.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("mod='once'", "*takes mode, *, not mod*"),
        ("'a', 'b'", "*takes one name of a file*"),
        ("mode='twice'", "*twice*"),
        ("ignore=['$']", "*is no path*"),
    ],
)
def test_a_marker_of_tapes_that_makes_no_sense_is_an_error(pytester, run, marker, message):
    pytester.makepyfile(f"import pytest\n@pytest.mark.tape({marker})\ndef test_it(): pass")
    run(errors=1).stdout.fnmatch_lines([message])


def test_a_run_that_has_no_use_for_it_loads_nothing_of_it(pytester):
    pytester.makepyfile(
        """
        import sys

        HEAVY = {"anyio", "h11", "httpx", "httpx2", "msgspec", "openai", "pydantic"}

        def test_it():
            assert "chatstream.pytest_plugin" in sys.modules
            loaded = {name for name in sys.modules if name.startswith("chatstream.")}
            assert loaded == {"chatstream.pytest_plugin"}
            assert not HEAVY & {*sys.modules}
        """
    )
    # anyio's and Hypothesis's own plugins load what they need, which is no business of ours.
    others = ["-p", "no:anyio", "-p", "no:asyncio", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", "-q", *PLUGIN, *others]
    ran = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_markers_and_options_are_described(pytester, run):
    pytester.runpytest_inprocess(*PLUGIN, "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.tape*", "@pytest.mark.stream_faults*"]
    )
    pytester.runpytest_inprocess(*PLUGIN, "--help").stdout.fnmatch_lines(["*--tape-mode=*", "*tape_dir*"])


def test_a_tape_that_was_recorded_is_its_owners(pytester, run, service):
    pytester.makepyfile(app=APP.format(url=service.base_url))
    pytester.makepyfile(test_it="from app import ask\ndef test_it(tape):\n    assert ask('x')")
    run(passed=1)
    path = pytester.path / tapes(pytester)[0]
    assert os.name == "nt" or path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["../../escape", "/escape", "linked/escape"])
def test_no_name_leads_out_of_the_folder_for_tapes(pytester, run, name, tmp_path_factory):
    (pytester.path / "tapes").mkdir()
    (pytester.path / "tapes/linked").symlink_to(tmp_path_factory.mktemp("outside"))
    pytester.makepyfile(
        test_app=f"""
        import pytest

        @pytest.mark.tape({name!r})
        def test_it(tape):
            pass
        """
    )
    result = run(errors=1)
    assert "leads out of it" in result.stdout.str() + result.stderr.str()
