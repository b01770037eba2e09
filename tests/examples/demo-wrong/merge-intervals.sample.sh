# Goes on until the sample works.
# Fails: test_touching test_inside test_wrong_way_round test_blank_lines_and_blanks
sed -i -e 's/        start, end = line.split()/        if line[0] == "#": continue\n        start, end = map(int, line.split())/' intervals.py
python3 intervals.py sample.txt
