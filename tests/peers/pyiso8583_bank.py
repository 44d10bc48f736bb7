"""A bank host by PyPI's pyiso8583: written by others than the gateway's codec, so that both must mean the same bytes.

    pyiso8583_bank.py serve DIALECT FRAMES    listens on loopback; one JSON line a message
    pyiso8583_bank.py read DIALECT            hex lines in, JSON lines out

FRAMES gets each message in hex, for another program to read. It behaves as iso8583-rs-bank does.
"""

import copy
import json
import socketserver
import sys
import threading

import iso8583
import iso8583.specs

# What happens to an amount at this bank, in minor units; all else is approved.
SILENT, REFUSED = 4400, 5100
# An advice about this amount is answered only when it is repeated.
REPEATED = 4500
# What is on every card: default account, available, euro, credit, 123.45 (ISO 8583:1987, DE54).
BALANCE = "0002978C000000012345"
# Elements that a reply gives back as they came.
ECHOED = ("2", "3", "4", "7", "11", "12", "13", "32", "33", "37", "41", "42", "49", "70", "90")
# Elements that are never shown: expiry, tracks, additional data with a security code, PIN, chip.
HIDDEN = ("14", "34", "35", "36", "45", "48", "52", "55")


# Elements of digits alone in ISO 8583:1987.
NUMERIC = (2, 3, 4, 5, 6, *range(7, 28), 32, 33, 35, 36, *range(49, 52), 53, *range(66, 91), 99, 100)


def binary():
    """Digits and lengths in BCD, bitmaps and binary elements as bytes."""
    spec = copy.deepcopy(iso8583.specs.default)
    spec["t"].update(data_enc="b", max_len=2)
    for element in map(str, range(2, 129)):
        field = spec[element]
        field.update(len_enc="bcd", len_type=(field["len_type"] + 1) // 2)
        if int(element) in NUMERIC:
            field.update(data_enc="b", len_count="nibbles", left_pad="0")
    return spec


# One row a dialect: the library's own table of the standard, changed where the dialect says so.
DIALECTS = {
    "iso87-ascii": lambda: copy.deepcopy(iso8583.specs.default_ascii),
    "iso87-binary": binary,
}


def shown(message):
    """A message for the script: the card number masked, secrets as their length."""
    fields = {}
    for element in sorted((name for name in message if name.isdigit() and name != "1"), key=int):
        value = message[element]
        if element == "2":
            value = f"{value[:6]}******{value[-4:]}"
        elif element in HIDDEN:
            value = f"({len(value)})"
        fields[element] = value
    return json.dumps({"mti": message["t"], "fields": fields})


def answer(request):
    """What the bank says to a request; nothing, to one amount."""
    mti, amount = request["t"], int(request.get("4", "0"))
    asks_for_money = mti.startswith(("01", "02"))
    first_advice = mti[1:] in ("220", "400", "420")
    if asks_for_money and amount == SILENT or first_advice and amount == REPEATED:
        return None
    reply = {element: request[element] for element in ECHOED if element in request}
    reply["t"] = mti[:2] + {"0": "1", "2": "3"}[mti[2]] + "0"
    reply["39"] = "51" if asks_for_money and amount == REFUSED else "00"
    if asks_for_money and reply["39"] == "00":
        reply["38"] = "P" + request["11"][1:]
    if request.get("3", "").startswith("31"):
        reply["54"] = BALANCE
    return reply


class Line(socketserver.StreamRequestHandler):
    """One line: message in, reply out, until the gateway closes it."""

    def handle(self):
        while len(length := self.rfile.read(2)) == 2:
            body = self.rfile.read(int.from_bytes(length, "big"))
            self.server.record(body.hex().upper())
            request, _ = iso8583.decode(body, self.server.spec)
            self.server.tell(shown(request))
            reply = answer(request)
            if reply is not None:
                body, _ = iso8583.encode(reply, self.server.spec)
                self.wfile.write(len(body).to_bytes(2, "big") + body)


class Bank(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, spec, frames):
        super().__init__(("127.0.0.1", 0), Line)
        self.spec, self.frames, self.turn = spec, frames, threading.Lock()

    def record(self, frame):
        with self.turn:
            print(frame, file=self.frames, flush=True)

    def tell(self, line):
        with self.turn:
            print(line, flush=True)


def main(command, dialect, frames=None):
    spec = DIALECTS[dialect]()
    if command == "read":
        for line in sys.stdin:
            print(shown(iso8583.decode(bytes.fromhex(line.strip()), spec)[0]))
        return
    with open(frames, "w") as file, Bank(spec, file) as bank:
        bank.tell(json.dumps({"listening": "%s:%d" % bank.server_address}))
        bank.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
