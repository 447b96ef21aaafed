"""I28, I30, I31: what a backend says in two readings is no answer, and nothing behind an answer is another one.

The backend is a socket that says exactly the bytes of the case, then keeps its connection open with a forged answer
behind them. The client sends a second request on its connection: it must never be answered by what the first left behind.
"""
import socket
import threading

import pytest
from support import gateway as gw
from support.client import connect
from support.edge import Edge
from test_h2_attacks import H2
from test_smuggling_h2 import but, heads, outcome

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Forged: yes\r\n\r\nFORGED"
OK = "HTTP/1.1 200 OK\r\n"

BAD, CASES = {}, {}  # 502 whole; and those of which the head is fine


def bad(name, data):
    assert name not in BAD, name
    BAD[name] = data.encode("latin-1") if isinstance(data, str) else data


def head(*lines, body="abc"):
    return OK + "".join(line + "\r\n" for line in lines) + "\r\n" + body


# framing in two readings
for n, lines in enumerate((("Content-Length: 3", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 3"),
                           ("Content-Length: 3", "Content-Length: 4"), ("Content-Length: 3", "Content-Length: 3"),
                           ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
                           ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"))):
    bad(f"framing-{n}", head(*lines, body="3\r\nabc\r\n0\r\n\r\n"))
for n, value in enumerate(("", "x", "-3", "+3", "3.0", "0x3", "3,3", "3, 3", "3 3", "3a", "99999999999999999999", "3\x0b", "3\xa0")):
    bad(f"length-{n}", head(f"Content-Length: {value}"))
for n, value in enumerate(("", "identity", "gzip, chunked", "chunked, identity", "chunked, chunked", "xchunked", "chunked;q=1",
                           "\"chunked\"", "chunked\x0b", "ch unked", "chunked,")):
    bad(f"coding-{n}", head(f"Transfer-Encoding: {value}", body="3\r\nabc\r\n0\r\n\r\n"))
bad("coding-in-1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

# lines, names, values
for n, line in enumerate(("X: a\r\n b", "X: a\r\n\tb", " X: a", "X : a", "X\t: a", ": a", "NoColon", "X: a\nY: b", "X: a\rb",
                          "X: a\0b", "X\0: a", "X Y: a", "X: a\x01b", "X: a\x7fb", "X(: a", "Transfer-Encoding : chunked",
                          "Content-Length\t: 3")):
    bad(f"line-{n}", head(line, "Content-Length: 3"))
for n, line in enumerate(("HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 abc OK", "HTTP/1.1 099 OK", "HTTP/1.1 -20 OK",
                          "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", " HTTP/1.1 200 OK", "http/1.1 200 OK", "HTTP/2.0 200 OK",
                          "HTTP/1.2 200 OK", "HTTP/3 200 OK", "HTTP/1 200 OK", "HTTP/11 200 OK", "HTTP 200 OK", "200 OK", "ICY 200 OK",
                          "SSH-2.0-OpenSSH_9.2", "<html>hello</html>", "HTTP/1.1 200 O\0K", "HTTP/1.1 200 O\rK")):
    bad(f"status-line-{n}", line + "\r\nContent-Length: 3\r\n\r\nabc")
bad("bare-lf", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc")
bad("head-too-large", head("X: " + "a" * 200000))
bad("too-many-fields", head(*(f"X{n}: v" for n in range(500)), "Content-Length: 3"))
bad("101-nobody-asked-for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nabc")
bad("101-of-another-protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nabc")
bad("informational-with-a-length", "HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\nabc" + OK + "Content-Length: 3\r\n\r\nabc")
bad("a-settings-frame", b"\0\0\0\4\0\0\0\0\0")
bad("an-alert-of-tls", b"\x15\x03\x03\x00\x02\x02\x46")

# the head is fine: what is behind its end belongs to nobody, and what breaks off is never whole
CASES["bytes-behind-a-length"] = head("Content-Length: 3")
CASES["bytes-behind-the-last-chunk"] = head("Transfer-Encoding: chunked", body="3\r\nabc\r\n0\r\n\r\n")
CASES["a-body-behind-204"] = "HTTP/1.1 204 No Content\r\n\r\n"
CASES["a-body-behind-304"] = "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"
CASES["a-length-of-0"] = head("Content-Length: 0", body="")
CASES["close-and-bytes"] = head("Content-Length: 3", "Connection: close")
BROKEN = {f"chunk-{n}": head("Transfer-Encoding: chunked", body=body) for n, body in enumerate((
    "0x3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "3\nabc\n0\n\n", "3\r\nabcd\r\n0\r\n\r\n",
    "g\r\n", "ffffffffffffffff1\r\nabc", "3\r\nabc\r\n0\r\nX : y\r\n\r\n", "3\r\nabc\r\n0\r\nNoColon\r\n\r\n",
    "3\r\nabc\r\n0\r\n X: y\r\n\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\n\n"))}


class Liar:
    """Answers every request with the bytes of its case, and what is forged behind them."""

    def __init__(self):
        self.answer, self.requests, self.connections = b"", 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    data += piece
                request, _, data = data.partition(b"\r\n\r\n")
                self.requests += 1
                if request.startswith(b"GET /honest "):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest")
                else:
                    connection.sendall(self.answer)
        except OSError:
            pass

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module")
def edge(people, tmp_path_factory):
    liar = Liar()
    config = Edge(people, liar.port)
    gateway = gw.Gateway(tmp_path_factory.mktemp("liar"), {"edge.yaml": config.text()}, workers=1)
    yield config, liar
    gateway.stop()
    liar.close()


def get(path, close=False):
    return f"GET {path} HTTP/1.1\r\nHost: app.example.com\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def both(edge, people):
    """What a client reads who asks for the lie, and then for /honest on the same connection where that stays."""
    data = b""
    with connect(edge.port, people.server_ca, people.pinned) as connection:
        connection.sendall(get("/lie") + get("/honest", close=True))
        try:
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return data
                data += piece
        except OSError:
            return data


def ask_honest(edge, people):
    with connect(edge.port, people.server_ca, people.pinned) as connection:
        connection.sendall(get("/honest", close=True))
        data = b""
        while piece := connection.recv(65536):
            data += piece
    return data


@pytest.mark.parametrize("name", BAD)
def test_an_answer_in_two_readings_is_502(edge, people, name):
    config, liar = edge
    liar.answer = BAD[name] + FORGED
    data = both(config, people)
    assert data.startswith(b"HTTP/1.1 502 "), data[:200]
    assert b"FORGED" not in data and b"orged" not in data
    honest = ask_honest(config, people)
    assert honest.startswith(b"HTTP/1.1 200 ") and honest.endswith(b"honest")


@pytest.mark.parametrize("name", CASES)
def test_nothing_behind_an_answer_is_another(edge, people, name):
    config, liar = edge
    liar.answer = CASES[name].encode() + FORGED
    data = both(config, people)
    assert data.split(b" ", 2)[1] == CASES[name].split(" ", 2)[1].encode()
    assert b"FORGED" not in data and data.endswith(b"honest")
    assert ask_honest(config, people).endswith(b"honest")


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_that_breaks_is_never_whole(edge, people, name):
    config, liar = edge
    liar.answer = BROKEN[name].encode() + FORGED
    data = both(config, people)
    assert b"FORGED" not in data and b"honest" not in data, data
    assert data.startswith(b"HTTP/1.1 502 ") or not data.endswith(b"0\r\n\r\n"), data
    assert ask_honest(config, people).endswith(b"honest")


@pytest.mark.parametrize("name", ("framing-0", "length-3", "coding-1", "line-7", "status-line-0", "101-nobody-asked-for"))
def test_it_is_502_over_h2_too(edge, people, name):
    config, liar = edge
    liar.answer = BAD[name] + FORGED
    h2 = H2(config.port, people)
    h2.send(heads(1, but(":path", "/lie"), True))
    assert outcome(h2) == 502
    assert b"FORGED" not in h2.data


def test_there_are_enough_cases():
    assert len(BAD) + len(CASES) + len(BROKEN) >= 90
