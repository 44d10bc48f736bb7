"""Thousands of random messages: what the gateway's codec packs others read, and what others pack it reads.

The messages are the same in each run. Values are made by the standard's own list of elements (ISO 8583:1987, 4.4), which
stands here in its own words: number, attribute, length.
"""

import json
import os
import random
import re
import string
import subprocess

import iso8583

from pyiso8583_bank import DIALECTS

MESSAGES = 2_000
SEED = 8583

# Elements with their attribute and length; a length with dots is a greatest one.
STANDARD = """
2 n ..19, 3 n 6, 4 n 12, 5 n 12, 6 n 12, 7 n 10, 8 n 8, 9 n 8, 10 n 8, 11 n 6, 12 n 6, 13 n 4, 14 n 4, 15 n 4, 16 n 4, 17 n 4,
18 n 4, 19 n 3, 20 n 3, 21 n 3, 22 n 3, 23 n 3, 24 n 3, 25 n 2, 26 n 2, 27 n 1, 28 x+n 9, 29 x+n 9, 30 x+n 9, 31 x+n 9,
32 n ..11, 33 n ..11, 34 ans ..28, 35 z ..37, 36 z ...104, 37 an 12, 38 an 6, 39 an 2, 40 an 3, 41 ans 8, 42 ans 15, 43 ans 40,
44 ans ..25, 45 ans ..76, 46 ans ...999, 47 ans ...999, 48 ans ...999, 49 n 3, 50 n 3, 51 n 3, 52 b 8, 53 n 16, 54 an ...120,
56 ans ...999, 57 ans ...999, 60 ans ...999, 61 ans ...999, 62 ans ...999, 63 ans ...999, 64 b 8, 66 n 1, 67 n 2, 68 n 3, 70 n 3,
71 n 4, 73 n 6, 74 n 10, 86 n 16, 90 n 42, 91 an 1, 94 an 7, 95 an 42, 99 n ..11, 100 n ..11, 101 ans ..17, 102 ans ..28,
103 ans ..28, 112 ans ...999, 123 ans ...999, 128 b 8
"""
ELEMENTS = [row.split() for row in STANDARD.replace("\n", " ").split(",")]
LETTERS = string.ascii_letters + string.digits
TYPES = ["0100", "0110", "0200", "0210", "0220", "0230", "0400", "0410", "0420", "0430", "0800", "0810"]

def value(dice, attribute, length):
    most = int(length.lstrip("."))
    count = dice.randint(1, most) if length.startswith(".") else most
    digits = lambda count: "".join(dice.choices(string.digits, k=count))
    match attribute:
        case "n":
            return digits(count)
        case "x+n":
            return dice.choice("CD") + digits(count - 1)
        case "z":
            place = dice.randrange(count)
            return "".join("=" if at == place else digits(1) for at in range(count))
        case "an":
            return "".join(dice.choices(LETTERS, k=count))
        case "ans":
            return "".join(dice.choices(LETTERS + " .,:;/-+*()&%?!'\"#@", k=count))
        case "b":
            return dice.randbytes(count).hex().upper()


def messages():
    dice = random.Random(SEED)
    for _ in range(MESSAGES):
        chosen = sorted(dice.sample(ELEMENTS, dice.randint(1, 24)), key=lambda row: int(row[0]))
        yield {"mti": dice.choice(TYPES), "fields": {row[0]: value(dice, *row[1:]) for row in chosen}}


# -- The gateway's codec, a message a line ----------------------------------------------------------------------------


def ours(tidegate, root, command, dialect, lines, folder, *more):
    """One run of tidegate: lines in, lines out; card data is shown, as it is made up."""
    file = folder / f"{command}-{dialect}"
    file.write_text("".join(f"{line}\n" for line in lines))
    words = [tidegate, command, "-d", dialect, "--protocols", root / "protocols", "--lines", file, *more]
    ran = subprocess.run(list(map(str, words)), input="show card data\n", capture_output=True, text=True, timeout=120)
    told = [line for line in ran.stderr.splitlines() if not line.startswith("Card data will be shown.")]
    assert (ran.returncode, told) == (0, []), (ran.returncode, told[:5])
    return ran.stdout.splitlines()


def packed(tidegate, root, dialect, asked, folder):
    return ours(tidegate, root, "encode", dialect, map(json.dumps, asked), folder)


def read(tidegate, root, dialect, frames, folder):
    told = map(json.loads, ours(tidegate, root, "explain", dialect, frames, folder, "--unmask"))
    return [
        {"mti": one["mti"], "fields": {str(field["number"]): field["value"] for field in one["fields"]}} for one in told
    ]


# -- pyiso8583 --------------------------------------------------------------------------------------------------------


def ebcdic():
    """All that is text in code page 037; bitmaps and binary elements as bytes."""
    spec = DIALECTS["iso87-ascii"]()
    for name, field in spec.items():
        if name not in ("p", "1"):
            field.update(data_enc="cp037", len_enc="cp037")
    for name in ("p", "1"):
        spec[name].update(data_enc="b", max_len=8)
    return spec


def of_bytes(spec, encoding):
    """Elements of content b, which the library's table of the standard has as hex digits."""
    for element in ("52", "64", "128"):
        spec[element].update(data_enc=encoding, max_len=8 if encoding == "b" else 16)
    return spec


SPECS = {
    "iso87-ascii": lambda: of_bytes(DIALECTS["iso87-ascii"](), "ascii"),
    "iso87-binary": lambda: of_bytes(DIALECTS["iso87-binary"](), "b"),
    "iso87-ebcdic": lambda: of_bytes(ebcdic(), "b"),
}


def flat(message, dialect):
    return {"t": message["mti"], **tracks(message["fields"], dialect, "=", "D")}


def round_again(message, dialect):
    fields = {name: text for name, text in message.items() if name.isdigit() and name != "1"}
    return {"mti": message["t"], "fields": tracks(fields, dialect, "D", "=")}


def tracks(fields, dialect, here, there):
    """The library takes packed digits for hex, in which the separator of tracks is a D."""
    if dialect != "iso87-binary":
        return fields
    return {name: text.replace(here, there) if name in ("35", "36") else text for name, text in fields.items()}


def with_pyiso8583(tidegate, root, dialect, folder):
    spec = SPECS[dialect]()
    asked = list(messages())
    frames = packed(tidegate, root, dialect, asked, folder)
    theirs = []
    for message, frame in zip(asked, frames, strict=True):
        decoded, _ = iso8583.decode(bytes.fromhex(frame), spec)
        agree([round_again(decoded, dialect)], [message])
        body, _ = iso8583.encode(flat(message, dialect), spec)
        theirs.append(body.hex().upper())
    agree(read(tidegate, root, dialect, theirs, folder), asked)
    same_bytes = sum(one == other for one, other in zip(frames, theirs, strict=True))
    return f"{len(asked)} messages each way, {same_bytes} of them the same bytes"


# -- iso8583_rs -------------------------------------------------------------------------------------------------------


def with_iso8583_rs(tidegate, root, bank, folder):
    asked = list(messages())
    frames = packed(tidegate, root, "iso87-ascii", asked, folder)
    decoded = map(json.loads, run(bank, "decode", frames))
    agree(list(decoded), asked)
    theirs = run(bank, "encode", map(json.dumps, asked))
    agree(read(tidegate, root, "iso87-ascii", theirs, folder), asked)
    same_bytes = sum(one == other for one, other in zip(frames, theirs, strict=True))
    return f"{len(asked)} messages each way, {same_bytes} of them the same bytes"


def run(bank, command, lines):
    program, environment = bank
    text = "".join(f"{line}\n" for line in lines)
    ran = subprocess.run(
        [str(program), command], input=text, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert (ran.returncode, ran.stderr) == (0, ""), (ran.returncode, ran.stderr[-500:])
    # The crate prints words of its own between the lines.
    return [line for line in ran.stdout.splitlines() if re.fullmatch(r"[0-9A-F]+|\{.*\}", line)]


def agree(found, wanted):
    assert len(found) == len(wanted), (len(found), len(wanted))
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one == other, f"message {number}: {one} is read, {other} was written"
