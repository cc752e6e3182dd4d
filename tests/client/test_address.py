"""Which base URLs are fit, and which lie near."""

import httpx
import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatstream.client.address import check_base_url, is_near

CANARY = "sk-canary-0123456789"


@pytest.mark.parametrize(
    ("given_url", "checked"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1///", "https://api.openai.com/v1"),
        ("https://api.openai.com", "https://api.openai.com"),
        ("https://api.openai.com/", "https://api.openai.com"),
        ("HTTPS://API.OpenAI.com/V1", "https://api.openai.com/V1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://localhost.:8000", "http://localhost.:8000"),
        ("http://my_box:65535", "http://my_box:65535"),
        ("http://my-box:/v1", "http://my-box/v1"),
        ("http://my-box:00080", "http://my-box:80"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.1", "http://127.1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[fe80::1%eth0]:80", "http://[fe80::1%eth0]:80"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://api.bücher.example:8443", "https://api.xn--bcher-kva.example:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://host/openai/deployments/größe", "https://host/openai/deployments/größe"),
        (httpx.URL("https://host:8443/v1/"), "https://host:8443/v1"),
        (httpx2.URL("https://host/v1"), "https://host/v1"),
    ],
)
def test_what_is_fit_comes_back_without_trailing_slashes_and_its_host_as_on_the_wire(given_url, checked):
    assert check_base_url(given_url) == checked
    assert httpx.URL(checked).raw_path.decode("ascii")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("", "begins with http:// or https://"),
        ("api.openai.com/v1", "begins with http:// or https://"),
        ("//api.openai.com/v1", "begins with http:// or https://"),
        ("ftp://host", "begins with http:// or https://"),
        ("https:/host", "begins with http:// or https://"),
        (CANARY, "begins with http:// or https://"),
        ("https://", "expected a host"),
        ("https:///v1", "expected a host"),
        ("https://:80", "expected a host"),
        (f"https://{CANARY}@host", "user name or password"),
        (f"https://me:{CANARY}@host/v1", "user name or password"),
        (httpx.URL(f"https://me:{CANARY}@host/v1"), "user name or password"),
        ("https://@host", "user name or password"),
        (f"https://host/v1?key={CANARY}", "default_query"),
        ("https://host/v1?", "default_query"),
        (f"https://host/v1#{CANARY}", "fragment"),
        ("https://host/v1#", "fragment"),
        ("https://host /v1", "spaces"),
        (" https://host/v1", "spaces"),
        ("https://host/v1\n", "control characters"),
        ("https://host\r\nx-a: b", "control characters"),
        ("https://host/\x00", "control characters"),
        ("https://host/a\u00a0b", "control characters"),
        ("https://host/\u200b", "control characters"),
        ("https://host/\ud800", "control characters"),
        ("https://host:0", "port from 1 to 65535"),
        ("https://host:65536", "port from 1 to 65535"),
        ("https://host:123456", "perhaps a port"),
        ("https://host:8a", "perhaps a port"),
        ("https://host:-1", "perhaps a port"),
        ("https://host:٣", "perhaps a port"),
        ("https://::1/v1", "IPv6 in brackets"),
        ("https://[::1", "IPv6 in brackets"),
        ("https://[::1]x", "IPv6 in brackets"),
        ("https://[host]", "IPv6 in brackets"),
        ("https://[v1.a]", "IPv6 in brackets"),
        ("https://[fe80::1%a%0a]", "IPv6 in brackets"),
        ("https://[:::1]", "neither a host name nor an IP address"),
        ("https://[127.0.0.1]", "neither a host name nor an IP address"),
        ("https://256.1.1.1", "neither a host name nor an IP address"),
        ("https://127.0.0.01", "neither a host name nor an IP address"),
        ("https://a..b", "neither a host name nor an IP address"),
        ("https://.a", "neither a host name nor an IP address"),
        ("https://.", "neither a host name nor an IP address"),
        (f"https://{'a' * 64}.example", "neither a host name nor an IP address"),
        (f"https://{'a.' * 127}", "neither a host name nor an IP address"),
        ("https://ho%0ast", "neither a host name nor an IP address"),
        ("https://ho%73t", "neither a host name nor an IP address"),
        ("https://ho\\st", "neither a host name nor an IP address"),
        ("https://*.example", "neither a host name nor an IP address"),
        ("https://xn--a.example", "neither a host name nor an IP address"),
        ("https://☃.example", "neither a host name nor an IP address"),
        ("https://\uff11\uff12\uff17.0.0.1", "neither a host name nor an IP address"),
        ("https://host/" + "a" * 5000, "at most 4096 characters"),
    ],
)
def test_what_is_unfit_is_refused_with_what_is_allowed_and_never_shown(url, allowed):
    with pytest.raises(ValueError, match=r"^base_url: ") as caught:
        check_base_url(url)
    assert allowed in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("url", [None, 5, b"https://host", ["https://host"], object()])
def test_what_is_no_url_at_all_is_a_type_error(url):
    with pytest.raises(TypeError, match=r"^OPENAI_BASE_URL: expected a str or a URL, got "):
        check_base_url(url, "OPENAI_BASE_URL")


HOSTS = st.one_of(
    st.text(),
    st.from_regex(r"[a-zA-Z0-9._%\[\]:-]{1,20}", fullmatch=True),
    st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address)),
    st.lists(st.sampled_from(["xn--", "a", "é", "ß", "。", ".", "-", "1", "\u0627", "\u0300", "%41", "İ"])).map(
        "".join
    ),
)
URLS = st.one_of(
    st.text(),
    st.builds("{}{}{}{}".format, st.sampled_from(["http://", "HTTPS://", "https://"]), HOSTS, st.sampled_from(["", ":", ":80", ":443", ":8000"]), st.one_of(st.just("/v1/"), st.text().map("/{}".format))),
)  # fmt: skip


@given(URLS)
@example("https://xn--.example")
@example("https://xn--a-")
def test_any_text_is_refused_or_a_url_that_http_libraries_take_with_this_host(text):
    try:
        checked = check_base_url(text)
    except ValueError as error:
        assert str(error).startswith("base_url: ")  # noqa: PT017  either end is right
        return
    assert check_base_url(checked) == checked
    authority = checked.split("/")[2]
    for library in (httpx, httpx2):
        url = library.URL(checked + "/chat/completions")
        assert url.scheme == checked.partition(":")[0]
        assert url.netloc.decode("ascii") in {authority, authority.rpartition(":")[0]}  # a scheme's own port goes
        assert url.host
        assert url.query == b""
        assert url.raw_path.endswith(b"/chat/completions")
    if not authority.startswith("["):
        authority.partition(":")[0].encode("idna")  # as looking it up does


@pytest.mark.parametrize(
    ("authority", "near"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("localhost:8000", True),
        ("api.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9:80", True),
        ("[::1]:8000", True),
        ("[::ffff:127.0.0.1]", True),
        ("[::ffff:10.0.0.1]", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("172.31.255.255", True),
        ("192.168.1.5", True),
        ("169.254.1.1", True),
        ("[fe80::1%eth0]:80", True),
        ("[fd00::1]", True),
        ("8.8.8.8", False),
        ("172.32.0.1", False),
        ("100.64.0.1", False),
        ("[2001:4860:4860::8888]", False),
        ("[::ffff:8.8.8.8]", False),
        ("127.1", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("127.0.0.1.", False),
        ("127.0.0.1.example", False),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("box", False),
        ("box.local", False),
        ("api.openai.com", False),
    ],
)
def test_only_this_machine_and_private_addresses_are_near(authority, near):
    assert is_near(check_base_url(f"http://{authority}/v1")) is near
