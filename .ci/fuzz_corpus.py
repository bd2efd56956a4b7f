#!/usr/bin/env python3
"""The inputs of a fuzz target as one text file, a JSON string on each line: fuzz/corpus/TARGET.jsonl.

fuzz_corpus.py unpack TARGET FOLDER   a file for each input, as libFuzzer reads them
fuzz_corpus.py pack TARGET FOLDER     the file from what a run left in the folder
"""

import hashlib
import json
import pathlib
import sys

MAX_INPUT_BYTES = 6000  # longer ones say little more and cost the replay its time
MAX_FILE_BYTES = 60_000  # the shortest ones that fit
action, target, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
root = pathlib.Path(__file__).parent.parent / "fuzz"
file = root / "corpus" / f"{target}.jsonl"

if action == "unpack":
    folder.mkdir(parents=True, exist_ok=True)
    for source in (file, root / "regressions" / f"{target}.jsonl"):
        for line in source.read_text(encoding="utf-8").splitlines() if source.exists() else []:
            text = json.loads(line).encode("utf-8")
            (folder / hashlib.sha1(text).hexdigest()).write_bytes(text)
else:
    texts = set()
    for found in folder.iterdir():
        content = found.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue  # no target reads it
        if len(content) <= MAX_INPUT_BYTES:
            texts.add(text)
    lines = sorted((json.dumps(text, ensure_ascii=False) for text in texts), key=lambda line: (len(line), line))
    lines = [line.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085").replace("\x7f", "\\u007f") for line in lines]
    room = MAX_FILE_BYTES
    kept = []
    for line in lines:
        room -= len(line.encode("utf-8")) + 1
        if room < 0:
            break
        kept.append(line)
    lines = kept
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    print(f"{target}: {len(lines)} inputs, {file.stat().st_size} bytes")
