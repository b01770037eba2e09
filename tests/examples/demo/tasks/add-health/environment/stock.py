"""The stock of a depot as a service. Usage: python3 stock.py [PORT]; runs until it is stopped."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STOCK = Path(__file__).parent / "stock.json"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        stock = json.loads(STOCK.read_text())
        name = self.path.removeprefix("/stock/")
        self.reply(200, {"name": name, "count": stock[name]})

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if 1 < len(sys.argv) else 8062
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
