"""Answers of scans whose inputs have not changed."""

from tollway.audit.cache.inputs import code, key
from tollway.audit.cache.store import Answer, Cache

__all__ = ["Answer", "Cache", "code", "key"]
