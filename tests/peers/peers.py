"""All checks, one after the other; tests/peers/run prepares and starts this. Each check is a line, the last line counts."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

from cryptography.hazmat.primitives import serialization

import agreement
import dialects
from merchant import ALGORITHMS, ENVELOPES, Merchant, public_text
from world import ROOT, TARGET, Bank, Gateway, Sandbox

# What the gateway does not have yet. A row that needs what is named here is not run, and said so.
NOT_YET = set()

CARD = {"number": "4000000000000002", "expiry": "2029-12", "security_code": "320", "eci": "07"}
# One that the sandbox's bank knows; its code may be left out.
CARD_THERE = {"number": "4000000000000002", "expiry": "2029-12"}
HERE = pathlib.Path(__file__).resolve().parent
RUST_BANK = TARGET / "peers" / "bank" / "debug" / "iso8583-rs-bank"
RUST_SPEC = {"SPEC_FILE": str(HERE / "iso8583-rs-bank" / "iso87-ascii.yaml")}
PYTHON_BANK = [sys.executable, HERE / "pyiso8583_bank.py"]

passed, failed, waiting = [], [], []


def check(name, test, *arguments, needs=()):
    """Runs a check, if the gateway has what it needs. What it returns is said beside its name."""
    if NOT_YET & set(needs):
        waiting.append(name)
        print(f"  not yet  {name}", flush=True)
        return
    try:
        note = test(*arguments)
        passed.append(name)
        print(f"  ok       {name}{f': {note}' if note else ''}", flush=True)
    # A group of failures is no Exception in Python.
    except (Exception, BaseExceptionGroup):
        failed.append(name)
        print(f"  FAILED   {name}\n{traceback.format_exc(limit=-3, chain=False)}", flush=True)


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


def paid(answer, result="approved"):
    """The body of an answer that says so."""
    body = answer.json()
    same((answer.status_code, body.get("result"), body.get("code"), body.get("field")), (201, result, None, None))
    return body


# -- The merchant's guide ------------------------------------------------------------------------------------------


def guide(folder):
    """The client of the merchant's guide, as printed, against the sandbox that stays up."""
    world = Sandbox(folder / "sandbox")
    try:
        check("guide: the Python client, as printed", run_client, world, folder)
        check("guide: the shell client, as printed", run_shell, world, folder)
        check("guide: questions about a card", inquiries, world)
        check("guide: the table of refusals is whole", refusals, world)
        check("guide: every test card does what the table says", test_cards, world)
    finally:
        check("guide: the sandbox stops in order", lambda: same(world.stop(), 0))


GUIDE = (ROOT / "docs" / "merchants-guide.md").read_text()


def printed(language, begin):
    """The block of the guide that begins so."""
    return re.search(rf"^```{language}\n({re.escape(begin)}.*?)^```", GUIDE, re.S | re.M)[1]


def sums(payment):
    return [payment["captured_amount"]["minor"], payment["refunded_amount"]["minor"], payment["voided"]]


def run_client(world, folder):
    client = folder / "client.py"
    client.write_text(printed("python", "import"))
    command = [sys.executable, client, world.base, world.key_id, world.key_file, world.certificate]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    same((ran.returncode, ran.stderr), (0, ""))
    shown = [json.loads(text) for text in re.findall(r"^\{.*?^\}", ran.stdout, re.S | re.M)]
    operations = ["purchase", "pre_authorization", "completion", "refund", "pre_authorization", "pre_authorization", "void"]
    same([(it["operation"], it["result"]) for it in shown], [(name, "approved") for name in operations])
    bought, held, taken, back, after, other, undone = shown
    same([sums(it) for it in (bought, held, after)], [[1234, 0, False], [0, 0, False], [4200, 1000, False]])
    same([it["original"] for it in (taken, back, undone)], [held["id"], held["id"], other["id"]])
    same([it["amount"]["minor"] for it in (taken, back, undone)], [4200, 1000, 700])
    same(sums(our_merchant(world).get(f"/v1/payments/{other['id']}").json()), [0, 0, True])
    return ", ".join(operations)


def our_merchant(world):
    key = serialization.load_pem_private_key(world.key_file.read_bytes(), None)
    return Merchant(world.base, world.certificate, world.key_id, key)


def run_shell(world, folder):
    script = folder / "tidegate.sh"
    script.write_text(printed("sh", "#!/bin/sh"))
    settings = {"BASE": world.base, "KEY_ID": world.key_id, "KEY_FILE": str(world.key_file), "CA": world.certificate}

    def shell(*arguments, **other):
        ran = subprocess.run(
            ["sh", script, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **settings, **other}
        )
        return ran.returncode, ran.stdout, ran.stderr

    def done(*arguments):
        code, answer, said = shell(*arguments)
        same((code, said), (0, ""))
        return json.loads(answer)

    merchant = our_merchant(world)
    held, other = (paid(merchant.pay(f"S-{name}", 5000, CARD_THERE, capture=False)) for name in "ab")
    place = f"/v1/payments/{held['id']}"
    amount = lambda minor: json.dumps({"amount": {"minor": minor, "currency": "EUR"}})
    same(done("GET", place), held)
    taken = done("POST", f"{place}/captures", "S-1", amount(4200))
    same((taken["operation"], taken["result"]), ("completion", "approved"))
    same(done("POST", f"{place}/captures", "S-1", amount(4200))["id"], taken["id"])
    same(done("POST", f"{place}/refunds", "S-2", amount(1000))["result"], "approved")
    same(done("POST", f"/v1/payments/{other['id']}/voids", "S-3", "{}")["result"], "approved")
    same(sums(done("GET", place)), [4200, 1000, False])
    same(len(done("GET", "/v1/payments?order_id=S-a")["payments"]), 3)
    code, answer, _ = shell("POST", f"{place}/refunds", "S-4", amount(3201))
    same((code, json.loads(answer)["code"]), (1, "amount_exceeds_original"))
    code, answer, said = shell("GET", place, KEY_ID="nobody")
    same((code, answer, said), (1, "", "401, unsigned: believe nothing in it\n"))
    # As if the status had been changed on the way.
    harmed = script.read_text().replace('"@status": %s', '"@status": 1%s')
    assert harmed != script.read_text()
    script.write_text(harmed)
    code, answer, said = shell("GET", place)
    same((code, answer, said), (1, "", "the answer's signature does not verify\n"))
    return "asked, captured, refunded, voided; a forgery is refused"


def inquiries(world):
    """What the guide says about questions."""
    merchant, told = our_merchant(world), []
    for what in ("verify", "balance"):
        body = {"order_id": "Q-1", "currency": "EUR", "card": {"jwe": merchant.encrypt(CARD_THERE)}}
        answer = paid(merchant.send("POST", f"/v1/cards/{what}", body))
        same(answer["amount"], {"minor": 0, "currency": "EUR"})
        told.append([balance["kind"] for balance in answer.get("balances", [])])
    same(told, [[], ["ledger", "available"]])


def refusals(world):
    """Every code that the gateway has stands in the guide's table, and the table has no other, with the same status."""
    listed = {}
    for statuses, codes in re.findall(r"^\| (\d{3}(?:, \d{3})*) \| ((?:`\w+`(?:, )?)+) \|", GUIDE, re.M):
        for code in re.findall(r"\w+", codes):
            listed.setdefault(code, set()).update(statuses.split(", "))
    document = our_merchant(world).session.get(world.base + "/v1/openapi.json", timeout=20).json()
    same(sorted(listed), sorted(document["components"]["schemas"]["ProblemCode"]["enum"]))
    for name, response in document["components"]["responses"].items():
        for code in re.findall(r"`(\w+)`", response["description"]) if name.startswith("Problem") else []:
            if code in listed:
                same((code, name[-3:] in listed[code]), (code, True))
    return f"{len(listed)} codes"


def test_cards(world):
    merchant = our_merchant(world)
    rows = re.findall(r"^\| (\d{4} \d{4} \d{4} \d{4}) \| (\d{3}) \| (.*) \|$", GUIDE, re.M)
    for number, code, story in rows:
        card = {"number": number.replace(" ", ""), "expiry": "2029-12", "security_code": code}
        answer = merchant.pay(f"card-{code}", 1000, card).json()
        same(answer["result"], story.split(",")[0] if story.startswith(("approved,", "declined,")) or story == "approved"
             else "pending")
        if "`reversed`" in story:
            same(settled(merchant, answer["id"])["result"], "reversed")
    return f"{len(rows)} cards"


def settled(merchant, payment):
    """What a payment ends as."""
    while True:
        answer = merchant.get(f"/v1/payments/{payment}").json()
        if answer["result"] != "pending":
            return answer


# -- Merchants and hosts ------------------------------------------------------------------------------------------

# One row a host: its name, its dialect, the program, and the program's environment.
HOSTS = [
    ("rust", "iso87-ascii", [RUST_BANK, "serve"], RUST_SPEC),
    ("python", "iso87-ascii", [*PYTHON_BANK, "serve", "iso87-ascii"], {}),
    ("binary", "iso87-binary", [*PYTHON_BANK, "serve", "iso87-binary"], {}),
]
# Who reads what a host heard, by dialect: each frame by each of these, and all must read the same.
READERS = {
    "iso87-ascii": [([RUST_BANK, "read"], RUST_SPEC), ([*PYTHON_BANK, "read", "iso87-ascii"], {})],
    "iso87-binary": [([*PYTHON_BANK, "read", "iso87-binary"], {})],
}
SILENT, REFUSED, REPEATED = 4400, 5100, 4500


class Street:
    """One gateway, all hosts, a merchant for each host and algorithm."""

    def __init__(self, folder):
        self.keys = {name: row[1]() for name, row in ALGORITHMS.items() if name not in NOT_YET}
        self.banks = {
            name: Bank(name, command, folder / f"{name}.frames", env={**os.environ, **more})
            for name, dialect, command, more in HOSTS
            if dialect not in NOT_YET
        }
        dialects = {name: dialect for name, dialect, *_ in HOSTS}
        hosts = {name: (dialects[name], bank.address) for name, bank in self.banks.items()}
        merchants = {
            self.merchant_id(host, algorithm): (host, algorithm, public_text(key))
            for host in self.banks
            for algorithm, key in self.keys.items()
        }
        self.terminals = {name: f"TERM{number:04}" for number, name in enumerate(merchants, 1)}
        self.gateway = Gateway(folder, hosts, merchants)

    @staticmethod
    def merchant_id(host, algorithm):
        return f"m-{host}-{list(ALGORITHMS).index(algorithm)}"

    def merchant(self, host, algorithm="ed25519", envelope="RSA-OAEP-256"):
        name, key = self.merchant_id(host, algorithm), self.keys[algorithm]
        return Merchant(self.gateway.base, self.gateway.certificate, name, key, algorithm, envelope)

    def stop(self):
        code = self.gateway.stop()
        for bank in self.banks.values():
            bank.stop()
        return code


def merchants_and_hosts(folder, parts):
    (folder / "street").mkdir()
    street = Street(folder / "street")
    try:
        if "merchant" in parts:
            for algorithm in ALGORITHMS:
                for envelope in ENVELOPES:
                    check(f"merchant: {algorithm}, {envelope}", pay_and_ask, street, algorithm, envelope, needs=[algorithm])
                check(f"merchant: another's signature does not pass, {algorithm}", forge, street, algorithm, needs=[algorithm])
            check("merchant: an answer that was touched does not verify", touch, street)
        if "hosts" in parts:
            for host, dialect, *_ in HOSTS:
                place = f"{host} ({dialect})"
                check(f"host {place}: signs on", sign_on, street, host, needs=[dialect])
                check(f"host {place}: a purchase, field by field", purchase, street, host, needs=[dialect])
                check(f"host {place}: a refusal", refusal, street, host, needs=[dialect])
                check(f"host {place}: silence is reversed, and DE90 names the original", silence, street, host, needs=[dialect])
                for operation, test in OPERATIONS.items():
                    check(f"host {place}: {operation}", test, street, host, needs=[dialect, operation])
                check(f"host {place}: all programs read its frames alike", read_alike, street, host, dialect, needs=[dialect])
        if "schema" in parts:
            import schema

            schema.run(check, street)
    finally:
        check("the gateway stops in order", lambda: same(street.stop(), 0))


def pay_and_ask(street, algorithm, envelope):
    for host in street.banks:
        merchant = street.merchant(host, algorithm, envelope)
        order = f"A-{host}-{algorithm}-{envelope}"
        answer = merchant.pay(order, 1234, CARD, key=order)
        payment = paid(answer)
        same(merchant.verify(answer), algorithm)
        same(payment["amount"], {"minor": 1234, "currency": "EUR"})
        same(payment["card"], {"bin": "400000", "last4": "0002"})
        same(answer.headers["location"], f"/v1/payments/{payment['id']}")
        same("idempotency-replayed" in answer.headers, False)
        same(merchant.get(f"/v1/payments/{payment['id']}").json(), payment)
        same(merchant.get(f"/v1/payments?order_id={order}").json(), {"payments": [payment]})
        again = merchant.pay(order, 1234, CARD, key=order)
        same((paid(again)["id"], again.headers.get("idempotency-replayed")), (payment["id"], "true"))
        other = merchant.pay(order, 1235, CARD, key=order)
        same((other.status_code, other.json()["code"]), (409, "idempotency_mismatch"))
    return "paid, asked, retried"


def forge(street, algorithm):
    host = next(iter(street.banks))
    merchant = street.merchant(host, algorithm)
    merchant.signer.key_resolver.key = ALGORITHMS[algorithm][1]()
    answer = merchant.pay("A-forged", 1234, CARD)
    same((answer.status_code, answer.json()["code"]), (401, "not_authenticated"))
    same("signature" in answer.headers, False)


def touch(street):
    host = next(iter(street.banks))
    merchant = street.merchant(host)
    answer = merchant.get("/v1/payments?order_id=A-nothing")
    merchant.verify(answer)
    genuine = answer.request.headers["Signature"]
    for harm in ("status", "body", "request"):
        answer.status_code = 201 if harm == "status" else 200
        answer._content = b'{"payments":[1]}' if harm == "body" else b'{"payments":[]}'
        other = merchant.get("/v1/payments?order_id=A-other").request.headers["Signature"]
        answer.request.headers["Signature"] = other if harm == "request" else genuine
        try:
            merchant.verify(answer)
        except Exception as error:
            same(type(error).__name__, "InvalidSignature")
        else:
            raise AssertionError(f"it verifies with another {harm}")


def sign_on(street, host):
    heard = street.banks[host].wait_message(lambda message: message["mti"] == "0800")
    same(heard["fields"]["70"], "001")
    same(sorted(heard["fields"]), ["11", "7", "70"])


def heard_of(street, host, mti, payment):
    """The message of this type about a payment, as the bank read it."""
    ours = lambda message: message["mti"] == mti and message["fields"].get("37") == payment["rrn"]
    return street.banks[host].wait_message(ours)["fields"]


def purchase(street, host):
    merchant = street.merchant(host)
    payment = paid(merchant.pay(f"B-{host}", 98765, CARD))
    found = heard_of(street, host, "0200", payment)
    wanted = {
        "2": "400000******0002",
        "3": "000000",
        "4": "000000098765",
        "11": payment["stan"],
        "14": "(4)",
        "15": payment["business_date"][5:].replace("-", ""),
        "18": "5942",
        "32": "00000123456",
        "37": payment["rrn"],
        "41": street.terminals[merchant.key_id],
        "48": "(13)",
        "49": "978",
    }
    same({name: found.get(name) for name in wanted}, wanted)
    same(found["43"], f"{merchant.key_id:<23}Berlin       DE".ljust(40))
    for secret in ("35", "45", "52", "55"):
        same(secret in found, False)
    approval = {"rust": "R"}.get(host, "P") + payment["stan"][1:]
    same((payment["response_code"], payment["approval_code"]), ("00", approval))


def refusal(street, host):
    payment = paid(street.merchant(host).pay(f"C-{host}", REFUSED, CARD), "declined")
    same((payment["response_code"], payment["approval_code"]), ("51", None))


def silence(street, host):
    merchant = street.merchant(host)
    answer = merchant.pay(f"D-{host}", SILENT, CARD)
    pending = answer.json()
    same((answer.status_code, pending["result"], pending["reason"]), (202, "pending", "host_timeout"))
    same(pending["will_be_approved"], False)
    same(settled(merchant, pending["id"])["result"], "reversed")
    asked = heard_of(street, host, "0200", pending)
    reversal = heard_of(street, host, REVERSAL[host], pending)
    original = "0200" + asked["11"] + asked["7"] + asked["32"].rjust(11, "0") + "0" * 11
    same(reversal["90"], original)
    for kept in ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49"):
        same(reversal[kept], asked[kept])
    for secret in ("35", "48", "52", "55"):
        same(secret in reversal, False)


def agreements(folder):
    tidegate, bank = TARGET / "debug" / "tidegate", (RUST_BANK, RUST_SPEC)
    for dialect in agreement.SPECS:
        check(f"agreement: pyiso8583 and {dialect}", agreement.with_pyiso8583, tidegate, ROOT, dialect, folder)
    check("agreement: iso8583_rs and iso87-ascii", agreement.with_iso8583_rs, tidegate, ROOT, bank, folder)


# What a reversal is called, by host.
REVERSAL = {"rust": "0420", "python": "0420", "binary": "0400"}


def read_alike(street, host, dialect):
    frames = street.banks[host].frames.read_text()
    read = []
    for command, more in READERS[dialect]:
        ran = subprocess.run(
            list(map(str, command)), input=frames, capture_output=True, text=True, env={**os.environ, **more}, timeout=60
        )
        same((ran.returncode, ran.stderr), (0, ""))
        read.append([json.loads(line) for line in ran.stdout.splitlines() if '"mti"' in line])
    same(read[0], street.banks[host].messages())
    for other in read[1:]:
        same(other, read[0])
    kinds = sorted({message["mti"] for message in read[0]})
    return f"{len(read[0])} frames, {len(read)} programs, {' '.join(kinds)}"


# -- The other operations: one row each --------------------------------------------------------------------------


def held(street, host, order):
    merchant = street.merchant(host)
    return merchant, paid(merchant.pay(order, 5000, CARD, capture=False))


def follow(merchant, payment, what, **body):
    return paid(merchant.send("POST", f"/v1/payments/{payment['id']}/{what}", body))


def names_original(found, mti, payment):
    """DE90 begins with the original's message type and its DE11."""
    same(found["90"][:10], mti + payment["stan"])


def authorization(street, host):
    _, payment = held(street, host, f"E-{host}")
    found = heard_of(street, host, "0100", payment)
    same((found["3"], found["4"]), ("000000", "000000005000"))


def capture(street, host):
    merchant, payment = held(street, host, f"F-{host}")
    taken = follow(merchant, payment, "captures", amount={"minor": 4000, "currency": "EUR"})
    found = heard_of(street, host, "0220", taken)
    same((found["4"], found["25"], found["38"]), ("000000004000", "06", payment["approval_code"]))
    names_original(found, "0100", payment)


def void(street, host):
    merchant, payment = held(street, host, f"G-{host}")
    undone = follow(merchant, payment, "voids")
    found = heard_of(street, host, REVERSAL[host], undone)
    same(found["4"], "000000005000")
    names_original(found, "0100", payment)


def refund(street, host):
    merchant = street.merchant(host)
    payment = paid(merchant.pay(f"H-{host}", 5000, CARD))
    for part in (1500, 3500):
        back = follow(merchant, payment, "refunds", amount={"minor": part, "currency": "EUR"})
        found = heard_of(street, host, "0220", back)
        same((found["3"], found["4"]), ("200000", f"{part:012}"))
        names_original(found, "0200", payment)
    body = {"amount": {"minor": 1, "currency": "EUR"}}
    more = merchant.send("POST", f"/v1/payments/{payment['id']}/refunds", body)
    same((more.status_code, more.json()["code"]), (422, "amount_exceeds_original"))


def silent_advice(street, host):
    """A capture, a void and a refund that the bank does not answer are sent again, marked as repeats, until it does."""
    merchant = street.merchant(host)
    amount = {"minor": REPEATED, "currency": "EUR"}
    originals = [
        ("captures", "0220", dict(amount=amount), merchant.pay(f"K-{host}", 5000, CARD, capture=False)),
        ("voids", REVERSAL[host], {}, merchant.pay(f"L-{host}", REPEATED, CARD, capture=False)),
        ("refunds", "0220", dict(amount=amount), merchant.pay(f"M-{host}", 5000, CARD)),
    ]
    for what, mti, body, original in originals:
        answer = merchant.send("POST", f"/v1/payments/{paid(original)['id']}/{what}", body)
        pending = answer.json()
        same((answer.status_code, pending["result"], pending["reason"]), (202, "pending", "awaiting_host"))
        same(settled(merchant, pending["id"])["result"], "approved")
        first, again = heard_of(street, host, mti, pending), heard_of(street, host, mti[:3] + "1", pending)
        same(again, first)


def inquire(street, host, what, order):
    merchant = street.merchant(host)
    body = {"order_id": order, "currency": "EUR", "card": {"jwe": merchant.encrypt(CARD)}}
    answer = paid(merchant.send("POST", f"/v1/cards/{what}", body))
    return heard_of(street, host, "0100", answer), answer


def verify(street, host):
    found, _ = inquire(street, host, "verify", f"I-{host}")
    same((found["3"], found.get("4", "0" * 12)), ("000000", "0" * 12))


def balance(street, host):
    found, answer = inquire(street, host, "balance", f"J-{host}")
    same(found["3"], "310000")
    same([entry["amount"] for entry in answer["balances"]], [{"minor": 12345, "currency": "EUR"}])


OPERATIONS = {
    "authorization": authorization,
    "capture": capture,
    "void": void,
    "refund": refund,
    "silent capture, void, refund": silent_advice,
    "verify": verify,
    "balance": balance,
}


def main(parts):
    parts = parts or ["dialects", "agreement", "guide", "merchant", "hosts", "schema"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        if "dialects" in parts:
            check("dialects: each that is shipped fits the schema for editors", dialects.shipped)
            check("dialects: the schema refuses what it should, and nothing else", dialects.changed)
        if "agreement" in parts:
            agreements(folder)
        if "guide" in parts:
            guide(folder)
        if {"merchant", "hosts", "schema"} & set(parts):
            merchants_and_hosts(folder, parts)
    except (Exception, BaseExceptionGroup):
        failed.append("the world")
        traceback.print_exc()
    if failed:
        print(f"what was written lies in {folder}")
    else:
        shutil.rmtree(folder)
    print(f"peers: {len(passed)} checks passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
