"""The registry of the audit's checks: what each asserts, on which table, and what dropping means.

A check is a range that one column of a derived check table has to keep; a null value says that the check does
not apply to that row. The grain is the table, and also what the policy `drop` leaves out:

    archive one archive                             none of its files is accepted
    layer   one file (patch x modality)             the file is not accepted
    date    one date of a series or mask            the date is rejected
    patch   one patch                               none of its files is accepted
    band    one band of a modality, whole set       the modality is not accepted anywhere
    domain  one modality of a domain-year           none of its files is accepted
    split   one patch id of the split table         nothing: there is no file to leave out
"""

from __future__ import annotations

from flairhub.audit.check import Check
from flairhub.audit.families.archives import ARCHIVE_CHECKS
from flairhub.audit.families.dates import DATE_CHECKS
from flairhub.audit.families.files import FILE_CHECKS
from flairhub.audit.families.sets import SET_CHECKS
from flairhub.config.base import nearest
from flairhub.config.pipeline import AuditCheck, AuditException, AuditParams
from flairhub.errors import ConfigurationError

CHECKS: dict[str, Check] = {check.name: check for check in (*ARCHIVE_CHECKS, *FILE_CHECKS, *DATE_CHECKS, *SET_CHECKS)}
"""Every check by name, in the order of the report."""


def select_checks(params: AuditParams) -> dict[str, tuple[Check, AuditCheck]]:
    """The checks that run, with their own severity and policy or the parameters' exception, in the registry's order.

    Raises:
        ConfigurationError: a name is unknown (the nearest is given), or a policy `fail` has severity `warn`.
    """
    for name in params.checks:
        if name not in CHECKS:
            raise ConfigurationError(
                f"Expected names of audit checks in `audit.checks`, but got {name!r}{nearest(name, CHECKS)}"
            )
    selected = {}
    for name, check in CHECKS.items():
        exception = params.checks.get(name, AuditException())
        if exception is None:
            continue
        wanted = AuditCheck(severity=exception.severity or check.severity, policy=exception.policy or check.policy)
        if wanted.policy == "fail" and wanted.severity != "error":
            raise ConfigurationError(
                f"Expected `audit.checks.{name}` with policy fail to have severity error, but got warn: nothing "
                "could be used and yet the pipeline would go on. Set severity error, or policy drop or keep."
            )
        selected[name] = (check, wanted)
    return selected


def not_selected(params: AuditParams) -> list[str]:
    """Names of the checks that do not run, for the report."""
    return [name for name in CHECKS if params.checks.get(name, AuditException()) is None]
