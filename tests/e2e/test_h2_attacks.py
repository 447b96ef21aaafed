"""I35, I36: floods over HTTP/2 end with GOAWAY ENHANCE_YOUR_CALM, slow readers hold a window, the process lives."""
import itertools
import ssl
import time

import pytest
from hpack import Encoder
from hyperframe.frame import (ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, PriorityFrame,
                              RstStreamFrame, SettingsFrame, WindowUpdateFrame)
from support import gateway as gw
from support.client import connect, curl
from support.edge import Edge
from support.net import eventually

ENHANCE_YOUR_CALM = 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def head(method="GET", path="/flood", extra=()):
    return Encoder().encode([(":method", method), (":scheme", "https"), (":path", path),
                             (":authority", "app.example.com"), *extra], huffman=False)


def headers(stream, flags=("END_HEADERS", "END_STREAM"), block=None, **words):
    return HeadersFrame(stream, head(**words) if block is None else block, flags=flags)


def odd(count):
    return range(1, 2 * count, 2)


def rapid_reset():
    for n in odd(1000):
        yield headers(n)
        yield RstStreamFrame(n, error_code=8)


def made_you_reset():
    for n in odd(1000):
        yield headers(n, flags=("END_HEADERS",), method="POST", path="/echo")
        yield WindowUpdateFrame(n, window_increment=2**31 - 1)


def made_you_reset_by_data_behind_the_end():
    for n in odd(1000):
        yield headers(n, path="/echo")
        yield DataFrame(n, b"x")


def continuations():
    yield headers(1, flags=("END_STREAM",))
    for _ in range(200):
        yield ContinuationFrame(1, b"")


def header_list():
    block = Encoder().encode([("x-bomb", "b" * 4000)])
    yield headers(1, block=head() + block + b"\xbe" * 4000)


def settings():
    for _ in range(1000):
        yield SettingsFrame(0, settings={4: 65535})


def pings():
    for _ in range(2000):
        yield PingFrame(0, b"12345678")


def priorities():
    for _ in range(2000):
        yield PriorityFrame(1, depends_on=0, stream_weight=1)


def empty_data():
    yield headers(1, flags=("END_HEADERS",), method="POST", path="/echo")
    for _ in range(1000):
        yield DataFrame(1, b"")


def padding_alone():
    yield headers(1, flags=("END_HEADERS",), method="POST", path="/echo")
    for _ in range(1000):
        yield DataFrame(1, b"", pad_length=9, flags=("PADDED",))


FLOODS = [rapid_reset, made_you_reset, continuations, header_list, settings, pings, priorities, empty_data,
          padding_alone]


class H2:
    def __init__(self, port, people, settings=None):
        self.connection = connect(port, people.server_ca, people.pinned, alpn=("h2",))
        assert self.connection.selected_alpn_protocol() == "h2"
        self.data = b""
        self.connection.sendall(PREFACE + SettingsFrame(0, settings=settings or {}).serialize())

    def send(self, frames):
        """False: the server has closed meanwhile."""
        try:
            self.connection.sendall(b"".join(frame.serialize() for frame in frames))
        except (OSError, ssl.SSLError):
            return False
        return True

    def frames(self):
        """All that come until the connection ends."""
        while True:
            while len(self.data) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self.data[:9]))
                if len(self.data) < 9 + length:
                    break
                frame.parse_body(memoryview(self.data[9:9 + length]))
                self.data = self.data[9 + length:]
                yield frame
            try:
                piece = self.connection.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return
            if not piece:
                return
            self.data += piece


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    edge = Edge(people, nginx.port)
    edge.gateway = gw.Gateway(tmp_path_factory.mktemp("h2"), {"edge.yaml": edge.text()}, workers=1)
    yield edge
    edge.gateway.stop()


@pytest.mark.parametrize("flood", FLOODS, ids=lambda f: f.__name__)
def test_a_flood_ends_with_enhance_your_calm(edge, people, flood):
    h2 = H2(edge.port, people)
    h2.send(flood())
    goaways = [f for f in h2.frames() if isinstance(f, GoAwayFrame)]
    assert [f.error_code for f in goaways] == [ENHANCE_YOUR_CALM]
    assert curl(edge.port, people.server_ca, people.pinned, http="2").status == 200


def test_data_behind_the_end_of_its_stream_ends_the_connection(edge, people):
    h2 = H2(edge.port, people)
    h2.send(made_you_reset_by_data_behind_the_end())
    assert [f.error_code for f in h2.frames() if isinstance(f, GoAwayFrame)]
    assert curl(edge.port, people.server_ca, people.pinned, http="2").status == 200


def test_what_a_peaceful_client_does_is_within_every_budget(edge, people):
    h2 = H2(edge.port, people)
    for n in odd(60):
        h2.send([headers(n), PingFrame(0, b"12345678")])
    ends = (f for f in h2.frames() if isinstance(f, (GoAwayFrame, DataFrame)) and
            (isinstance(f, GoAwayFrame) or "END_STREAM" in f.flags))
    for _ in odd(60):
        assert isinstance(next(ends), DataFrame)


def drip_one_frame():
    """A head that is all there but for its last byte, a byte at a time."""
    frame = headers(1).serialize()
    yield from (frame[n:n + 1] for n in range(len(frame) - 1))


def drip_continuations():
    """A head whose end is always one more frame away."""
    yield headers(1, flags=("END_STREAM",)).serialize()
    for _ in range(7):
        frame = ContinuationFrame(1, Encoder().encode([("x-a", "b" * 60)], huffman=False)).serialize()
        yield frame[:9]
        yield from (frame[n:n + 1] for n in range(9, len(frame)))


def drip_nothing():
    """The first byte of a frame, and no more."""
    yield b"\0"


@pytest.mark.parametrize("drip", (drip_one_frame, drip_continuations, drip_nothing), ids=lambda f: f.__name__)
def test_a_head_that_drips_in_ends_at_its_deadline(people, nginx, start, drip):
    edge = Edge(people, nginx.port)
    start({"edge.yaml": edge.text()}, "--limit", "head-ms=500", "--limit", "idle-ms=60000")
    h2 = H2(edge.port, people)
    pieces, begin = itertools.chain(drip(), itertools.repeat(b"")), time.monotonic()

    def closed():
        try:
            h2.connection.sendall(next(pieces))
            h2.connection.settimeout(0.02)
            return h2.connection.recv(4096) == b""
        except TimeoutError:
            return False
        except (OSError, ssl.SSLError):
            return True
    eventually(closed, "the dripping one is closed")
    assert time.monotonic() - begin < 10


def test_a_connection_with_whole_heads_outlives_the_deadline_of_a_head(people, nginx, start):
    edge = Edge(people, nginx.port)
    start({"edge.yaml": edge.text()}, "--limit", "head-ms=100", "--limit", "idle-ms=60000")
    h2, frames, begin = H2(edge.port, people), None, time.monotonic()
    for n in itertools.count(1, 2):
        h2.send([headers(n), WindowUpdateFrame(0, window_increment=2**16)])
        frames = frames or h2.frames()
        while not (isinstance(frame := next(frames), DataFrame) and "END_STREAM" in frame.flags):
            assert not isinstance(frame, GoAwayFrame)
        if time.monotonic() - begin > 0.5:
            break


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int([line for line in status if line.startswith("VmRSS")][0].split()[1])


@pytest.mark.parametrize("http", ("1.1", "2"))
def test_a_slow_reader_holds_no_more_than_a_window(edge, people, http):
    if b"__asan_init" in open(gw.BINARY, "rb").read():
        pytest.skip("a sanitizer keeps what was freed")
    before = rss_kb(edge.gateway.process.pid)
    slow = []
    for _ in range(8):
        if http == "2":
            h2 = H2(edge.port, people, settings={4: 2**31 - 1})
            h2.send([WindowUpdateFrame(0, window_increment=2**31 - 1 - 65535), *(headers(n, path="/big") for n in odd(8))])
            slow.append(h2.connection)
            assert next(f for f in h2.frames() if isinstance(f, DataFrame))
        else:
            connection = connect(edge.port, people.server_ca, people.pinned)
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
            slow.append(connection)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    for _ in range(30):  # all of it could have been read meanwhile
        assert curl(edge.port, people.server_ca, people.pinned).status == 200
    streams = 8 * (8 if http == "2" else 1)
    assert rss_kb(edge.gateway.process.pid) - before < streams * 256 + 8192
    for connection in slow:
        connection.close()
