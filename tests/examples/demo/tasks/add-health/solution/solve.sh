#!/bin/bash
set -e
python3 - <<'PYTHON'
text = open("stock.py").read()
old = text[text.index("        stock = json") : text.index("    def reply")]
new = '''        if self.path == "/health":
            return self.health()
        if not self.path.startswith("/stock/"):
            return self.reply(404, {"error": "not found"})
        stock = json.loads(STOCK.read_text())
        name = unquote(self.path.removeprefix("/stock/"))
        if name not in stock:
            return self.reply(404, {"error": "unknown article", "name": name})
        self.reply(200, {"name": name, "count": stock[name]})

    def health(self):
        try:
            stock = json.loads(STOCK.read_text())
        except (OSError, ValueError):
            stock = None
        if not isinstance(stock, dict):
            return self.reply(503, {"status": "broken"})
        self.reply(200, {"status": "ok", "articles": len(stock)})

'''
text = text.replace(old, new).replace("from pathlib import Path\n", "from pathlib import Path\nfrom urllib.parse import unquote\n")
open("stock.py", "w").write(text)
PYTHON
