"""The one configuration of a single-node cloud, and what follows: every process's own, and the stack to run.

A person who wants to know how a service is configured on one node reads what this module writes.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quickstart.core.layout import Layout, default_state
from quickstart.core.stack import Bind, Program, Stack
from quickstart.core.toml import Table

GATEWAY = "apigateway"
SERVICES = ("chainfire", "flaredb", "iam", "prismnet", "plasmavmc", GATEWAY)
"""The control plane, in the order that lets each find what it needs soonest."""
AGENTS = ("prismnet-agent", "plasmavmc-agent")
HYPERVISOR = "libvirtd"
HOST_NAMESPACE = "host"
"""Network namespace that plays the machine the guests run on."""
OUTSIDE_NAMESPACE = "outside"
"""Network namespace that plays the internet."""
UPLINK = "uplink"
UPLINK_ADDRESS = ipaddress.ip_address("198.51.100.2")
OUTSIDE_GATEWAY = ipaddress.ip_address("198.51.100.1")
OUTSIDE_SERVER = ipaddress.ip_address("203.0.113.80")
"""RFC 5737 sets these ranges aside for examples, so nobody's real network is shadowed."""
RUNTIME = Path("/run/ultracloud")
"""Sockets: short enough for the 107 bytes of a unix address, and in memory that only the stack sees."""
LIBVIRT_SOCKET = "/run/libvirt/libvirt-sock"
OPERATOR = "quickstart"

QEMU_CONF = """\
# Written by the quickstart for its own libvirtd.
# /dev/kvm is often root's alone: as another user every capability query would probe again, 90 s for each VM.
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
seccomp_sandbox = 0
stdio_handler = "file"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cloud of one node.

    Attributes:
        state: Folder of all state; `cache` of what later runs use again.
        python: The interpreter the services run in.
        host: The node's name.
        host_uuid: What libvirt calls this host; any UUID that no other libvirtd here has.
        accelerator: ``kvm`` or ``tcg``.
        ports: Port of each service on 127.0.0.1.
    """

    state: Path
    cache: Path
    python: Path
    host: str
    host_uuid: str
    accelerator: str
    ports: dict[str, int]

    @property
    def layout(self) -> Layout:
        """Where everything is."""
        return Layout(self.state, self.cache)

    @property
    def control(self) -> str:
        """Abstract socket of the supervisor; one state folder has at most one."""
        return control_name(self.state)

    def endpoint(self, service: str) -> str:
        """Where the person reaches a service."""
        return f"127.0.0.1:{self.ports[service]}"

    @property
    def gateway(self) -> str:
        """Where everything else is reached: by a name, since browsers bind security keys to one."""
        return f"https://localhost:{self.ports[GATEWAY]}"


def control_name(state: Path) -> str:
    """The supervisor's abstract socket for a state folder; an address has 107 bytes, so the path itself may not fit."""
    return f"ultracloud-quickstart-{hashlib.sha256(bytes(state)).hexdigest()[:16]}"


def context_name(layout: Layout) -> str:
    """What `uc` calls the cloud of a state folder."""
    if layout.state == default_state(layout.cache):
        return OPERATOR
    return f"{OPERATOR}-{control_name(layout.state)[-6:]}"


def configurations(cluster: Cluster) -> Mapping[str, Table]:
    """The configuration of every service and agent, by process name."""
    made: dict[str, Table] = {service: _service(cluster, service) for service in SERVICES}
    made["iam"] = {
        **made["iam"],
        "admins": [f"spiffe://ultracloud.local/operator/{OPERATOR}"],
        "root_key_file": str(cluster.layout.process_state("iam") / "root.key"),
        "create_root_key": True,
        "issuer": cluster.gateway,
    }
    made["plasmavmc"] = {**made["plasmavmc"], "image_dirs": [str(cluster.layout.guest), str(cluster.layout.images)]}
    made["prismnet-agent"] = {
        **_agent(cluster, "prismnet"),
        "uplink": UPLINK,
        "metadata_socket": str(RUNTIME / "metadata.sock"),
    }
    made["plasmavmc-agent"] = {
        **_agent(cluster, "plasmavmc"),
        "runtime_dir": str(RUNTIME / "plasmavmc-agent"),
        "metadata_socket": str(RUNTIME / "metadata.sock"),
        "accelerator": cluster.accelerator,
        "libvirt": {"uri": f"qemu+unix:///system?socket={LIBVIRT_SOCKET}"},
    }
    return made


def libvirt_files(cluster: Cluster) -> Mapping[str, str]:
    """Files of the folder that stands in for /etc/libvirt."""
    daemon = {
        "unix_sock_dir": "/run/libvirt",
        "auth_unix_ro": "none",
        "auth_unix_rw": "none",
        "unix_sock_rw_perms": "0700",
        "host_uuid": cluster.host_uuid,
        "log_outputs": "2:stderr",
    }
    numbers = {"min_workers": 2, "max_workers": 8, "prio_workers": 2}
    lines = [f'{key} = "{text}"' for key, text in daemon.items()] + [f"{key} = {n}" for key, n in numbers.items()]
    return {"qemu.conf": QEMU_CONF, "libvirtd.conf": "\n".join(lines) + "\n"}


def identities(cluster: Cluster) -> Mapping[str, str]:
    """SPIFFE path of everybody who needs a certificate, by process name."""
    made = {service: f"service/{service}" for service in SERVICES}
    made["prismnet-agent"] = f"agent/prismnet/{cluster.host}"
    made["plasmavmc-agent"] = f"agent/plasmavmc/{cluster.host}"
    made[OPERATOR] = f"operator/{OPERATOR}"
    return made


def stack(cluster: Cluster) -> Stack:
    """What the supervisor runs, and in which place."""
    layout = cluster.layout
    libvirt = layout.libvirt
    return Stack(
        control=cluster.control,
        programs=(
            *(_program(cluster, service, (service,), "") for service in SERVICES),
            Program(
                name=HYPERVISOR,
                arguments=("libvirtd",),
                log=str(layout.log(HYPERVISOR)),
                namespace=HOST_NAMESPACE,
                ready_socket=LIBVIRT_SOCKET,
            ),
            _program(cluster, "prismnet-agent", ("prismnet.agent",), HOST_NAMESPACE),
            _program(cluster, "plasmavmc-agent", ("plasmavmc.agent",), HOST_NAMESPACE),
        ),
        kept=(str(cluster.state), str(cluster.cache)),
        private=("/run",),
        binds=(
            Bind(source=str(libvirt / "etc"), target="/etc/libvirt"),
            Bind(source=str(libvirt / "lib"), target="/var/lib/libvirt"),
            Bind(source=str(libvirt / "log"), target="/var/log/libvirt"),
            Bind(source=str(layout.capabilities), target="/var/cache/libvirt"),
        ),
        namespaces=(HOST_NAMESPACE, OUTSIDE_NAMESPACE),
        setup=_uplink_setup(),
        devices_of=HOST_NAMESPACE,
        # libvirt looks this user up before it reads that it is to use root.
        accounts=("libvirt-qemu",),
    )


def _uplink_setup() -> tuple[str, ...]:
    """Join host and outside, and give outside no way back to tenants but through what the host translates."""
    return (
        f"link add {UPLINK} netns {HOST_NAMESPACE} type veth peer name inside netns {OUTSIDE_NAMESPACE}",
        f"-n {HOST_NAMESPACE} address add {UPLINK_ADDRESS}/24 dev {UPLINK}",
        f"-n {HOST_NAMESPACE} link set {UPLINK} up",
        f"-n {OUTSIDE_NAMESPACE} address add {OUTSIDE_GATEWAY}/24 dev inside",
        f"-n {OUTSIDE_NAMESPACE} address add {OUTSIDE_SERVER}/32 dev lo",
        f"-n {OUTSIDE_NAMESPACE} link set inside up",
        f"-n {HOST_NAMESPACE} route add default via {OUTSIDE_GATEWAY}",
    )


def _program(cluster: Cluster, name: str, module: tuple[str, ...], namespace: str) -> Program:
    layout = cluster.layout
    return Program(
        name=name,
        arguments=(str(cluster.python), "-m", *module, "serve", "--config", str(layout.configuration(name))),
        log=str(layout.log(name)),
        namespace=namespace,
    )


def _service(cluster: Cluster, service: str) -> Table:
    """What every service is told."""
    return {
        "state_dir": str(cluster.layout.process_state(service)),
        "listen": {"address": cluster.endpoint(service), "unix": str(RUNTIME / f"{service}.sock")},
        "tls": _tls(cluster, service, f"service-{service}"),
        # Nobody calls the gateway but people.
        "peers": {peer: cluster.endpoint(peer) for peer in SERVICES if peer not in (service, GATEWAY)},
    }


def _agent(cluster: Cluster, service: str) -> Table:
    """What every agent is told: it sits in another network namespace, so it reaches its service by a unix socket."""
    name = f"{service}-agent"
    return {
        "state_dir": str(cluster.layout.process_state(name)),
        "host": cluster.host,
        "listen": {"unix": str(RUNTIME / f"{name}.sock")},
        "tls": _tls(cluster, name, f"agent-{service}-{cluster.host}"),
        "peers": {peer: f"unix:{RUNTIME / peer}.sock" for peer in (service, "iam")},
    }


def _tls(cluster: Cluster, process: str, file_stem: str) -> Table:
    folder = cluster.layout.certificates(process)
    return {
        "certificate": str(folder / f"{file_stem}.crt"),
        "key": str(folder / f"{file_stem}.key"),
        "ca": str(folder / "ca.crt"),
        "renew": True,
    }
