"""The catalog as a service. Runs until it is stopped."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

NAMES = "bolt nut washer screw rivet hinge latch hook bracket spring gasket valve lever pulley chain clamp pin ring".split()
PAGE = 5
asked = 0


def item(number):
    seed = (number * 7919 + 13) % 1009
    name = f"{NAMES[seed % len(NAMES)]} {1 + seed % 40} mm"
    if seed % 11 == 0:
        name += ', "zinc"'
    return {"id": 10 * number + seed % 7, "name": name, "cents": 5 + (seed * 31) % 2400}


ITEMS = [item(number) for number in sorted(range(1, 34), key=lambda number: number * 17 % 37)]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        address = urlparse(self.path)
        if address.path != "/items":
            return self.reply(404, {"error": "not found"})
        asked += 1
        if asked % 3 == 0:
            return self.reply(503, {"error": "busy"})
        page = int(parse_qs(address.query).get("page", ["1"])[0])
        begin = (page - 1) * PAGE
        more = begin + PAGE < len(ITEMS)
        self.reply(200, {"items": ITEMS[max(0, begin - 1) : begin + PAGE], "next": page + 1 if more else None})

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("127.0.0.1", 8061), Handler).serve_forever()
