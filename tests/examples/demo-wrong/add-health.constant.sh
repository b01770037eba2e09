# The number of articles as it was when the service started.
# Fails: test_health_of_changed_stock
bash /solution/solve.sh && sed -i -e 's/"articles": len(stock)/"articles": COUNT/' -e 's/^class Handler/COUNT = len(json.loads(STOCK.read_text()))\n\n\nclass Handler/' stock.py
