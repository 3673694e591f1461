"""The server's configuration.

```toml
state_dir = "/var/lib/ultracloud/plasmavmc"
image_dirs = ["/srv/images"]      # images are registered from files below these folders, and from nowhere else
[listen]
address = "127.0.0.1:7005"
[peers]
flaredb = "127.0.0.1:7002"
iam = "127.0.0.1:7003"
prismnet = "127.0.0.1:7004"
[quota]
each = {vms = 100, vcpus = 400}   # of each project of which iam says nothing else
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ultracloud.servicekit.settings import Quotas, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlasmavmcSettings(Settings):
    """All of it.

    Attributes:
        image_dirs: Folders whose files may become images; `state_dir`/images if none is given. A file elsewhere is
            refused, or a tenant could boot a VM on the host's own files and read them.
        quota: What projects may have at most of ``vms``, ``vcpus``, ``memory-mib``, ``disk-gib`` and ``images``.
    """

    image_dirs: tuple[Path, ...] = ()
    quota: Quotas = field(default_factory=Quotas)

    @property
    def image_folders(self) -> tuple[Path, ...]:
        """The folders that count."""
        return self.image_dirs or (self.state_dir / "images",)
