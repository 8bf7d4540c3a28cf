"""The schema in the database: install it, migrate it, compare it with this release."""

from tollway.schema.install import Installed, ensure_current, install, migrate
from tollway.schema.status import Drift, show, verify

__all__ = ["Drift", "Installed", "ensure_current", "install", "migrate", "show", "verify"]
