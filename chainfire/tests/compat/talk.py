"""A talk with a server through etcd's programs, line by line, and what of the answers is comparable.

A line is a command of etcdctl, or of etcdutl if it begins so, as a shell would split it; and besides:

    put key <some text\\n     with this on its stdin
    &name watch foo          in the background
    ?name text               wait until it has printed that
    .name                    end it; everything it printed is the answer

`{address}`, `{folder}`, `{lease}`, `{member}` and `{self}` stand for the server, a folder of one's own, the last lease
and member made, and the member itself.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from compat.alike import alike

ANSWER_S = 10.0
PRINTED_S = 10.0
_CAPTURES = {
    "lease": re.compile(r"lease ([0-9a-f]+) granted"),
    "member": re.compile(r"Member\s+([0-9a-f]+) added"),
}


@dataclass(slots=True)
class Talk:
    """A talk with one server.

    Args:
        etcdctl: The program.
        etcdutl: The program; None answers its lines with nothing, on both sides.
        address: The server's.
        folder: For files that commands make.
    """

    etcdctl: str
    etcdutl: str | None
    address: str
    folder: Path
    names: dict[str, str] = field(default_factory=dict)
    _running: dict[str, tuple[subprocess.Popen[bytes], Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.names |= {"address": self.address, "folder": str(self.folder)}
        self.names["self"] = self._output(["member", "list"], "")[0].partition(",")[0]

    def say(self, line: str) -> str:
        """The comparable part of the answer to a line."""
        words, _, said = line.partition(" <")
        for name, value in self.names.items():
            words = words.replace(f"{{{name}}}", value)
        match line[0]:
            case "&":
                name, _, command = words[1:].partition(" ")
                return self._start(name, shlex.split(command), _unescaped(said))
            case "?":
                name, _, text = words[1:].partition(" ")
                return self._wait(name, text)
            case ".":
                return self._end(words[1:])
        return self._answer(shlex.split(words), _unescaped(said))

    def close(self) -> None:
        """End what is still running."""
        for name in list(self._running):
            self._end(name)

    def _answer(self, words: list[str], said: str) -> str:
        out, code = self._output(words, said)
        for name, pattern in _CAPTURES.items():
            found = pattern.search(out)
            if found:
                self.names[name] = found[1]
        return alike(out.replace(str(self.folder), "FOLDER"), words) + f"exit {code}\n"

    def _output(self, words: list[str], said: str) -> tuple[str, int]:
        command = self._command(words)
        if command is None:
            return "", 0
        try:
            done = subprocess.run(
                command, input=said.encode(), capture_output=True, timeout=ANSWER_S, check=False, env=environment()
            )
        except subprocess.TimeoutExpired:
            return "no answer\n", -1
        return _text(done.stdout) + _errors(_text(done.stderr)), done.returncode

    def _command(self, words: list[str]) -> list[str] | None:
        if words[0] == "etcdutl":
            return [self.etcdutl, *words[1:]] if self.etcdutl else None
        return [self.etcdctl, f"--endpoints={self.address}", *words]

    def _start(self, name: str, words: list[str], said: str) -> str:
        log = self.folder / f"{name}.out"
        command = self._command(words)
        assert command is not None
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.DEVNULL, env=environment()
            )
        assert process.stdin is not None
        process.stdin.write(said.encode())
        process.stdin.flush()
        self._running[name] = (process, log)
        return ""

    def _wait(self, name: str, text: str) -> str:
        process, log = self._running[name]
        ends_at = time.monotonic() + PRINTED_S
        while text not in log.read_text(errors="replace"):
            if time.monotonic() > ends_at or process.poll() is not None:
                return f"did not print '{text}'\n"
            time.sleep(0.01)
        return ""

    def _end(self, name: str) -> str:
        process, log = self._running.pop(name)
        process.terminate()
        try:
            process.wait(ANSWER_S)
        finally:
            process.kill()
            assert process.stdin is not None
            process.stdin.close()
        return alike(log.read_text(errors="replace").replace(str(self.folder), "FOLDER"), [])


def environment() -> dict[str, str]:
    """What the programs see: API 3, and nothing of the machine's."""
    return {"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "HOME": "/nonexistent", "GOMAXPROCS": "2"}


def _unescaped(said: str) -> str:
    return said.replace("\\n", "\n")


def _text(raw: bytes) -> str:
    """Text as it is, anything else (`-w protobuf`) as escapes that keep every byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes " + raw.hex() + "\n"


def _errors(text: str) -> str:
    """What stderr says besides the client library's own log."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(('{"level"', "\x1b", "{", "20")))
