"""Small file systems, and what takes all their room."""
import subprocess

MIB = 1 << 20


def mounted(folder, size):
    """A file system of this size there; False where that is not allowed."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o",
                           f"size={size},mode=700", "tmpfs", folder],
                          capture_output=True)
    return done.returncode == 0


def resize(folder, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", folder],
                   check=True)


def unmount(folder):
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    """Takes all the room there is; returns the file."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as f:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass
    return filler
