"""Why a row of the tables differs from etcd."""

REASONS: dict[str, str] = {}
RPC_REASONS: dict[str, str] = {}
