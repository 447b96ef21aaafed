"""I29, I32: what HTTP/2 can say and HTTP/1.1 can't never becomes bytes at a backend.

Frames are made by hand, as every library refuses to send most of this. A relay in front of nginx keeps every byte that
pingate sent on: of a refused request that is none.
"""
import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame
from support import gateway as gw
from support.edge import Edge
from support.net import Recorder
from test_h2_attacks import H2

PSEUDO = [(":method", "GET"), (":scheme", "https"), (":path", "/refused"), (":authority", "app.example.com")]
POST = [(":method", "POST"), *PSEUDO[1:]]
CRLF = "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n"

CASES = {}


def case(name, fields):
    assert name not in CASES, name
    CASES[name] = fields


def but(name, value, fields=PSEUDO):
    """The usual head with another value; None: without it."""
    return [(n, value if n == name else v) for n, v in fields if n != name or value is not None]


def header(name, value):
    return [*PSEUDO, (name, value)]


# names
for n, name in enumerate(("x\r\ny", "x\ry", "x\ny", "x" + CRLF, "x: y\r\nz", "x\0y", "x y", " x", "x ", "\tx", "x:y", "x:",
                          "", "X-Upper", "xY", "x\x7f", "x\xe9", "x(", "x,", "x;", "x/", "x=", "x@", "x[", "x{", "x\"",
                          "x\x01", "content-length\r\n", "transfer-encoding ", "transfer-encoding:")):
    case(f"name-{n}", header(name, "v"))

# values
for n, value in enumerate(("a\r\nb", "a\rb", "a\nb", "a" + CRLF, "a\0b", "\0", "a\x01b", "a\x1fb", "a\x7fb", "\r", "\n", "\r\n",
                           "a\x0bb", "a\x0cb", "a\x08b")):
    case(f"value-{n}", header("x-case", value))
    case(f"cookie-{n}", [*PSEUDO, ("cookie", "a=b"), ("cookie", value)])

# pseudo-headers: there, once, in front, and nothing but a request's
for name in (":method", ":path", ":scheme", ":authority"):
    case(f"twice{name}", [*PSEUDO, (name, dict(PSEUDO)[name])])
    case(f"behind{name}", [*but(name, None), ("x-first", "1"), (name, dict(PSEUDO)[name])])
    for n, value in enumerate(("", " ", "a\r\nb", "a" + CRLF, "a\0b", "a b", "a\tb", "a\x7fb")):
        case(f"pseudo{name}-{n}", but(name, value))
for name in (":method", ":path", ":scheme"):
    case(f"without{name}", but(name, None))
case("without-any", [("x-only", "1")])
for name in (":status", ":foo", ":", ":protocol", ":host", ":Method", ":version"):
    case(f"unknown{name}", [*PSEUDO[:1], (name, "200"), *PSEUDO[1:]])
for n, method in enumerate(("GET /smuggled HTTP/1.1", "G(T", "G:T", "GET\x0b", "\xe9", "CONNECT", "M" * 300)):
    case(f"method-{n}", but(":method", method))

# paths that would be read in two ways
for n, path in enumerate(("refused", "*", "//refused", "/a/../refused", "/a/./b", "/%2e%2e/refused", "/..;/refused", "/a#b", "#",
                          "/a b HTTP/1.1", "/a\\b", "/%00", "/%0d%0a", "/%zz", "/%", "/%2f", "/\xe9", "/<", "/\"", "?q",
                          "http://app.example.com/refused", "https://evil.example.com/", "/" + "a" * 9000)):
    case(f"path-{n}", but(":path", path))

# authorities
for n, authority in enumerate(("user@app.example.com", "app.example.com:", "app.example.com:x", "app.example.com:99999", "a/b",
                               "app.example.com,evil", "[::1", "app..example.com", "app.example.com#", "app.example.com?",
                               "app.example.com\\", "http://app.example.com", "app.example.com/", ".")):
    case(f"authority-{n}", but(":authority", authority))
case("authority-and-another-host", [*PSEUDO, ("host", "evil.example.com")])
case("two-hosts", [*but(":authority", None), ("host", "app.example.com"), ("host", "app.example.com")])
case("two-other-hosts", [*but(":authority", None), ("host", "app.example.com"), ("host", "evil.example.com")])
case("no-authority", but(":authority", None))
case("bad-host", [*but(":authority", None), ("host", "a b")])

# fields of one connection, which HTTP/2 has not
for n, field in enumerate((("connection", "close"), ("connection", "x-secret"), ("keep-alive", "timeout=5"),
                           ("proxy-connection", "keep-alive"), ("upgrade", "h2c"), ("upgrade", "websocket"),
                           ("transfer-encoding", "chunked"), ("transfer-encoding", "identity"), ("transfer-encoding", ""),
                           ("te", "gzip"), ("te", "trailers, gzip"), ("te", "chunked"), ("te", ""))):
    case(f"hop-{n}", header(*field))
case("extended-connect", [(":method", "CONNECT"), (":protocol", "websocket"), *PSEUDO[1:]])
case("plain-connect", [(":method", "CONNECT"), (":authority", "app.example.com:443")])

# lengths that are no number, or several
for n, value in enumerate(("abc", "-1", "+3", "3.0", "0x3", "3 3", "3,3", "3, 3", " 3", "", "99999999999999999999", "3\x0b", "\xb23")):
    case(f"length-{n}", [*POST, ("content-length", value)])
case("length-twice", [*POST, ("content-length", "3"), ("content-length", "3")])
case("length-twice-different", [*POST, ("content-length", "3"), ("content-length", "4")])
case("length-without-a-body", [*POST, ("content-length", "3")])
case("expect-unknown", header("expect", "something"))
case("too-many-fields", [*PSEUDO, *((f"x{n}", "v") for n in range(300))])
case("too-large", header("x", "a" * 70000))


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    relay = Recorder(nginx.port)
    config = Edge(people, relay.port)
    gateway = gw.Gateway(tmp_path_factory.mktemp("smuggling-h2"), {"edge.yaml": config.text()})
    yield config, relay
    gateway.stop()
    relay.close()


def block(fields):
    return Encoder().encode([(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields], huffman=False)


def heads(stream, fields, end):
    """HEADERS and as many CONTINUATIONs as it takes."""
    from hyperframe.frame import ContinuationFrame
    data = block(fields)
    pieces = [data[n:n + 16000] for n in range(0, len(data), 16000)]
    last = len(pieces) - 1
    flags = (["END_HEADERS"] if last == 0 else []) + (["END_STREAM"] if end else [])
    yield HeadersFrame(stream, pieces[0], flags=flags)
    for n, piece in enumerate(pieces[1:], 1):
        yield ContinuationFrame(stream, piece, flags=["END_HEADERS"] if n == last else [])


def outcome(h2, stream=1):
    """The status of the stream, or "reset" or "gone": whatever comes first."""
    from hpack import Decoder
    decoder = Decoder()
    for frame in h2.frames():
        if isinstance(frame, HeadersFrame):
            fields = dict(decoder.decode(frame.data))
            if frame.stream_id == stream and not fields[":status"].startswith("1"):
                return int(fields[":status"])
        elif isinstance(frame, RstStreamFrame) and frame.stream_id == stream:
            return "reset"
        elif isinstance(frame, GoAwayFrame):
            return "gone"
    return "gone"


def is_refused(result):
    return result in ("reset", "gone") or result in (400, 405, 413, 414, 417, 421, 431, 501)


def test_a_lawful_request_arrives(edge, people):
    config, relay = edge
    relay.clear()
    h2 = H2(config.port, people)
    h2.send(heads(1, [*but(":path", "/lawful"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-case", "v")], True))
    assert outcome(h2) == 200
    sent = relay.bytes()
    assert sent.startswith(b"GET /lawful HTTP/1.1\r\n") and sent.count(b"\r\n\r\n") == 1
    assert b"cookie: a=1; b=2\r\n" in sent.lower() and sent.lower().count(b"\nhost: app.example.com\r\n") == 1
    assert b"\nte:" not in sent.lower()


@pytest.mark.parametrize("name", CASES)
def test_a_refused_head_sends_no_byte_on(edge, people, name):
    config, relay = edge
    relay.clear()
    h2 = H2(config.port, people)
    h2.send(heads(1, CASES[name], True))
    result = outcome(h2)
    assert is_refused(result), (name, result, relay.bytes())
    assert relay.bytes() == b""


# bodies: the head was fine and may be there; its body never seems whole, and nothing stands behind it
BODIES = {
    "less-data-than-length": ("5", [b"abc"]), "more-data-than-length": ("3", [b"abcde"]),
    "more-data-in-two-frames": ("3", [b"abc", b"de"]), "data-where-none-is-told": ("0", [b"abc"]),
    "a-request-behind-the-length": ("3", [b"abc" + CRLF.encode()]), "no-data-at-all": ("3", [b""]),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_not_its_length_is_never_whole(edge, people, name):
    config, relay = edge
    relay.clear()
    length, pieces = BODIES[name]
    h2 = H2(config.port, people)
    h2.send([*heads(1, [*but(":path", "/echo", POST), ("content-length", length)], False),
             *(DataFrame(1, piece, flags=["END_STREAM"] if piece is pieces[-1] else []) for piece in pieces)])
    result = outcome(h2)
    assert is_refused(result) or result == 502, result
    body = relay.bytes().partition(b"\r\n\r\n")[2]
    assert len(body) < int(length) or int(length) == 0 or b"de" not in body, body
    assert b"smuggled" not in relay.bytes()


TRAILERS = {
    "a-pseudo-header": (":path", "/smuggled"), "a-status": (":status", "200"), "a-line-break-in-a-name": ("x\r\ny", "v"),
    "a-line-break-in-a-value": ("x-case", "v" + CRLF), "a-nul": ("x-case", "a\0b"), "a-space-in-a-name": ("x y", "v"),
    "upper-case": ("X-Case", "v"), "transfer-encoding": ("transfer-encoding", "chunked"), "connection": ("connection", "close"),
}


@pytest.mark.parametrize("name", TRAILERS)
def test_broken_trailers_end_no_body(edge, people, name):
    config, relay = edge
    relay.clear()
    h2 = H2(config.port, people)
    h2.send([*heads(1, but(":path", "/echo", POST), False), DataFrame(1, b"abc"), *heads(1, [TRAILERS[name]], True)])
    result = outcome(h2)
    assert is_refused(result) or result == 502, result
    assert b"0\r\n\r\n" not in relay.bytes() and b"smuggled" not in relay.bytes()


@pytest.mark.parametrize("name", ("content-length", "host", "content-encoding", "client-cert", "pingate-client-name",
                                  "x-forwarded-for", "authorization", "cookie", "set-cookie", "trailer"))
def test_trailers_that_frame_route_or_name_nobody_stay_behind(edge, people, name):
    config, relay = edge
    relay.clear()
    h2 = H2(config.port, people)
    h2.send([*heads(1, but(":path", "/echo", POST), False), DataFrame(1, b"abc"),
             *heads(1, [(name, "forged"), ("x-fine", "1")], True)])
    outcome(h2)
    assert b"forged" not in relay.bytes()


def test_there_are_enough_cases():
    assert len(CASES) + len(BODIES) + len(TRAILERS) >= 150
