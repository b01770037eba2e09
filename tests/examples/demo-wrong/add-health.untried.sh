# Never started after the change: a name is not imported.
# Fails: test_stock test_encoded_names test_unknown_article
bash /solution/solve.sh && sed -i '/^from urllib/d' stock.py
