# Sorts addresses as text.
# Fails: test_order
bash /solution/solve.sh && sort -o block.txt block.txt
