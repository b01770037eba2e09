import http.client
import json
import socket
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from run_checks import read_bytes, same, start, stop

STOCK = '{"bolt": 120, "nut": 0, "washer": 64, "hex key": 7}\n'


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


PORT = free_port()


@contextmanager
def service():
    """The program of the trial in a directory of its own, until its first answer; gives the path of its stock."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stock.py").write_bytes(read_bytes("stock.py"))
        stock = Path(folder) / "stock.json"
        stock.write_text(STOCK)
        process = start(["python3", "stock.py", str(PORT)], cwd=folder)
        try:
            until = time.monotonic() + 3
            while True:
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=1)
                    connection.connect()
                    connection.close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None, f"the service ended with exit code {process.returncode}"
                    assert time.monotonic() < until, "connection refused: the service is not listening"
                    time.sleep(0.02)
            yield stock
        finally:
            stop(process)


def ask(path):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(1 << 16)
    except (http.client.HTTPException, ConnectionError):
        raise AssertionError(f"expected an answer to GET {path}, found a closed connection") from None
    finally:
        connection.close()
    same(answer.getheader("Content-Type"), "application/json", f"content type of GET {path}")
    return answer.status, json.loads(body)


def test_stock():
    with service():
        same(ask("/stock/bolt"), (200, {"name": "bolt", "count": 120}), "GET /stock/bolt")
        same(ask("/stock/nut"), (200, {"name": "nut", "count": 0}), "GET /stock/nut")


def test_encoded_names():
    with service():
        same(ask("/stock/hex%20key"), (200, {"name": "hex key", "count": 7}), "GET /stock/hex%20key")


def test_health():
    with service():
        same(ask("/health"), (200, {"status": "ok", "articles": 4}), "GET /health")


def test_health_of_changed_stock():
    with service() as stock:
        stock.write_text('{"bolt": 1}')
        same(ask("/health"), (200, {"status": "ok", "articles": 1}), "GET /health after a change")


def test_health_of_broken_stock():
    with service() as stock:
        for text in ("{", "[1, 2]"):
            stock.write_text(text)
            same(ask("/health"), (503, {"status": "broken"}), f"GET /health while stock.json is {text}")
        stock.unlink()
        same(ask("/health"), (503, {"status": "broken"}), "GET /health without stock.json")


def test_unknown_article():
    with service():
        same(ask("/stock/saw"), (404, {"error": "unknown article", "name": "saw"}), "GET /stock/saw")
        same(ask("/stock/a%2Fb"), (404, {"error": "unknown article", "name": "a/b"}), "GET /stock/a%2Fb")


def test_other_paths():
    with service():
        for path in ("/", "/bolt", "/healthy"):
            same(ask(path), (404, {"error": "not found"}), f"GET {path}")
