"""Names that are refused, in sentences."""

from __future__ import annotations

import pytest

from tollway.errors import InvalidName
from tollway.workflow.names import check_name


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("event", 7, "an event name must be text, not int"),
        ("event", "", "an event name is empty"),
        ("step", None, "a step name must be text, not NoneType"),
        ("uuid", "", "a uuid name is empty"),
        ("queue", "q" * 256, "has 256 bytes, more than 255"),
        ("workflow", "a\0b", "has a NUL character"),
        ("child", "\ud800", "has a lone surrogate"),
    ],
)
def test_what_is_no_name_is_refused_in_a_sentence(kind: str, name: object, says: str) -> None:
    with pytest.raises(InvalidName, match=says) as refused:
        check_name(kind, name)

    assert str(refused.value).startswith(("a ", "an ", "the "))
