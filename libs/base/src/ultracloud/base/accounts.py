"""Service accounts as other things name them: found by name or id, and where they stand in the resource tree."""

from __future__ import annotations

from ultracloud.base.directory import Policy, environment_path, project_path
from ultracloud.base.entities import Project, ServiceAccount
from ultracloud.base.faults import NotFoundError
from ultracloud.base.paths import ENVIRONMENT_LABEL
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX

WORKLOAD_PERMISSION = "iam.tokens.issueworkload"
"""To prove to others that one is an account: to get its workload tokens, or to run a VM that does."""


def find_account(policy: Policy, project: Project, ref: str) -> ServiceAccount:
    """The service account of `project` with this name or id.

    Raises:
        NotFoundError: There is none.
    """
    by_id = policy.account_of_principal.get(f"{SERVICE_ACCOUNT_PREFIX}{ref}")
    if by_id is not None and by_id.project == project.id:
        return by_id
    named = policy.accounts_of_name.get((project.id, ref))
    if named is not None:
        return named
    raise NotFoundError(
        f"no service account {ref[:100]!a} in project {project.name}", reason="SERVICE_ACCOUNT_NOT_FOUND"
    )


def account_path(policy: Policy, account: ServiceAccount) -> str:
    """Where a service account stands, through its environment."""
    project = project_path(policy.project_of_id[account.project])
    inside = environment_path(policy, account.project, project, {ENVIRONMENT_LABEL: account.environment})
    return f"{inside}/serviceaccounts/{account.id}"
