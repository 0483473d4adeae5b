"""The picture decoder of the console: hostile bytes in, plain cells out."""
import os
import struct
import subprocess
import zlib

import kc

PROGRAM = kc.BUILD / "kircerta-preview"


def png(width, height, pixel, rows=None):
    """pixel(x, y) -> (r, g, b)"""
    raw = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width))
                   for y in range(height if rows is None else rows))

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0,
                                       0)) +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def shown(data, size="20x10", mode="256"):
    return subprocess.run([PROGRAM, size, mode], input=data,
                          capture_output=True, timeout=30 * kc.SLOW)


def cells(done):
    head, _, body = done.stdout.partition(b"\n")
    magic, cols, rows, colours = head.split()
    assert magic == b"KP1", head
    assert len(body) == int(cols) * int(rows) * 6, (head, len(body))
    return int(cols), int(rows), [struct.unpack(">IBB", body[i:i + 6])
                                  for i in range(0, len(body), 6)]


def test_a_picture_becomes_cells_of_its_colours():
    red_and_blue = png(40, 20, lambda x, y:
                       (255, 0, 0) if x < 20 else (0, 0, 255))
    cols, rows, got = cells(shown(red_and_blue))
    assert cols <= 20 and rows <= 10 and got
    left, right = got[0], got[cols - 1]
    seen = [{fg if ch != 0x20 else bg, bg} for ch, fg, bg in (left, right)]
    assert 196 in seen[0] and 21 in seen[1], (left, right)


def test_without_colours_it_is_plain_ascii():
    done = shown(png(40, 20, lambda x, y: (x * 6, y * 12, 128)), mode="mono")
    assert all(0x20 <= ch < 0x7f for ch, _, _ in cells(done)[2])


def test_what_is_no_whole_picture_is_refused_without_a_crash():
    good = png(64, 64, lambda x, y: (x, y, x ^ y))
    for bad in [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + b"\0" * 40,
                os.urandom(500), png(64, 64, lambda x, y: (0, 0, 0), rows=3),
                *(good[:n] for n in range(8, len(good) - 12, 61)),
                good.replace(b"IHDR\0\0\0\x40", b"IHDR\0\0\x7f\xff")]:
        done = shown(bad)
        assert done.returncode == 1 and done.stderr, (bad[:40], done)


def test_a_picture_of_too_many_pixels_is_refused():
    done = shown(png(16, 16, lambda x, y: (0, 0, 0)).replace(
        struct.pack(">II", 16, 16), struct.pack(">II", 16000, 16000)))
    assert done.returncode == 1 and done.stderr, done


def test_it_can_open_nothing_while_it_decodes():
    """strace, where it is: after the sandbox is entered no file is opened."""
    if kc.BUILD.name == "san":
        return                  # the sanitizers' own calls are let through
    log = "/proc/self/fd/2"
    done = subprocess.run(
        ["strace", "-f", "-o", log, PROGRAM, "20x10", "256"],
        input=png(8, 8, lambda x, y: (9, 9, 9)), capture_output=True)
    after = done.stderr.decode().split("PR_SET_NO_NEW_PRIVS")[1]
    assert "open" not in after and "socket" not in after, after
    assert done.returncode == 0, done


kc.main()
