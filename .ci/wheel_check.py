"""Say what is wrong with the archives in a folder: python .ci/wheel_check.py DIST.

The wheel must hold the package directory, whole, and nothing else; the source archive what builds it, and no tests.
"""

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {"chatstream/py.typed", "chatstream/__init__.py"}


def main(dist: Path) -> int:
    """1 if an archive holds too much or too little, and each fault on stdout."""
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "chatstream").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    faults = [f"not in the checkout: {name}" for name in NEEDED - package]
    if not any(name.startswith("chatstream/cli/") and name.endswith(".jsonl") for name in package):
        faults.append("not in the checkout: a tape for the demo, chatstream/cli/*.jsonl")

    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    faults += [f"not in the wheel: {name}" for name in package - shipped]
    faults += [f"should not be in the wheel: {name}" for name in shipped - package]

    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    build = {"pyproject.toml", "README.md", "LICENSE"}
    faults += [f"not in the source archive: {name}" for name in (package | build) - sources]
    faults += [
        f"should not be in the source archive: {name}" for name in sources if name.startswith(("tests/", "benchmarks/"))
    ]

    print("\n".join(sorted(faults)) or f"{len(shipped)} files, those of chatstream/")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
