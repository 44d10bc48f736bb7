"""schemathesis over the channel's own description: it makes the cases, a hook signs and encrypts each, every answer must
be one that the description has, signed, and never an error of ours."""

import json
import secrets

import hypothesis
import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

SEED = 20261122
CASES_MAX = 300
# Cases of each operation, well-formed ones and others. An operation without parameters has one case.
CASES = {
    "POST /v1/payments": (55, 35),
    "GET /v1/payments": (20, 15),
    "GET /v1/payments/{id}": (20, 15),
    "POST /v1/payments/{id}/captures": (20, 10),
    "POST /v1/payments/{id}/voids": (10, 10),
    "POST /v1/payments/{id}/refunds": (20, 10),
    "POST /v1/cards/verify": (12, 10),
    "POST /v1/cards/balance": (12, 10),
    "GET /v1/keys": (1, 0),
    "GET /v1/openapi.json": (1, 0),
}
# Not the checks that right data is taken and wrong data refused: the hook mends some of what was made wrong.
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# What can follow what, and which of those: one that is voided can be neither captured nor refunded.
FOLLOWS = {
    "POST /v1/payments/{id}/captures": ("pre_authorization", slice(0, None, 2)),
    "POST /v1/payments/{id}/voids": ("pre_authorization", slice(1, None, 2)),
    "POST /v1/payments/{id}/refunds": ("purchase", slice(None)),
}
UNSIGNED = ("GET /v1/keys", "GET /v1/openapi.json")


class Signature(AuthBase):
    """Signs what is really sent: it sees a request after all else was made."""

    def __init__(self, merchant):
        self.merchant = merchant

    def __call__(self, request):
        for header in ("signature", "signature-input", "content-digest"):
            request.headers.pop(header, None)
        if request.method == "POST":
            request.body = request.body or b""
            if isinstance(request.body, str):
                request.body = request.body.encode()
            key = request.headers.get("idempotency-key", "")
            key = key.decode("latin-1") if isinstance(key, bytes) else key
            if not (key.isascii() and key.isprintable() and key == key.strip() and key):
                key = secrets.token_urlsafe(8)
            request.headers["idempotency-key"] = key
        self.merchant.sign(request)
        return request


class Tour:
    """The cases, and what became of them."""

    def __init__(self, merchant):
        self.merchant, self.known = merchant, []
        self.sent, self.signed, self.authenticated, self.statuses, self.accepted = 0, 0, 0, {}, set()
        document = merchant.session.get(merchant.base + "/v1/openapi.json", timeout=20).json()
        self.paths = {
            f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations
        }
        # The card's data is generated in clear and encrypted by the hook; most amounts lie within the merchant's limit.
        schemas = document["components"]["schemas"]
        schemas["CardRequest"]["properties"]["jwe"] = {"$ref": "#/components/schemas/CardData"}
        schemas["AmountRequest"]["properties"]["minor"]["maximum"] = 600_000
        # So that there are enough pre-authorizations to capture.
        schemas["PaymentRequest"]["required"].append("capture")
        for name, member in (("AmountRequest", "currency"), ("InquiryRequest", "currency")):
            schemas[name]["properties"][member]["enum"] = ["EUR", "USD"]
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url=merchant.base)

        @schemathesis.hook
        def before_call(context, case, kwargs):
            self.before_call(case, kwargs)

    def before_call(self, case, kwargs):
        """The hook: encrypts the card, asks about payments that there are, and lets what is sent be signed."""
        body = case.body
        if isinstance(body, dict) and isinstance(card := body.get("card"), dict) and "jwe" in card:
            # A text in place of the card's data goes as it is: a JWE that does not open.
            if not isinstance(card["jwe"], str):
                case.body = {**body, "card": {**card, "jwe": self.merchant.encrypt(card["jwe"])}}
        if self.sent % 2:
            self.ask_about_known(case)
        if case.operation.label not in UNSIGNED:
            kwargs["auth"] = Signature(self.merchant)

    def ask_about_known(self, case):
        """Makes a case be about a payment that there is, and the amount of a follow-up one that may be left of it."""
        wanted, which = FOLLOWS.get(case.operation.label, (None, slice(None)))
        fits = [it for it in self.known if not wanted or (it["result"], it["operation"]) == ("approved", wanted)]
        fits = fits[which]
        if not fits:
            return
        payment = fits[self.sent // 2 % len(fits)]
        if "id" in case.path_parameters:
            case.path_parameters = {"id": payment["id"]}
        if "order_id" in (case.query or {}):
            case.query = {"order_id": payment["order_id"]}
        amount = case.body.get("amount") if wanted and isinstance(case.body, dict) else None
        if isinstance(amount, dict) and type(amount.get("minor")) is int and "currency" in amount:
            minor = max(1, amount["minor"] % payment["amount"]["minor"])
            case.body = {**case.body, "amount": {**amount, "minor": minor, "currency": "EUR"}}

    def one(self, case):
        label = case.operation.label
        session = self.merchant.session
        answer = case.call(session=session, verify=session.verify, timeout=30)
        self.sent += 1
        code = answer.status_code
        self.statuses[code] = self.statuses.get(code, 0) + 1
        if code >= 500 and code != 503:
            raise AssertionError(f"{label}: {code} {answer.text}")
        case.validate_response(answer, checks=CHECKS)
        if label in UNSIGNED:
            return
        self.signed += 1
        if code == 401:
            return
        self.authenticated += 1
        if "signature" not in answer.headers:
            # What the edge refuses never reached a key.
            same = json.loads(answer.text)["code"] in ("malformed", "too_large", "not_found", "method_not_allowed")
            assert same, f"{label}: an answer without signature: {code} {answer.text}"
            self.authenticated -= 1
            return
        self.verify(answer)
        if code in (200, 201, 202):
            self.accepted.add(label)
        if label == "POST /v1/payments" and code in (201, 202):
            self.known.append(answer.json())

    def verify(self, answer):
        """schemathesis hands out an answer of its own; the library wants what requests made."""
        plain = requests.Response()
        plain.status_code, plain._content, plain.request = answer.status_code, answer.content, answer.request
        plain.headers.update({name: ", ".join(values) for name, values in answer.headers.items()})
        self.merchant.verify(plain)

    def go(self, operation, mode, cases):
        @hypothesis.seed(SEED)
        @hypothesis.settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def test(case):
            self.one(case)

        test()


def run(check, street):
    load_all_checks()
    tour = Tour(street.merchant(next(iter(street.banks))))

    def operations():
        labels = [result.ok().label for result in tour.schema.get_all_operations()]
        assert sorted(labels) == sorted(CASES) == sorted(tour.paths), labels

    check("schema: every operation has its cases", operations)
    for result in tour.schema.get_all_operations():
        operation = result.ok()
        right, wrong = CASES[operation.label]
        check(f"schema: {operation.label}", tour.go, operation, GenerationMode.POSITIVE, right)
        if wrong:
            check(f"schema: {operation.label}, ill-formed", tour.go, operation, GenerationMode.NEGATIVE, wrong)

    def counted():
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(tour.statuses.items()))
        assert tour.sent <= CASES_MAX, tour.sent
        assert tour.authenticated > 0.9 * tour.signed, (tour.authenticated, tour.signed, statuses)
        assert {200, 201, 409, 422} <= set(tour.statuses), statuses
        assert tour.accepted == set(CASES) - set(UNSIGNED), sorted(set(CASES) - set(UNSIGNED) - tour.accepted)
        return f"{tour.sent} cases, seed {SEED}; {tour.authenticated} of {tour.signed} signed ones passed authentication; {statuses}"

    check("schema: what was sent", counted)
