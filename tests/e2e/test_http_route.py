"""HTTPRoute: what matches, and what redirects, rewrites, CORS and the filters of backendRefs do, over a real nginx."""
import collections
import http.client
import json
import subprocess
import time
import types

import pytest
from support import gateway as gw
from support.client import curl
from support.edge import Edge
from support.net import Recorder, eventually, free_port

APP = "backendRefs: [{name: app, port: 80}]"
TWO = ("1.1", "2")


def rule(path, *filters, backend=APP, kind="PathPrefix", name=None):
    text = f"- {f'name: {name}' + chr(10) + '  ' if name else ''}matches: [{{path: {{type: {kind}, value: \"{path}\"}}}}]\n"
    if filters:
        text += "  filters:\n" + "".join(f"  - {f}\n" for f in filters)
    return text + (f"  {backend}\n" if backend else "")


def redirect(fields):
    return f"{{type: RequestRedirect, requestRedirect: {{{fields}}}}}"


def rewrite(fields):
    return f"{{type: URLRewrite, urlRewrite: {{{fields}}}}}"


def prefix(value):
    return f'path: {{type: ReplacePrefixMatch, replacePrefixMatch: "{value}"}}'


def full(value):
    return f'path: {{type: ReplaceFullPath, replaceFullPath: "{value}"}}'


def cors(fields):
    return f"{{type: CORS, cors: {{{fields}}}}}"


def headers(which, fields):
    kind = {"request": "RequestHeaderModifier", "response": "ResponseHeaderModifier"}[which]
    return f"{{type: {kind}, {which}HeaderModifier: {{{fields}}}}}"


REDIRECTS = "".join([
    rule("/scheme", redirect("scheme: https"), backend=None),
    rule("/to-http", redirect("scheme: http"), backend=None),
    rule("/host", redirect("hostname: new.example.com"), backend=None),
    rule("/port", redirect("port: 8083"), backend=None),
    rule("/all", redirect("scheme: https, hostname: new.example.com, port: 8443, " + full("/there")), backend=None),
    rule("/full", redirect(full("/there")), backend=None),
    rule("/prefix", redirect(prefix("/there")), backend=None),
    rule("/none", redirect(prefix("/")), backend=None),
    rule("/bare", redirect(""), headers("response", "set: [{name: X-Answer, value: redirected}]"), backend=None),
    *[rule(f"/status-{s}", redirect(f"statusCode: {s}"), backend=None) for s in (301, 302, 303, 307, 308)],
])

REWRITES = "".join([
    rule("/host", rewrite("hostname: one.example.org")),
    rule("/full", rewrite(full("/one"))),
    rule("/strip", rewrite(prefix(""))),
    rule("/slash", rewrite(prefix("/"))),
    rule("/prefix", rewrite(prefix("/one/"))),
    rule("/both", rewrite("hostname: one.example.org, " + prefix("/one")),
         headers("request", "set: [{name: X-Set, value: rule}], add: [{name: X-Added, value: more}], remove: [X-Gone]")),
    rule("/backend", rewrite(prefix("/rule")), headers("request", "set: [{name: X-Set, value: rule}]"),
         headers("response", "set: [{name: X-Answer, value: rule}]"), backend="""backendRefs:
  - name: app
    port: 80
    filters:
    - """ + rewrite("hostname: two.example.org, " + prefix("/two")) + """
    - """ + headers("request", "set: [{name: x-set, value: backend}], add: [{name: X-Added, value: again}]") + """
    - """ + headers("response", "add: [{name: X-Answer, value: backend}]")),
    rule("/moved", backend="""backendRefs:
  - name: app
    port: 80
    filters: [""" + redirect("hostname: moved.example.com, statusCode: 301") + "]"),
])

CORS = "".join([
    rule("/lists", cors('allowOrigins: ["https://www.foo.com", "https://*.bar.com"], allowMethods: [GET, OPTIONS], '
                        "allowHeaders: [x-header-1, x-header-2], exposeHeaders: [x-header-3, x-header-4], "
                        "allowCredentials: true, maxAge: 3600")),
    rule("/methods", cors('allowOrigins: ["https://www.foo.com"], allowMethods: ["*"]')),
    rule("/any", cors('allowOrigins: ["*"], allowMethods: [PUT]')),
    rule("/wild-credentials", cors('allowOrigins: ["*"], allowMethods: ["*"], allowHeaders: ["*"], exposeHeaders: ["*"], '
                                   "allowCredentials: true")),
    rule("/own", cors('allowOrigins: ["https://www.foo.com"]'),
         headers("request", "set: [{name: Origin, value: https://evil.example}]")),
    rule("/backend", backend="""backendRefs:
  - name: app
    port: 80
    filters: [""" + cors('allowOrigins: ["https://www.foo.com"]') + "]"),
    rule("/down", cors('allowOrigins: ["https://www.foo.com"]'), backend="backendRefs: [{name: empty, port: 80}]"),
])

MATCHES = r"""- matches: [{path: {type: RegularExpression, value: "/api/v[0-9]+/users"}}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: users}]}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {type: RegularExpression, value: "/api/(a|aa)+b"}}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: evil}]}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {type: RegularExpression, value: "/admin/.*"}}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: admin}]}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {type: Exact, value: /api/v1/users}}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: exact}]}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {value: /}, headers: [{type: RegularExpression, name: X-Kind, value: "(a|b)+c?"}]}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: header}]}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {value: /}, queryParams: [{type: RegularExpression, name: q, value: "[a-z ]+"}]}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: query}]}}]
  backendRefs: [{name: app, port: 80}]
- filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Rule, value: wide}]}}]
  backendRefs: [{name: app, port: 80}]
"""


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    """One gateway; a host name for each topic; three relays to the nginx, so that what each backend got is seen."""
    relays = {name: Recorder(nginx.port) for name in ("app", "b", "c")}
    ports = {"https": free_port(), "http": free_port()}
    shares = """- matches: [{path: {value: /weights}}]
  backendRefs: [{name: app, port: 80, weight: 70}, {name: b, port: 80, weight: 30}, {name: c, port: 80, weight: 0}]
- matches: [{path: {value: /half}}]
  backendRefs: [{name: app, port: 80}, {name: missing, port: 80}]
- matches: [{path: {value: /nothing}}]
- matches: [{path: {value: /zero}}]
  backendRefs: [{name: app, port: 80, weight: 0}]
- matches: [{path: {value: /own}}]
  backendRefs:
  - {name: app, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Backend, value: app}]}}]}
  - {name: b, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Backend, value: b}]}}]}
- matches: [{path: {value: /identity}}]
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Pingate_Client.Name, value: root}]}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {value: /external}}]
  filters: [{type: ExtensionRef, extensionRef: {group: acme.example, kind: Magic, name: wand}}]
  backendRefs: [{name: app, port: 80}]
"""
    topics = {"redirect": REDIRECTS, "rewrite": REWRITES, "cors": CORS, "matches": MATCHES, "shares": shares}
    text = (gw.secret_tls("server", people.server)
            + gw.gateway([gw.https_listener("https", ports["https"]), gw.http_listener("http", ports["http"])])
            + "".join(gw.backend(relay.port, name=name) for name, relay in relays.items())
            + gw.backend(relays["app"].port, name="empty", ready=False)
            + "".join(gw.route(name=topic, hostnames=[f"{topic}.example.com"], rules=rules.rstrip("\n"))
                      for topic, rules in topics.items()))
    gateway = gw.Gateway(tmp_path_factory.mktemp("http-route"), {"edge.yaml": text})
    yield types.SimpleNamespace(gateway=gateway, ports=ports, relays=relays, people=people)
    gateway.stop()
    for relay in relays.values():
        relay.close()


def ask(edge, topic, path, *options, http="1.1", scheme="https"):
    for relay in edge.relays.values():
        relay.clear()
    return curl(edge.ports[scheme], edge.people.server_ca, path=path, host=f"{topic}.example.com", http=http, scheme=scheme,
                options=options)


def seen(edge, relay="app"):
    """The request that the backend got: first line, and fields by their names in lower case."""
    head = edge.relays[relay].bytes().partition(b"\r\n\r\n")[0].decode("latin-1")
    first, *lines = head.split("\r\n")
    return first, {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}


def explain(edge, topic, path, *options, method="GET", scheme="https"):
    out = subprocess.run([gw.BINARY, "explain", "-c", str(edge.gateway.config), "--gateway", "edge/edge",
                          "--port", str(edge.ports[scheme]), "--request",
                          f"{method} {scheme}://{topic}.example.com{path}", *options],
                         capture_output=True, text=True, timeout=30)
    return out


# ---- redirect ----

# {port}: of the listener
REDIRECTED = [
    ("/scheme/a?b=c", "https", "https://redirect.example.com/scheme/a?b=c"),
    ("/scheme", "http", "https://redirect.example.com/scheme"),
    ("/to-http", "https", "http://redirect.example.com/to-http"),
    ("/host/a", "https", "https://new.example.com:{port}/host/a"),
    ("/host/a", "http", "http://new.example.com:{port}/host/a"),
    ("/port", "http", "http://redirect.example.com:8083/port"),
    ("/all/a?b", "http", "https://new.example.com:8443/there?b"),
    ("/full/a", "https", "https://redirect.example.com:{port}/there"),
    ("/prefix", "https", "https://redirect.example.com:{port}/there"),
    ("/prefix/", "https", "https://redirect.example.com:{port}/there/"),
    ("/prefix/a/b?c=%2e%2e/", "https", "https://redirect.example.com:{port}/there/a/b?c=%2e%2e/"),
    ("/none", "https", "https://redirect.example.com:{port}/"),
    ("/none/", "https", "https://redirect.example.com:{port}/"),
    ("/none/a", "https", "https://redirect.example.com:{port}/a"),
]


@pytest.mark.parametrize("http", TWO)
@pytest.mark.parametrize("path,scheme,location", REDIRECTED)
def test_a_redirect_says_where_and_asks_no_backend(edge, path, scheme, location, http):
    if http == "2" and scheme == "http":
        pytest.skip("curl asks for h2 by ALPN here")
    reply = ask(edge, "redirect", path, http=http, scheme=scheme)
    location = location.format(port=edge.ports[scheme])
    assert (reply.status, reply.headers["location"], reply.body) == (302, location, "")
    assert edge.relays["app"].bytes() == b""
    out = explain(edge, "redirect", path, scheme=scheme)
    assert out.returncode == 0 and f"filter RequestRedirect: answers 302, to {location}\n" in out.stdout


@pytest.mark.parametrize("status", (301, 302, 303, 307, 308))
def test_a_redirect_has_the_status_it_was_given(edge, status):
    reply = ask(edge, "redirect", f"/status-{status}/x", "-X", "POST", "-d", "body")
    assert reply.status == status and reply.headers["location"].endswith(f"/status-{status}/x")


@pytest.mark.parametrize("http", TWO)
def test_a_redirect_passes_the_filters_of_responses(edge, http):
    reply = ask(edge, "redirect", "/bare", http=http)
    assert reply.status == 302 and reply.headers["x-answer"] == "redirected"


def test_the_hosts_port_is_not_the_listeners(edge):
    reply = ask(edge, "redirect", "/bare", "-H", "Host: redirect.example.com:9999")
    assert reply.headers["location"] == f"https://redirect.example.com:{edge.ports['https']}/bare"


@pytest.mark.parametrize("path,options", [("/bare%0d%0aX-Evil:1", ()), ("/bare/%0aSet-Cookie:a", ()), ("/bare/../x", ()),
                                          ("/bare/%2e%2e/x", ()), ("/prefix//evil.example", ()),
                                          ("/bare", ("-H", "Host: redirect.example.com\rX: y")),
                                          ("/bare", ("-H", "Host: redirect.example.com@evil.example"))])
def test_no_byte_of_a_request_makes_another_line_or_host_of_a_location(edge, path, options):
    reply = ask(edge, "redirect", path, *options)
    assert reply.status in (400, 421) and "location" not in reply.headers and "x-evil" not in reply.headers


# ---- rewrite ----

REWRITTEN = [
    ("/host/a?b", "one.example.org", "/host/a?b"),
    ("/full/a?b=c", None, "/one?b=c"),
    ("/strip", None, "/"),
    ("/strip/", None, "/"),
    ("/strip/a/b?c", None, "/a/b?c"),
    ("/slash", None, "/"),
    ("/slash/a/", None, "/a/"),
    ("/prefix", None, "/one"),
    ("/prefix/", None, "/one/"),
    ("/prefix/a;x=y?b", None, "/one/a;x=y?b"),
    ("/both/a", "one.example.org", "/one/a"),
    ("/backend/a", "two.example.org", "/two/a"),
]


@pytest.mark.parametrize("http", TWO)
@pytest.mark.parametrize("path,host,target", REWRITTEN)
def test_the_backend_is_asked_for_what_a_rewrite_says(edge, path, host, target, http):
    assert ask(edge, "rewrite", path, http=http).status == 200
    first, fields = seen(edge)
    assert first == f"GET {target} HTTP/1.1"
    assert fields["host"] == (host or f"rewrite.example.com:{edge.ports['https']}")
    assert fields["x-forwarded-host"] == f"rewrite.example.com:{edge.ports['https']}"
    asked = fields["x-request-id"]
    told = eventually(lambda: next((r for r in edge.gateway.access() if r["pingate.request_id"] == asked), None),
                      "the access log has it")
    assert told["url.path"] == path.partition("?")[0]  # what was asked, not what was made of it
    out = explain(edge, "rewrite", path).stdout
    assert (f"asked for host {host}\n" in out) == (host is not None) and (f"asked for {target}\n" in out) == (target != path)


def test_a_rewrite_and_header_filters_work_together(edge):
    ask(edge, "rewrite", "/both", "-H", "x-SET: old", "-H", "X-Added: one", "-H", "x-gone: old")
    fields = seen(edge)[1]
    assert (fields["x-set"], fields["x-added"], "x-gone" in fields) == ("rule", "one,more", False)


def test_filters_of_a_backend_run_behind_the_rules(edge):
    reply = ask(edge, "rewrite", "/backend", "-H", "X-Added: one")
    fields = seen(edge)[1]
    assert (fields["x-set"], fields["x-added"], reply.headers["x-answer"]) == ("backend", "one,again", "rule,backend")


@pytest.mark.parametrize("http", TWO)
def test_a_backend_can_be_a_redirect(edge, http):
    reply = ask(edge, "rewrite", "/moved/a", http=http)
    assert (reply.status, reply.headers["location"]) == (301, f"https://moved.example.com:{edge.ports['https']}/moved/a")
    assert edge.relays["app"].bytes() == b""


@pytest.mark.parametrize("path", ("/strip/../x", "/strip/%2e%2e/x", "/strip//x", "/strip/..;/x", "/strip/%2f..", "/strip;x/y"))
def test_a_rewrite_opens_no_way_up(edge, path):
    assert ask(edge, "rewrite", path).status in (400, 404)
    assert edge.relays["app"].bytes() == b""


# ---- CORS ----

def preflight(origin, method="GET", asked=None):
    options = ["-X", "OPTIONS", "-H", f"Origin: {origin}", "-H", f"Access-Control-Request-Method: {method}"]
    return options + (["-H", f"Access-Control-Request-Headers: {asked}"] if asked else [])


def cors_fields(reply):
    return {k[len("access-control-"):]: v for k, v in reply.headers.items() if k.startswith("access-control-")}


LISTS = {"allow-methods": "GET, OPTIONS", "allow-headers": "x-header-1, x-header-2", "expose-headers": "x-header-3, x-header-4",
         "max-age": "3600", "allow-credentials": "true"}
PREFLIGHTS = [
    ("/lists", preflight("https://www.foo.com", asked="x-header-1, x-header-2"), LISTS | {"allow-origin": "https://www.foo.com"}),
    ("/lists", preflight("https://www.bar.com"), LISTS | {"allow-origin": "https://www.bar.com"}),
    ("/lists", preflight("https://xpto.www.bar.com", "DELETE"), LISTS | {"allow-origin": "https://xpto.www.bar.com"}),
    ("/lists", preflight("https://foobar.com"), {}),
    ("/lists", preflight("https://bar.com"), {}),
    ("/lists", preflight("http://www.foo.com"), {}),
    ("/lists", preflight("https://www.foo.com:444"), {}),
    ("/lists", preflight("null"), {}),
    ("/methods", preflight("https://www.foo.com", "POST"),
     {"allow-origin": "https://www.foo.com", "allow-methods": "*", "max-age": "5"}),
    ("/any", preflight("https://foobar.com:12345", "PUT"), {"allow-origin": "*", "allow-methods": "PUT", "max-age": "5"}),
    ("/wild-credentials", preflight("https://other.foo.com", "PUT", "x-header-1, x-header-2"),
     {"allow-origin": "https://other.foo.com", "allow-methods": "PUT", "allow-headers": "x-header-1, x-header-2",
      "allow-credentials": "true", "max-age": "5"}),
    ("/wild-credentials", preflight("https://other.foo.com", "PUT"),
     {"allow-origin": "https://other.foo.com", "allow-methods": "PUT", "allow-credentials": "true", "max-age": "5"}),
    ("/backend", preflight("https://www.foo.com"), {"allow-origin": "https://www.foo.com", "max-age": "5"}),
]


@pytest.mark.parametrize("http", TWO)
@pytest.mark.parametrize("path,options,fields", PREFLIGHTS)
def test_a_preflight_is_answered_by_the_gateway(edge, path, options, fields, http):
    reply = ask(edge, "cors", path, *options, http=http)
    assert (reply.status, reply.body, cors_fields(reply)) == (200, "", fields)
    assert edge.relays["app"].bytes() == b""
    assert ("vary" in reply.headers) == (path != "/any")


REQUESTS = [
    ("/lists", "https://www.foo.com", {"allow-origin": "https://www.foo.com", "allow-credentials": "true",
                                       "expose-headers": "x-header-3, x-header-4"}),
    ("/lists", "https://foobar.com", {}),
    ("/lists", None, {}),
    ("/methods", "https://www.foo.com", {"allow-origin": "https://www.foo.com"}),
    ("/any", "https://foobar.com:12345", {"allow-origin": "*"}),
    ("/any", "null", {"allow-origin": "*"}),
    ("/wild-credentials", "https://other.foo.com", {"allow-origin": "https://other.foo.com", "allow-credentials": "true"}),
    ("/own", "https://www.foo.com", {"allow-origin": "https://www.foo.com"}),
    ("/own", "https://evil.example", {}),
    ("/backend", "https://www.foo.com", {"allow-origin": "https://www.foo.com"}),
]


@pytest.mark.parametrize("http", TWO)
@pytest.mark.parametrize("path,origin,fields", REQUESTS)
def test_a_real_request_goes_to_the_backend_whatever_its_origin(edge, path, origin, fields, http):
    reply = ask(edge, "cors", path, *(["-H", f"Origin: {origin}", "-H", "Authorization: Bearer x"] if origin else []), http=http)
    assert (reply.status, cors_fields(reply)) == (200, fields)
    assert edge.relays["app"].bytes().startswith(b"GET " + path.encode())


def test_options_without_the_words_of_a_preflight_is_a_real_request(edge):
    assert ask(edge, "cors", "/lists", "-X", "OPTIONS", "-H", "Origin: https://www.foo.com").status == 200
    assert edge.relays["app"].bytes().startswith(b"OPTIONS /lists")


def test_a_page_may_read_that_its_backend_is_down(edge):
    reply = ask(edge, "cors", "/down", "-H", "Origin: https://www.foo.com")
    assert (reply.status, cors_fields(reply)) == (503, {"allow-origin": "https://www.foo.com"})


def test_explain_shows_what_pages_may_read(edge):
    out = explain(edge, "cors", "/lists", "--header", "Origin: https://www.foo.com", "-o", "json")
    backend, = json.loads(out.stdout)["request"]["backends"]
    assert backend["filters"]["access-control-allow-origin"] == "https://www.foo.com"
    out = explain(edge, "cors", "/any", "--header", "Origin: https://a.example", "--header",
                  "Access-Control-Request-Method: PUT", method="OPTIONS")
    assert out.returncode == 0 and "filter CORS: answers the preflight with 200\n" in out.stdout


# ---- who may have it ----

@pytest.mark.parametrize("http", TWO)
def test_what_filters_answer_of_a_pinned_rule_is_for_its_clients(people, recorder, start, http):
    policy = f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: vip, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: app}}]
  pins: [{{spkiHash: "{people.pinned.spki_hash}"}}]
"""
    rules = (rule("/moved", redirect("hostname: secret.example.com"), backend=None)
             + rule("/cors", cors('allowOrigins: ["https://www.foo.com"]'))
             + rule("/p.*d", rewrite(full("/real")), kind="RegularExpression")).rstrip("\n")
    edge = Edge(people, recorder.port, spki=[people.pinned.spki_hash, people.unpinned.spki_hash], rules=rules, extra=policy)
    start({"edge.yaml": edge.text()})
    asks = {"/moved": (), "/cors": preflight("https://www.foo.com"), "/pinned": ()}
    for path, options in asks.items():
        reply = curl(edge.port, people.server_ca, people.unpinned, path=path, http=http, options=options)
        assert reply.status == 403 and not {"location", "vary"} & set(reply.headers) and not cors_fields(reply)
    assert recorder.bytes() == b""
    replies = [curl(edge.port, people.server_ca, people.pinned, path=path, http=http, options=options)
               for path, options in asks.items()]
    assert [r.status for r in replies] == [302, 200, 200] and recorder.bytes().startswith(b"GET /real HTTP/1.1\r\n")


# ---- matches ----

@pytest.mark.parametrize("http", TWO)
@pytest.mark.parametrize("path,options,name", [
    ("/api/v2/users", (), "users"), ("/api/v1/users", (), "exact"), ("/api/v2/users/1", (), "wide"),
    ("/x/api/v2/users", (), "wide"), ("/api/vx/users", (), "wide"), ("/API/v2/users", (), "wide"),
    ("/api/aab", (), "evil"), ("/admin/x", (), "admin"), ("/", ("-H", "x-kind: abcx"), "wide"),
    ("/", ("-H", "x-kind: xab"), "wide"), ("/", ("-H", "x-kind: abbc"), "header"), ("/?q=a+b", (), "query"),
    ("/?q=%61&q=1", (), "query"), ("/?q=1&q=a", (), "wide"), ("/?Q=a", (), "wide"),
])
def test_regular_expressions_match_whole_values(edge, path, options, name, http):
    assert ask(edge, "matches", path, *options, http=http).status == 200
    assert seen(edge)[1]["x-rule"] == name


@pytest.mark.parametrize("http", TWO)
@pytest.mark.parametrize("length", (64, 512, 7000))
def test_a_path_that_no_pattern_can_decide_is_refused_and_handed_to_no_wider_rule(edge, length, http):
    path = "/api/" + "a" * length + "bc" + "b"
    began = time.monotonic()
    reply = ask(edge, "matches", path, http=http)
    assert reply.status == 400 and time.monotonic() - began < 5
    assert edge.relays["app"].bytes() == b""
    out = explain(edge, "matches", path)
    assert out.returncode == 1 and "answered 400 (pattern_too_costly)" in out.stdout


def test_a_flood_of_evil_paths_leaves_time_for_others(edge):
    evil = http.client.HTTPConnection("127.0.0.1", edge.ports["http"], timeout=20)
    began = time.monotonic()
    for _ in range(100):
        evil.request("GET", "/api/" + "a" * 6000 + "cb", headers={"Host": "matches.example.com"})
        reply = evil.getresponse()
        reply.read()
        assert reply.status == 400
    assert time.monotonic() - began < 10  # 100 times the bound and some
    assert ask(edge, "matches", "/other").status == 200


@pytest.mark.parametrize("path", ("/admin;x/y", "/api/v2;a/users", "/admin%3bx/y"))
def test_both_readings_of_path_parameters_meet_the_same_pattern(edge, path):
    assert ask(edge, "matches", path).status == 400
    assert edge.relays["app"].bytes() == b""


# ---- shares ----

def many(edge, path, count):
    """Statuses of `count` requests on one connection."""
    for relay in edge.relays.values():
        relay.clear()
    client = http.client.HTTPConnection("127.0.0.1", edge.ports["http"], timeout=20)
    statuses = collections.Counter()
    for _ in range(count):
        client.request("GET", path, headers={"Host": "shares.example.com"})
        reply = client.getresponse()
        reply.read()
        statuses[reply.status] += 1
    client.close()
    return statuses


def near(parts, wanted, count=500):
    return all(abs(parts.get(key, 0) - share * count) <= 0.05 * count for key, share in wanted.items())


def is_shared(count_parts, wanted):
    """Within 5 % of 500; chance misses that once in 70 times, thrice in 300,000."""
    return any(near(count_parts(), wanted) for _ in range(3))


def test_weights_share_requests_and_0_gets_none(edge):
    def parts():
        assert many(edge, "/weights", 500) == {200: 500}
        return {name: relay.bytes().count(b"GET /weights") for name, relay in edge.relays.items()}
    assert is_shared(parts, {"app": 0.7, "b": 0.3})
    assert edge.relays["c"].bytes() == b""


def test_a_backend_that_is_not_there_answers_its_share_with_500(edge):
    assert is_shared(lambda: many(edge, "/half", 500), {200: 0.5, 500: 0.5})


@pytest.mark.parametrize("path", ("/nothing", "/zero", "/external", "/identity"))
@pytest.mark.parametrize("http", TWO)
def test_a_rule_that_leads_nowhere_answers_500(edge, path, http):
    assert ask(edge, "shares", path, http=http).status == 500
    assert edge.relays["app"].bytes() == b""


def test_filters_of_a_backend_go_with_the_one_that_was_picked(edge):
    assert many(edge, "/own", 100) == {200: 100}
    for name in ("app", "b"):
        got = edge.relays[name].bytes()
        assert got.count(f"backend: {name}\r\n".encode()) == got.count(b"GET /own") > 0
