import uuid
from pathlib import Path

from quickstart.core import cluster as clusters
from quickstart.core import toml
from quickstart.core.stack import render
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent.parent / "golden"
CLUSTER = clusters.Cluster(
    state=Path("/state dir"),
    cache=Path("/cache"),
    python=Path("/venv/bin/python"),
    host="node-1",
    host_uuid=str(uuid.UUID(int=1)),
    accelerator="tcg",
    ports=dict(zip(clusters.SERVICES, range(7001, 7007), strict=True)),
)


def test_configurations_of_one_node():
    texts = [f"# {name}\n{toml.render(table)}" for name, table in clusters.configurations(CLUSTER).items()]
    texts += [f"# {name}\n{text}" for name, text in clusters.libvirt_files(CLUSTER).items()]
    golden.check(GOLDEN / "configurations.txt", "\n".join(texts))


def test_stack_of_one_node():
    golden.check(GOLDEN / "stack.toml", render(clusters.stack(CLUSTER)))


def test_every_socket_fits_a_unix_address():
    stack = clusters.stack(CLUSTER)
    paths = [program.ready_socket for program in stack.programs] + [f"{clusters.RUNTIME}/plasmavmc-agent/metadata.sock"]
    assert max(len(path) for path in paths) <= 107
    assert len(clusters.control_name(Path("/" + "long/" * 1000))) < 107


def test_two_state_folders_have_two_supervisors():
    assert clusters.control_name(Path("/a")) != clusters.control_name(Path("/b"))


def test_everybody_who_runs_has_an_identity():
    programs = {program.name for program in clusters.stack(CLUSTER).programs} - {clusters.HYPERVISOR}
    assert set(clusters.identities(CLUSTER)) == programs | {clusters.OPERATOR}
