"""HTTP/2 frames and header blocks by hand (RFC 9113, RFC 7541): no library would send what attackers send."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING = 0, 1, 2, 3, 4, 6
GOAWAY, WINDOW_UPDATE, CONTINUATION = 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


# The connection's first bytes, with settings that change nothing.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"")


def integer(bits, value):
    """RFC 7541, 5.1, in a byte whose other bits are 0."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    encoded, value = [most], value - most
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])


def field(name, value):
    """A field that no table holds or is to hold (6.2.2)."""
    return b"\0" + integer(7, len(name)) + name.encode() + integer(7, len(value)) + value.encode()


def head(method, path):
    pseudo = {":method": method, ":scheme": "https", ":path": path, ":authority": "localhost"}
    return b"".join(field(name, value) for name, value in pseudo.items())
