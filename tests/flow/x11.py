"""A virtual X server, and just enough of the X11 protocol to draw on it."""
import os
import select
import socket
import struct
import subprocess


class Server:
    """An Xvfb on a display that it chose itself."""

    def __init__(self, size="640x480", options=()):
        r, w = os.pipe()
        self.proc = subprocess.Popen(
            ["Xvfb", "-displayfd", str(w), "-screen", "0", size + "x24",
             "-nolisten", "tcp", "-noreset", *options], pass_fds=(w,),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(w)
        number = b""
        while not number.endswith(b"\n"):
            if not select.select([r], [], [], 30)[0]:
                raise TimeoutError("Xvfb did not start")
            piece = os.read(r, 64)
            if not piece:
                raise RuntimeError("Xvfb ended at once")
            number += piece
        os.close(r)
        self.name = ":" + number.decode().strip()

    def close(self):
        if self.proc.poll() is None:
            self.proc.terminate()
        self.proc.wait(20)


class Client:
    """Windows of one colour, and the mouse."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect("/tmp/.X11-unix/X" + name[1:])
        self.sock.sendall(struct.pack("<BxHHHHxx", 0x6c, 11, 0, 0, 0))
        head = self._take(8)
        if head[0] != 1:
            raise RuntimeError("X refused the connection")
        setup = self._take(struct.unpack("<H", head[6:8])[0] * 4)
        self.base, = struct.unpack("<I", setup[4:8])
        vendor, = struct.unpack("<H", setup[16:18])
        at = 32 + (vendor + 3) // 4 * 4 + setup[21] * 8
        self.root, = struct.unpack("<I", setup[at:at + 4])
        self.made = 0

    def _take(self, n):
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise RuntimeError("X hung up")
            data += piece
        return data

    def _sync(self):
        """Ask anything: what was sent before is done when it is answered."""
        self.sock.sendall(struct.pack("<BxH", 43, 1))
        while self._take(32)[0] != 1:
            pass

    def window(self, x, y, w, h, rgb, shown=True):
        self.made += 1
        window = self.base + self.made
        # CreateWindow with background pixel and override-redirect.
        self.sock.sendall(struct.pack(
            "<BBHIIhhHHHHIIII", 1, 0, 10, window, self.root, x, y, w, h, 0,
            1, 0, 0x2 | 0x200, rgb, 1))
        if shown:
            self.sock.sendall(struct.pack("<BxHI", 8, 2, window))
        self._sync()
        return window

    def mouse(self, x, y):
        self.sock.sendall(struct.pack("<BxHIIhhHHhh", 41, 6, 0, self.root, 0,
                                      0, 0, 0, x, y))
        self._sync()

    def close(self):
        self.sock.close()
