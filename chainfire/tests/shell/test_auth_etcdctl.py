"""etcdctl's commands about users, with the etcdctls of etcd 3.4 and 3.5: chainfire and etcd 3.5 answer alike."""

import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from shell.servers import ETCD_35, TRIXIE, chainfire, etcd, needs_etcd_35
from shell.test_etcdctl import ETCDCTL, alike, etcdctl

ETCDCTL_35 = shutil.which("etcdctl", path=str(TRIXIE))
programs = pytest.mark.parametrize(
    "program",
    [
        pytest.param(ETCDCTL, marks=pytest.mark.skipif(ETCDCTL is None, reason="etcdctl 3.4 is not installed")),
        pytest.param(ETCDCTL_35, marks=needs_etcd_35),
    ],
    ids=["3.4", "3.5"],
)
COMMANDS = """
put a 0
put z 0
auth enable
user add root:secret
user add alice:secret
user add alice:secret
user add machine --no-password
user list
user get alice
role add r
role add r
role grant-permission r readwrite a
role grant-permission --prefix r read b/
role grant-permission --from-key r write y
role grant-permission r read d g
role grant-permission nothing read a
role get r
role list
user grant-role alice r
user grant-role alice nothing
user get alice --detail
auth enable
get a
--user=root:secret auth enable
--user=root:wrong get a
--user=nobody:secret get a
--user=machine:secret get a
--user=root:secret get a
--user=root:secret role list
--user=root:secret user get root
--user=alice:secret put a 1
--user=alice:secret put a 2 --prev-kv
--user=alice:secret get a -w json
--user=alice:secret get b/ --prefix
--user=alice:secret get b --prefix
--user=alice:secret get d f
--user=alice:secret get d h
--user=alice:secret put b/1 1
--user=alice:secret put y1 1
--user=alice:secret get y1
--user=alice:secret get --from-key y
--user=alice:secret del --from-key y
--user=alice:secret del a z
--user=alice:secret lease grant 600 -w json
--user=alice:secret user get alice
--user=alice:secret user get root
--user=alice:secret role get r
--user=alice:secret role get root
--user=alice:secret user list
--user=alice:secret member list -w json
--user=alice:secret endpoint health
--user=root:secret endpoint health
--user=root:secret endpoint status -w json
--user=root:secret alarm list
--user=root:secret defrag
--user=root:secret compaction 2
--user=root:secret role revoke-permission r a
--user=root:secret role revoke-permission r a
--user=alice:secret get a
--user=root:secret user delete root
--user=root:secret role delete root
--user=root:secret user revoke-role root root
--user=root:secret user revoke-role alice r
--user=alice:secret get b/ --prefix
--user=root:secret user revoke-role alice r
--user=root:secret role delete r
--user=root:secret user delete machine
--user=root:secret user list
--user=root:secret get --from-key a
--user=root:secret auth disable
--user=alice:secret get z
get z
auth disable
"""
PASSWORDS = ["--user=root:secret user passwd alice --interactive=false", "--user=alice:better get z"]


@needs_etcd_35
@programs
def test_users_are_managed_with_etcdctl_as_with_etcd(program: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = {
            "chainfire": chainfire(tmp_path / "chainfire", "[auth]\nbcrypt_cost = 4\n"),
            "etcd": etcd(tmp_path / "etcd", program=ETCD_35, flags=["--bcrypt-cost", "4"]),
        }
        addresses = {kind: stack.enter_context(server).addresses[0] for kind, server in servers.items()}

        def ask(line: str, said: str = "") -> dict[str, str]:
            words = shlex.split(line)
            return {kind: alike(etcdctl(at, words, said=said, program=program)) for kind, at in addresses.items()}

        for line in COMMANDS.strip().splitlines():
            answers = ask(line)
            assert answers["chainfire"] == answers["etcd"], line
        for line in ("auth enable", *PASSWORDS):
            answers = ask(line, "better\n")
            assert answers["chainfire"] == answers["etcd"], line
