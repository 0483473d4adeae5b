"""Packages of npm's registry for the tests, installed once into the build."""
import shutil
import subprocess

import kc


def skipped(why):
    print(f"      skipped, because {why}")


def folder(name, *packages):
    """One with these packages (NAME@VERSION) in its node_modules; None, and
    said why, where that cannot be."""
    where = kc.BUILD / "interop" / name
    if not shutil.which("node") or not shutil.which("npm"):
        return skipped("there is no node or no npm here")
    done = where / "installed"
    wanted = "\n".join(packages)
    if done.exists() and done.read_text() == wanted:
        return where
    where.mkdir(parents=True, exist_ok=True)
    try:
        ran = subprocess.run(
            ["npm", "install", "--prefix", where, "--cache",
             where / "cache", "--no-save", "--no-package-lock",
             "--ignore-scripts", "--no-audit", "--no-fund",
             "--fetch-retries=1", "--fetch-retry-mintimeout=500",
             "--fetch-retry-maxtimeout=1000",
             "--fetch-timeout=8000", *packages], cwd=where,
            capture_output=True, text=True, timeout=30,
            stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return skipped("npm's registry did not answer")
    if ran.returncode:
        why = [line for line in ran.stderr.splitlines() if " error " in line]
        return skipped(f"npm could not install {' '.join(packages)}: " +
                       "; ".join(why[:2]))
    done.write_text(wanted)
    return where
