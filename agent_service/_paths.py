"""Where the SQL files are: beside the code in a checkout, inside the package in an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["migrations_dir", "sample_crm_dir"]

_PACKAGE = Path(__file__).resolve().parent


def migrations_dir() -> Path:
    """Return the folder of our migrations."""
    return _find("migrations", "migrations")


def sample_crm_dir() -> Path:
    """Return the folder of the sample CRM's SQL."""
    return _find("sample_crm", "supabase/sample_crm")


def _find(packaged: str, in_checkout: str) -> Path:
    root = _PACKAGE.parent
    folder = root / in_checkout if (root / "pyproject.toml").is_file() else _PACKAGE / "_data" / packaged
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: install account-manager-agent again.")
    return folder
