"""A merchant by PyPI's http-message-signatures (RFC 9421), jwcrypto (RFC 7516) and requests: docs/merchants-guide.md
in libraries of others. Every answer to a signed request is verified; one that is not signed is an error."""

import base64
import datetime
import json
import secrets
import time

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519, RSA_PSS_SHA512, RSA_V1_5_SHA256
from jwcrypto import jwe, jwk

# One row an algorithm: the library's class, how a key is made, and the "alg" of the JWK of such a key of ours.
ALGORITHMS = {
    "ed25519": (ED25519, ed25519.Ed25519PrivateKey.generate, "EdDSA"),
    "ecdsa-p256-sha256": (ECDSA_P256_SHA256, lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "rsa-pss-sha512": (RSA_PSS_SHA512, lambda: rsa.generate_private_key(65537, 2048), "PS512"),
    "rsa-v1_5-sha256": (RSA_V1_5_SHA256, lambda: rsa.generate_private_key(65537, 2048), "RS256"),
}
ENVELOPES = ("ECDH-ES", "RSA-OAEP-256")
# What an answer must cover: itself, and the request that it answers.
ANSWER_COVERS = ("@status", "content-digest", '"@method";req', '"@target-uri";req', '"signature";req;key="sig1"')


def public_text(key):
    """A public key as configuration has it: base64 of the 32 bytes of ed25519, else of the SubjectPublicKeyInfo."""
    raw, public = serialization.Encoding, serialization.PublicFormat
    form = (raw.Raw, public.Raw) if isinstance(key, ed25519.Ed25519PrivateKey) else (raw.DER, public.SubjectPublicKeyInfo)
    return base64.b64encode(key.public_key().public_bytes(*form)).decode()


class OurKeys(HTTPSignatureKeyResolver):
    """The gateway's own keys, by /v1/keys."""

    def __init__(self, keys):
        self.keys = {key["kid"]: key for key in keys if key["use"] == "sig"}

    def resolve_public_key(self, key_id):
        return jwk.JWK(**self.keys[key_id]).export_to_pem()


class TheirKey(HTTPSignatureKeyResolver):
    """The merchant's key."""

    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key


class Merchant:
    def __init__(self, base, certificate, key_id, key, algorithm="ed25519", envelope="RSA-OAEP-256"):
        self.base, self.key_id, self.algorithm, self.envelope = base, key_id, algorithm, envelope
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = certificate
        self.keys = self.session.get(base + "/v1/keys", timeout=20).json()["keys"]
        self.signer = HTTPMessageSigner(signature_algorithm=ALGORITHMS[algorithm][0], key_resolver=TheirKey(key))

    def encrypt(self, card):
        """A card's data (any JSON, or bytes as they stand) as compact JWE."""
        theirs = next(key for key in self.keys if key.get("alg") == self.envelope)
        header = {"alg": self.envelope, "enc": "A256GCM", "kid": theirs["kid"]}
        clear = card if isinstance(card, bytes) else json.dumps(card).encode()
        sealed = jwe.JWE(clear, recipient=jwk.JWK(**theirs), protected=header)
        return sealed.serialize(compact=True)

    def sign(self, request):
        """Signs a prepared request in place."""
        covered = ["@method", "@target-uri"]
        if request.method == "POST":
            covered += ["content-digest", "idempotency-key"]
        self.signer.sign(
            request,
            key_id=self.key_id,
            label="sig1",
            nonce=secrets.token_hex(16),
            covered_component_ids=covered,
            body=request.body if request.method == "POST" else None,
        )

    def verify(self, answer):
        """Verifies an answer's signature, its digest and that it belongs to its request. Gives the algorithm's name."""
        key_id = answer.headers["signature-input"].split('keyid="')[1].split('"')[0]
        name = next(key["alg"] for key in self.keys if key["kid"] == key_id)
        algorithm = next(known for known, row in ALGORITHMS.items() if row[2] == name)
        verifier = HTTPMessageVerifier(signature_algorithm=ALGORITHMS[algorithm][0], key_resolver=OurKeys(self.keys))
        verifier.verify(
            answer,
            max_age=datetime.timedelta(minutes=5),
            require_components=ANSWER_COVERS,
            body=answer.content,
        )
        return algorithm

    def send(self, method, path, body=None, key=None):
        """Sends, verifies and gives the answer. Busy means: again, under the same idempotency key."""
        ends = time.monotonic() + 30
        while True:
            request = requests.Request(method, self.base + path).prepare()
            if method == "POST":
                # Not in hexadecimal: one in a few hundred would hold what may be a card number, and be refused.
                request.headers["idempotency-key"] = key or secrets.token_urlsafe(16)
                request.headers["content-type"] = "application/json"
                request.prepare_body(json.dumps(body).encode(), None)
            self.sign(request)
            answer = self.session.send(request, timeout=30)
            if answer.status_code != 401:
                self.verify(answer)
            if answer.status_code != 503 or time.monotonic() > ends:
                return answer
            time.sleep(0.2)

    def pay(self, order, minor, card, key=None, **more):
        amount = {"minor": minor, "currency": "EUR"}
        body = {"order_id": order, "amount": amount, "card": {"jwe": self.encrypt(card)}, **more}
        return self.send("POST", "/v1/payments", body, key)

    def get(self, path):
        return self.send("GET", path)
