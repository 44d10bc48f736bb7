"""What the programs run in: a folder, the gateway as a process, banks as processes. Everything listens on loopback."""

import datetime
import ipaddress
import json
import os
import pathlib
import socket
import subprocess
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
PATIENCE_S = 60


class Process:
    """A program whose lines are heard as they come."""

    def __init__(self, name, command, stream="stdout", log=None, **more):
        self.name, self.lines, self.heard = name, [], threading.Condition()
        log = open(log, "w") if log else subprocess.DEVNULL
        other = "stderr" if stream == "stdout" else "stdout"
        self.process = subprocess.Popen(
            list(map(str, command)), text=True, **{stream: subprocess.PIPE, other: log}, **more
        )
        self.reader = threading.Thread(target=self._listen, args=(getattr(self.process, stream),), daemon=True)
        self.reader.start()

    def _listen(self, stream):
        for line in stream:
            with self.heard:
                self.lines.append(line.rstrip("\n"))
                self.heard.notify_all()
        with self.heard:
            self.heard.notify_all()

    def wait_line(self, wanted):
        """The first line that `wanted` accepts, past or to come."""
        with self.heard:
            found = self.heard.wait_for(
                lambda: next(filter(wanted, self.lines), None) or not self.reader.is_alive(), PATIENCE_S
            )
        if not isinstance(found, str):
            raise AssertionError(f"{self.name} never said it; its last words: {self.lines[-3:]}")
        return found

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Bank(Process):
    """A bank that tells each message as a line of JSON."""

    def __init__(self, name, command, frames, **more):
        super().__init__(name, [*command, frames], log=f"{frames}.log", **more)
        self.frames = frames
        self.address = json.loads(self.wait_line(lambda line: '"listening"' in line))["listening"]

    def messages(self):
        with self.heard:
            return [json.loads(line) for line in self.lines if line.startswith('{') and '"mti"' in line]

    def wait_message(self, wanted):
        """The first message that `wanted` accepts."""
        return json.loads(self.wait_line(lambda line: '"mti"' in line and wanted(json.loads(line))))


def free_port():
    """A port that was free a moment ago: the public address names it before the gateway listens."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def make_certificate(folder):
    """tls.pem and tls.key for localhost."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(private)
    (folder / "tls.key").chmod(0o600)


def configuration(port, hosts, merchants):
    """`hosts`: name to (dialect, address). `merchants`: id to (host, algorithm, public key); the id is the key's too."""
    text = f"""[gateway]
name = "peers"
mode = "development"
data_dir = "data"
protocols_dir = {json.dumps(str(ROOT / "protocols"))}
time_zone = "Europe/Berlin"
log = {{ format = "json", level = "info" }}
[keys]
file = "tidegate.keys"
passphrase = {{ env = "TIDEGATE_KEY_PASSPHRASE" }}
[internal]
listen = "127.0.0.1:0"
control_socket = "tidegate.sock"
[reversal]
gaps_ms = [500, 1000, 2000]
[[channel]]
name = "rest"
kind = "rest"
listen = "127.0.0.1:{port}"
public_address = "https://localhost:{port}"
tls = {{ certificate = "tls.pem", key = "tls.key" }}
"""
    for name, (dialect, address) in hosts.items():
        text += f"""[[host]]
name = "{name}"
dialect = "{dialect}"
mapping = "{dialect}"
frame = "length-be2"
acquirer = "00000123456"
reply_timeout_ms = 3000
reconnect_min_ms = 20
[[host.line]]
name = "a"
address = "{address}"
"""
    for number, (name, (host, algorithm, public_key)) in enumerate(merchants.items(), 1):
        # Answers are signed by ed25519 unless a merchant wants it otherwise.
        answers = "" if algorithm == "ed25519" else f'response_algorithm = "{algorithm}"\n'
        text += f"""[[merchant]]
id = "{name}"
name = "{name}"
time_zone = "Europe/Berlin"
category = "5942"
terminal = "TERM{number:04}"
acceptor = "{name.upper():0<15.15}"
name_location = "{name:<23}Berlin       DE"
host = "{host}"
currencies = ["EUR"]
amount_max = {{ EUR = 500000 }}
{answers}[[merchant.key]]
id = "{name}"
algorithm = "{algorithm}"
public_key = "{public_key}"
"""
    return text


class Gateway(Process):
    """`tidegate run` in a folder of its own, with keys made anew."""

    def __init__(self, folder, hosts, merchants):
        self.port = free_port()
        self.base, self.certificate = f"https://localhost:{self.port}", str(folder / "tls.pem")
        make_certificate(folder)
        file = folder / "tidegate.toml"
        file.write_text(configuration(self.port, hosts, merchants))
        environment = {**os.environ, "TIDEGATE_KEY_PASSPHRASE": "peers"}
        tidegate = TARGET / "debug" / "tidegate"
        subprocess.run([tidegate, "keys", "init", "--example", "-c", file], env=environment, check=True, capture_output=True)
        super().__init__("tidegate", [tidegate, "run", "-c", file], "stderr", env=environment)
        self.wait_line(lambda line: '"ready"' in line)


class Sandbox(Process):
    """`sandbox --serve`: a gateway with the sandbox's own bank and one merchant."""

    def __init__(self, folder):
        command = [TARGET / "debug" / "sandbox", "--serve", "--keep", folder, "--port", free_port()]
        super().__init__("sandbox", command, "stdout", log=f"{folder}.log", cwd=ROOT)
        self.wait_line(lambda line: "expiry of every test card" in line)
        world = json.loads((folder / "world.json").read_text())
        self.base, self.certificate = world["public_address"], str(folder / "tls.pem")
        self.key_id, self.key_file = world["merchant"]["key_id"], folder / f"{world['merchant']['id']}.key"
