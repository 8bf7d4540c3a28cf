"""All rows of the expectation."""

from __future__ import annotations

from matrix.expected import CALLS, IN_A_CLAIM
from matrix.expected_refusals import REFUSALS
from matrix.expected_sync import OPERATIONS

ROWS = CALLS + IN_A_CLAIM + OPERATIONS + REFUSALS
