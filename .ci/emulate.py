"""Drives the deployed stack on the emulator: replays recorded flows through its API Gateway, and asks single requests.

    emulate.py flows  URL HOST TOKEN FLOW.json...   every step of each flow, checked as the tests check it; the token of
                                                    the first is TOKEN-0, of a tenant of its own, and so on
    emulate.py status URL HOST TOKEN METHOD PATH    prints the status and the body of one answer
    emulate.py proxy  URL HOST PORT                 serves http://127.0.0.1:PORT for a client that cannot set a Host

URL is the emulator's, HOST the host name of the API.
"""

import http.client
import http.server
import json
import sys
import urllib.parse


def send(url, host, method, path, headers, body=None):
    # The emulator's {proxy+} takes one segment or more. On AWS it takes none too, which is how `/Users/?filter=…` is routed.
    path = path.replace("/?", "?")
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    sent = {name: value for name, value in headers.items() if name.lower() not in ("host", "connection")}
    connection.request(method, path, body=body, headers={**sent, "Host": host})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def holds(expected, got):
    """As in tests/it/flows.rs: an object names what must be there, an array has its length and any order."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return all(name in got and holds(value, got[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and pairs_off(expected, got)
    return type(expected) is type(got) and expected == got


def pairs_off(wanted, found):
    if not wanted:
        return True
    return any(holds(wanted[0], item) and pairs_off(wanted[1:], found[:at] + found[at + 1:])
               for at, item in enumerate(found))


def pointed(document, pointer):
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def flows(url, host, token, files):
    failed = 0
    for flow, file in enumerate(files):
        with open(file, encoding="utf-8") as script:
            steps = json.load(script)["steps"]
        saved = {}
        for number, raw in enumerate(steps, 1):
            text = json.dumps(raw)
            for name, value in saved.items():
                text = text.replace("{{" + name + "}}", value)
            step = json.loads(text)
            request, expected = step["request"], step["response"]
            headers = {"Authorization": f"Bearer {token}-{flow}", **request["headers"]}
            body = json.dumps(request["body"]).encode() if request.get("body") is not None else None
            path = request["path"] if request["path"].startswith("/scim") else "/scim/v2" + request["path"]
            status, _, text = send(url, host, request["method"], path, headers, body)
            document = json.loads(text) if text else None
            if status != expected["status"] or (expected.get("body") is not None and not holds(expected["body"], document)):
                failed += 1
                print(f"{file}, step {number} \"{step['name']}\": {status} {text.decode()[:400]}")
                break
            for name, pointer in step.get("save", {}).items():
                saved[name] = str(pointed(document, pointer))
        else:
            print(f"{file.rsplit('/', 1)[-1]}: {len(steps)} steps as written")
    sys.exit(1 if failed else 0)


def proxy(url, host, port):
    class Forward(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            status, headers, text = send(url, host, self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Forward).serve_forever()


command, url, host, *rest = sys.argv[1:]
if command == "flows":
    flows(url, host, rest[0], rest[1:])
elif command == "status":
    token, method, path = rest
    status, _, text = send(url, host, method, path, {"Authorization": f"Bearer {token}"})
    print(status, text.decode()[:300])
elif command == "proxy":
    proxy(url, host, rest[0])
else:
    sys.exit(__doc__)
