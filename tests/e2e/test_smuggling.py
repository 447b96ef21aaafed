"""I27-I32: what is refused never reaches a backend, not one byte of it.

Each case is sent over a pinned client's TLS connection; behind it, in the same write, comes a
request that must not be parsed. A relay in front of nginx keeps every byte that pingate sent on.
"""
import pytest
from support.client import connect, read_all
from support.edge import Edge

H = "Host: app.example.com\r\n"
POST = "POST /refused HTTP/1.1\r\n" + H


def chunked(body, extra=""):
    return POST + extra + "Transfer-Encoding: chunked\r\n\r\n" + body


def length(value, body="abc"):
    return POST + f"Content-Length: {value}\r\n\r\n" + body


def te(value):
    return POST + f"Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n"


def get(line, headers=H):
    return line + "\r\n" + headers + "\r\n"


def header(line):
    return "GET /refused HTTP/1.1\r\n" + H + line + "\r\n\r\n"


CASES = {}


def case(name, data, status=400):
    assert name not in CASES, name
    CASES[name] = (data.encode("latin-1") if isinstance(data, str) else data, status)


# Content-Length and Transfer-Encoding together, in every order and spelling
for n, pair in enumerate([
        ("Content-Length: 4", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Content-Length: 0", "Transfer-Encoding: chunked"), ("content-length: 6", "TRANSFER-ENCODING: chunked"),
        ("Content-Length: 4", "Transfer-Encoding: identity"), ("Content-Length: 4", "Transfer-Encoding: x"),
        ("Content-Length: 4", "Transfer-Encoding:"), ("Content-Length: 4", "Transfer-Encoding: gzip, chunked")]):
    case(f"cl-te-{n}", POST + pair[0] + "\r\n" + pair[1] + "\r\n\r\n0\r\n\r\n")

# several Content-Lengths
for n, values in enumerate([("3", "4"), ("3", "3"), ("0", "3"), ("3", "0"), ("3", "03"), ("3", " 3"), ("3", "x")]):
    case(f"two-cl-{n}", POST + "".join(f"Content-Length: {v}\r\n" for v in values) + "\r\nabc")

# Content-Length that is not a number
for value in ("", " ", "+3", "-3", "3.0", "0x3", "3 3", "3,3", "3, 3", "3;3", "abc", "3a", "a3", "1e1", "\t3\x0b", "3\x00",
              "18446744073709551616", "99999999999999999999", "9223372036854775808", "-1", "'3'", '"3"', "3\x0c",
              "\xb23", "3\xa0", "٣".encode().decode("latin-1")):
    case(f"cl-{value!r}", length(value))

# Transfer-Encoding that is not exactly chunked
for value in ("", "identity", "chunked, identity", "identity, chunked", "chunked, chunked", "gzip, chunked", "chunked,",
              ",chunked", "chunked;q=1", "chunked ; x", "xchunked", "chunkedx", "chunk", '"chunked"', "'chunked'",
              "chunked\x0b", "\x0bchunked", "chunked\x00", "cow", "deflate", "chunked gzip", "ch\xfcnked", "chun ked",
              "chunked\x0c", "[chunked]", "chunked:"):
    case(f"te-{value!r}", te(value))
case("te-twice", POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
case("te-twice-different", POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")
case("te-http10", "POST /refused HTTP/1.0\r\n" + H + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
case("te-space-before-colon", POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")
case("te-tab-before-colon", POST + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n")
case("te-folded", POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")
case("te-folded-tab", POST + "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n")
case("te-leading-space", POST + " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

# line ends, folding, names, values
case("bare-lf-everywhere", "GET /refused HTTP/1.1\nHost: app.example.com\n\n")
case("bare-lf-request-line", "GET /refused HTTP/1.1\n" + H + "\r\n")
case("bare-lf-header", header("X: a\nY: b"))
case("bare-lf-last", "GET /refused HTTP/1.1\r\n" + H + "\n")
case("bare-cr-in-value", header("X: a\rb"))
case("bare-cr-in-name", header("X\rY: a"))
case("bare-cr-request-line", "GET /refused\r HTTP/1.1\r\n" + H + "\r\n")
case("cr-cr-lf", "GET /refused HTTP/1.1\r\r\n" + H + "\r\n")
case("obs-fold-space", header("X: a\r\n b"))
case("obs-fold-tab", header("X: a\r\n\tb"))
case("obs-fold-first", "GET /refused HTTP/1.1\r\n " + H + "\r\n")
case("obs-fold-host", "GET /refused HTTP/1.1\r\nHost: app.example.com\r\n .evil\r\n\r\n")
for n, name in enumerate(("X ", "X\t", " X", "", "X Y", "X\x00", "X\x7f", "X\xe9", "X(", "X)", "X,", "X/", "X;", "X<", "X=",
                          "X?", "X@", "X[", "X\\", "X{", "X\"")):
    case(f"name-{n}", header(f"{name}: v"))
case("no-colon", header("NoColonHere"))
for n, control in enumerate("\x00\x01\x02\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f"):
    case(f"value-control-{n}", header(f"X: a{control}b"))

# request lines
for n, line in enumerate((
        "GET  /refused HTTP/1.1", "GET /refused  HTTP/1.1", " GET /refused HTTP/1.1", "GET /refused HTTP/1.1 ",
        "GET\t/refused HTTP/1.1", "GET /refused\tHTTP/1.1", "GET /refused", "GET", "", "GET /refused http/1.1",
        "GET /refused HTTP/1.1x", "GET /refused HTTP/ 1.1", "GET /refused HTTP/1", "GET /refused HTTP1.1",
        "G\x00T /refused HTTP/1.1", "G(T /refused HTTP/1.1", "GET /re\x00fused HTTP/1.1", "GET /re\x01fused HTTP/1.1",
        "GET /re fused HTTP/1.1", "GET refused HTTP/1.1", "GET /refused#x HTTP/1.1", "GET /\xe9 HTTP/1.1",
        "GET * HTTP/1.1", "GET /a/../refused HTTP/1.1", "GET /a/./refused HTTP/1.1", "GET /%2e%2e/refused HTTP/1.1",
        "GET /a/%2E./refused HTTP/1.1", "GET /a%00 HTTP/1.1", "GET /a%zz HTTP/1.1", "GET /a% HTTP/1.1",
        "GET /a\\b HTTP/1.1", "GET http://evil.example.com/refused HTTP/1.1", "GET http:///refused HTTP/1.1",
        "GET ftp://app.example.com/refused HTTP/1.1", "GET //refused HTTP/1.1", "GET /..;/refused HTTP/1.1")):
    case(f"line-{n}", get(line))
case("version-2.0", get("GET /refused HTTP/2.0"), 505)
case("version-1.2", get("GET /refused HTTP/1.2"), 505)
case("version-3.0", get("GET /refused HTTP/3.0"), 505)
case("connect", get("CONNECT app.example.com:443 HTTP/1.1"), 501)
case("method-too-long", get("M" * 300 + " /refused HTTP/1.1"), 501)
case("target-too-long", get("GET /" + "a" * 9000 + " HTTP/1.1"), 414)
case("header-too-large", header("X: " + "a" * 70000), 431)
case("too-many-headers", header("\r\n".join(f"X{i}: v" for i in range(200))), 431)
case("name-too-long", header("X" * 300 + ": v"), 431)

# Host
for n, hosts in enumerate(("", H + H, H + "Host: other.example.com\r\n", "Host:\r\n", "Host: a b\r\n", "Host: a/b\r\n",
                           "Host: app.example.com:\r\n", "Host: app.example.com:x\r\n", "Host: app.example.com:99999\r\n",
                           "Host: user@app.example.com\r\n", "Host: app.example.com,evil\r\n", "Host: [::1\r\n",
                           "Host: a\x00b\r\n", "Host: app..example.com\r\n", "Host : app.example.com\r\n")):
    case(f"host-{n}", "GET /refused HTTP/1.1\r\n" + hosts + "\r\n")
case("preface-h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)

# expectations that we do not know
case("expect-unknown", header("Expect: something"), 417)

# chunk framing: the head is fine and goes on; of the broken rest and the request behind it, nothing may
BODY_CASES = {}
for n, body in enumerate((
        "0x3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "\r\n3\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n", "3;\nabc\r\n0\r\n\r\n", "3;a\rb\r\nabc\r\n0\r\n\r\n", "3;a=\x00\r\nabc\r\n0\r\n\r\n",
        "11111111111111111\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n", "3\r\rabc\r\n0\r\n\r\n",
        "3;" + "x" * 1000 + "\r\nabc\r\n0\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX: a\nY: b\r\n\r\n",
        "0\r\nNoColon\r\n\r\n", "0\r\nX: a\x00\r\n\r\n", "0\r\n\n", "0\n\n", "3\r\nabc0\r\n\r\n", "x3\r\nabc\r\n0\r\n\r\n")):
    BODY_CASES[f"chunk-{n}"] = chunked(body).encode("latin-1")

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n"


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    from support.gateway import Gateway
    from support.net import Recorder
    relay = Recorder(nginx.port)
    config = Edge(people, relay.port)
    gateway = Gateway(tmp_path_factory.mktemp("smuggling"), {"edge.yaml": config.text()})
    yield config, relay
    gateway.stop()
    relay.close()


def send(edge, people, data):
    with connect(edge.port, people.server_ca, people.pinned) as connection:
        try:
            connection.sendall(data)
        except OSError:
            pass
        return read_all(connection)


def test_there_are_enough_cases():
    """Those of HTTP/2, of upgrades and of answers are counted where they stand."""
    assert len(CASES) + len(BODY_CASES) >= 200


def test_a_lawful_request_arrives(edge, people):
    config, relay = edge
    relay.clear()
    reply = send(config, people, b"GET /lawful HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"GET /lawful HTTP/1.1\r\n" in relay.bytes()


@pytest.mark.parametrize("name", CASES)
def test_a_refused_head_sends_no_byte_on(edge, people, name):
    config, relay = edge
    relay.clear()
    data, status = CASES[name]
    reply = send(config, people, data + SMUGGLED)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode()), (name, reply[:120])
    assert reply.count(b"HTTP/1.1 ") == 1, "bytes behind a refused request were parsed"
    assert relay.bytes() == b""


@pytest.mark.parametrize("name", BODY_CASES)
def test_a_broken_body_sends_nothing_behind_the_fault(edge, people, name):
    config, relay = edge
    relay.clear()
    reply = send(config, people, BODY_CASES[name] + SMUGGLED)
    assert b" 200 " not in reply.split(b"\r\n", 1)[0], reply[:120]
    assert reply.count(b"HTTP/1.1 ") <= 1
    assert b"smuggled" not in relay.bytes()
    assert b"0\r\n\r\n" not in relay.bytes(), "the backend was told that a broken body was complete"
