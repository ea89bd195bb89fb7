"""Secrets in URLs, as people write them and mistype them: in no message, log, file or name of a file.

Made-up URLs hide a secret in the user name, the password, the query or the fragment; the same seed gives the same ones.
"""

import logging
import random
import traceback
import urllib.parse

import pytest
from support import command, once

import emotiontalk
from emotiontalk.errors import redacted

SCHEMES = (
    "http", "https", "HTTP", "Https", "ftp", "FTP", "sftp", "s3", "S3", "gs", "hf", "HF", "memory", "webdav",
    "simplecache::ftp", "filecache::s3", "blockcache::HTTP", "zip://Audio.tar::http",
    "zip://a/b.tar::simplecache::https",
)  # fmt: skip
HOSTS = (
    "host", "127.0.0.1", "example.org", "[::1]", "bücher.example", "EXAMPLE.ORG", "a-b.c.example.com", "localhost",
)  # fmt: skip
PATHS = ("", "/", "/x", "/data/release", "/目录/x y", "//a", "/a%20b", "/data/me@host/x", "/x/")
ODD = (
    "", "/", "@", "?", "#", ":", " ", "%2F", "é", "中", "&", "=", "'", '"', "::", "//", "\\", "[", "+", "-x", "1",
    "p@s/", ";", ",", "(", "\t", "a b/c@",
)  # fmt: skip
USERS = ("u", "user", "first.last", "me@example.org", "us er", "名", "")


def made_up(seed, number, schemes=SCHEMES, hosts=HOSTS, ports=("", "", ":80", ":9", ":65535")):
    """(secret, host, whether nothing in it is odd, URL)"""
    r = random.Random(seed)
    for n in range(number):
        secret, where = f"SECRET{n}", r.choice(("password",) * 3 + ("user", "query", "fragment", "both"))
        left, right = r.choice(ODD), r.choice(ODD)
        credentials = r.choice(("", "", "u@", "u:p@"))
        if where in ("password", "both"):
            password = left + secret + right
            if r.random() < 0.3:
                left = right = ""
                password = urllib.parse.quote(password, safe="")
            credentials = f"{r.choice(USERS)}:{password}@"
        elif where == "user":
            credentials = r.choice((f"{secret}@", f"{secret}:x@"))
            left = right = ""
        query = r.choice(("", "", "?x=1"))
        if where in ("query", "both"):
            query = f"?{r.choice(('sig', 'X-Amz-Signature', 'token', 'sv=1&sig', ''))}={secret}{r.choice(ODD)}"
        fragment = r.choice(("", "", "", "#x"))
        if where == "fragment":
            fragment = f"#{r.choice(('access_token=', ''))}{secret}{r.choice(ODD)}"
        blank, host, path = r.choice(("", "", "", " ", "\t")), r.choice(hosts), r.choice(PATHS)
        url = f"{r.choice(schemes)}://{credentials}{host}{r.choice(ports)}{path}"
        plain = not set(left + right) - set(";,-x1+=&é中") and "@" not in path + query + fragment
        yield secret, host, path if plain else None, f"{blank}{url}{query}{fragment}{blank}"


@once
def test_a_made_up_url_is_shown_without_its_secret_and_with_its_host():
    plain = 0
    for secret, host, path, url in made_up(seed=1, number=1_500):
        shown = redacted(url)
        assert secret not in shown, (url, shown)
        assert secret not in redacted(shown), url
        if path is not None:
            plain += 1
            assert host in shown and path.rstrip() in shown, (url, shown)
    assert plain > 500


@once
def test_a_url_in_the_text_of_an_error_is_shown_without_its_secret():
    for text in ("cannot open {}: refused", "('{}', 3)", 'GET {} "HTTP/1.1 200"', "Redirecting http://a/x?b=c -> {}"):
        for secret, host, path, url in made_up(seed=2, number=300):
            if path is not None and "us er" not in url:
                shown = redacted(text.format(url), text=True)
                assert secret not in shown and host in shown, (url, shown)


KEPT = (
    "/data/me@host/x", "~/me@host/x", "../data/me@host/x", "data/me@host", "me@host", "me@example.org/x",
    r"C:\Users\me@host\x", "C:/Users/me@host/x", r"\\nas\me@host\x", "file:///data/me@host/x",
    "file:///C:/Users/me@host/x", "http://localhost:8080/data/me@host/x", "http://nas/data/me@host/x",
    "https://example.org:8080/data/me@example.org/x", "http://[::1]:80/x", "hf://datasets/BAAI/Emotiontalk@adbc17/x.tar",
    "hf://buckets/me/x", "s3://bucket/me@host/x", "abfs://container@account.dfs.core.windows.net/x",
    "memory://bucket/x", "zip://Audio.tar::s3://bucket/x.zip", "/data/a:b/x", "/data/what?/x", "modelscope", "",
    "http://host", "//nas/data/me@host", "/data/run #3/x",
)  # fmt: skip


@once
@pytest.mark.parametrize("path", KEPT)
def test_what_is_no_secret_is_kept(path):
    assert redacted(path) == path
    said = f"there is nothing in {path}: pass data_dir= with its folder"
    assert redacted(said, text=True) == said


# --- through what users type ------------------------------------------------------------------------------------------


def chain(error):
    """An exception and all that it came from, as text."""
    said, seen = [], []
    while error is not None and error not in seen:
        seen.append(error)
        said += [repr(error), *traceback.format_exception_only(type(error), error), repr(error.args)]
        error = error.__cause__ or error.__context__
    return "".join(said)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("emotiontalk.archives.http.WAITS", ())


@pytest.fixture
def logged(caplog):
    """All that any library logs."""
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3", "fsspec", "huggingface_hub", "datasets"):
        caplog.set_level(logging.DEBUG, logger=name)
    caplog.set_level(logging.DEBUG)
    return caplog


def test_a_stream_of_a_made_up_url_shows_no_secret(call, impatient, logged, capfd, tmp_path):
    """At closed ports of this machine, or by schemes whose library is missing."""
    closed = {"hosts": ("127.0.0.1", "[::1]", "localhost"), "ports": (":9",)}
    schemes = ("http", "HTTP", "Https", "s3", "webdav", "blockcache::HTTP", "zip://Audio.tar::http", "filecache::s3")
    for secret, _, _, url in made_up(seed=3, number=60, schemes=schemes, **closed):
        with pytest.raises(Exception) as error:
            next(iter(call("text", url, split="test", streaming=True, cache_dir=tmp_path / "cache")))
        assert isinstance(error.value, emotiontalk.EmotionTalkError), (url, repr(error.value))
        assert secret not in chain(error.value) and "\n" not in str(error.value), url
        assert secret not in logged.text, url
        logged.clear()
    out, err = capfd.readouterr()
    assert "SECRET" not in out + err
    assert not any(
        "SECRET" in str(path) or b"SECRET" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


WRONG_WORDS = {
    "zh-en OUT URL": 2, "URL": 2, "verify --data-dir x URL": 2, "probe --config URL": 2, "report --clips URL": 2,
    "zh-en URL": 1, "score URL": 1, "report --out URL": 1, "probe --features URL": 1, "push URL": 1,
    "files URL --for kaldi": 1,
}  # fmt: skip


@once
@pytest.mark.parametrize("words", WRONG_WORDS)
def test_a_url_in_the_wrong_place_shows_no_secret(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("http://u:SECRET@127.0.0.1:9/x.json?sig=SECRET", "S3://key:SECRET@bucket/x.json"):
        run = command(*(url if word == "URL" else word for word in words.split()), status=WRONG_WORDS[words])
        assert "SECRET" not in run.stdout + run.stderr and "Traceback" not in run.stderr and run.stderr
    assert not list(tmp_path.iterdir())


COMMANDS = (
    ("zh-en", "OUT"), ("score", "GIVEN"), ("verify",), ("report", "--out", "OUT"),
    ("parquet", "OUT", "--config", "text"),
    ("probe", "--config", "text", "--out", "OUT"), ("push", "me/x", "--as", "parquet", "--export", "OUT"),
    ("files", "OUT", "--for", "kaldi"),
)  # fmt: skip


@once
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_command_shows_no_secret(words, impatient, logged, tmp_path):
    (tmp_path / "given.json").write_text('{"G00003_11_02_002": "happy"}')
    places = {"OUT": tmp_path / "out", "GIVEN": tmp_path / "given.json"}
    closed = {"schemes": ("http", "HTTP", "simplecache::http"), "hosts": ("127.0.0.1",), "ports": (":9",)}
    for secret, _, _, url in made_up(seed=len(words), number=4, **closed):
        typed = [places.get(word, word) for word in words]
        run = command(*typed, "--data-dir", url, status=2 if words[0] == "verify" else 1)
        assert secret not in run.stdout + run.stderr + logged.text and "Traceback" not in run.stderr, (url, run.stderr)
    assert not any("SECRET" in str(path) for path in tmp_path.rglob("*"))
