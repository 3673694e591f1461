import asyncio
import contextlib
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quickstart.config import default_cache
from quickstart.errors import QuickstartError
from quickstart.shell.guest import image, packages, root
from quickstart.shell.guest.image import GuestImage
from quickstart.shell.http import Page

METADATA = Path(__file__).parent / "metadata_stub.py"


@pytest.fixture(scope="session")
def guest():
    """The image as the quickstart uses it; built on a machine's first run."""
    return asyncio.run(image.obtain(default_cache() / "guest", lambda _: None))


@contextlib.contextmanager
def booted(guest: GuestImage, folder: Path):
    """Boots the guest in QEMU's user network, where 169.254.169.254 is the stub; gives its process and HTTP port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    network = f"user,id=n,net=169.254.169.0/24,hostfwd=tcp:127.0.0.1:{port}-169.254.169.15:80"
    network += f",guestfwd=tcp:169.254.169.254:80-cmd:{shlex.join([sys.executable, '-I', '-S', str(METADATA)])}"
    arguments = ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-m", "256", "-nodefaults", "-display", "none"]
    arguments += ["-kernel", guest.kernel, "-initrd", guest.initrd, "-append", guest.command_line]
    arguments += ["-serial", f"file:{folder / 'console'}", "-monitor", "stdio", "-device", "virtio-rng-pci"]
    arguments += ["-netdev", network, "-device", "virtio-net-pci,netdev=n,romfile="]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as qemu:
        try:
            yield qemu, port
        finally:
            qemu.kill()


def fetch(port: int, path: str = "/"):
    """GET through QEMU's forwarding, which accepts before the guest listens: ask until something is answered."""
    ends_at = time.monotonic() + 40
    while time.monotonic() < ends_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
            client.settimeout(1)
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            if b" 200 " in (answer := b"".join(iter(lambda: client.recv(4096), b""))):
                return Page(answer.partition(b"\r\n\r\n")[2].decode(), 0)
        time.sleep(0.05)
    raise TimeoutError(path)


def test_the_guest_learns_who_it_is_and_shuts_down_when_asked(guest: GuestImage, tmp_path: Path):
    with booted(guest, tmp_path) as (qemu, port):
        page = fetch(port)
        assert page.field("hostname") == "web-1"
        assert page.field("address").startswith("169.254.169.15/24")
        assert fetch(port, "/marker.txt").text == "hello from user-data\n"
        console = tmp_path / "console"
        while "ssh: port 22" not in console.read_text():
            time.sleep(0.05)
        # What `ssh-keygen -lf` says of the stub's key.
        assert fetch(port).field("ssh-key") == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
        qemu.stdin.write("system_powerdown\n")
        qemu.stdin.flush()
        assert qemu.wait(10) == 0
    assert "power button: shutting down" in console.read_text()
    assert "user-data: ran, exit 0" in console.read_text()


def test_an_image_is_built_from_debian_once_and_anew_when_damaged(tmp_path: Path):
    said = []
    first = asyncio.run(image.obtain(tmp_path, said.append))
    assert 10_000_000 < first.size_bytes < 25_000_000
    assert any(package.startswith("linux-image-") for package in first.packages)
    assert any(line.startswith("downloading") for line in said)
    said.clear()
    assert asyncio.run(image.obtain(tmp_path, said.append)) == first
    assert said == []
    digest = first.initrd.read_bytes()
    first.initrd.write_bytes(b"cut short")
    assert asyncio.run(image.obtain(tmp_path, said.append)).initrd.read_bytes() == digest


def test_without_apt_the_failure_says_what_must_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(QuickstartError, match="could not be had") as caught:
        asyncio.run(image.obtain(tmp_path, lambda _: None))
    assert "apt-get update" in caught.value.remedy
    assert not list(tmp_path.glob("*/image.json"))


def test_files_are_read_out_of_a_package_through_links(tmp_path: Path):
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n")
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/lib/libx.so.1.2").write_bytes(b"library")
    (tree / "usr/lib/libx.so.1").symlink_to("libx.so.1.2")
    (tree / "usr/lib/other").write_bytes(b"no")
    subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "x.deb"], check=True, capture_output=True)
    found = packages.read_members(tmp_path / "x.deb", lambda path: "libx" in path)
    assert found == {"usr/lib/libx.so.1.2": b"library", "usr/lib/libx.so.1": b"library"}


@pytest.mark.parametrize("name", sorted(root.SCRIPTS))
def test_every_script_of_the_guest_parses(name: str):
    if shutil.which("busybox") is None:
        pytest.skip("no busybox here")
    subprocess.run(["busybox", "sh", "-n"], input=root.script(name), check=True)


def test_the_digest_of_the_builder_covers_its_scripts(monkeypatch: pytest.MonkeyPatch):
    before = image.builder_digest()
    monkeypatch.setattr(root, "script", lambda _: b"changed")
    assert image.builder_digest() != before


def test_nothing_of_the_machine_is_touched_by_apt(tmp_path: Path):
    options = packages.Apt(tmp_path, own_lists=True).options
    shown = subprocess.run(["apt-config", *options, "dump"], capture_output=True, text=True, check=True).stdout
    assert f'Dir::Cache "{tmp_path}";' in shown
    assert f'Dir::State::Lists "{tmp_path}/lists";' in shown or f'Dir::State::lists "{tmp_path}/lists";' in shown
    assert list(tmp_path.iterdir()) == []
