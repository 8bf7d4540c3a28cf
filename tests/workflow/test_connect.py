"""What is said of an address that is none: enough to mend it, and no password, for it goes to a log."""

from __future__ import annotations

import asyncio

import pytest

from fixtures.database import Database
from tollway import Tollway
from tollway.errors import InvalidOption
from tollway.workflow.connect import connect_async, connect_sync

NO_ADDRESSES = [
    "postgres+psycopg://app:s3cret@db/shop",
    "postgresql:/app:s3cret@db/shop",
    "postgresql://app:100%s3cret@db/shop",
    "postgresql://app:s3@cret@db/shop?nonsense=1",
    "nonsense s3cret password=s3cret",
    "nonsense://app:@db",
]


@pytest.mark.parametrize("dsn", NO_ADDRESSES)
def test_an_error_about_an_address_has_no_password(dsn: str) -> None:
    with pytest.raises(InvalidOption, match="the connection string is not one") as told:
        connect_sync(dsn)
    with pytest.raises(InvalidOption) as told_async:
        asyncio.run(connect_async(dsn))

    assert "cret" not in str(told.value)
    assert str(told_async.value) == str(told.value)


def test_sqlalchemys_address_is_recognized() -> None:
    with pytest.raises(InvalidOption) as told:
        connect_sync("postgresql+psycopg://app@db/shop")

    assert "postgresql+psycopg://app@db/shop" in str(told.value)
    assert "without +psycopg" in str(told.value.hint)


def test_what_is_no_source_of_connections_is_named_by_its_type() -> None:
    """It may be an address, with its password."""
    with pytest.raises(InvalidOption, match="connect is a str") as told:
        Tollway(connect="postgresql://app:s3cret@db/shop")  # type: ignore[arg-type]

    assert "cret" not in str(told.value)


def test_a_server_that_vanished_without_a_word_is_noticed(db: Database) -> None:
    """A request that waits for its answer holds one of a few turns: without these the system gives up after hours."""

    async def parameters() -> dict[str, str]:
        async with await connect_async(db.dsn) as connection:
            return connection.info.get_parameters()

    with connect_sync(db.dsn) as connection:
        given = connection.info.get_parameters()

    assert given["tcp_user_timeout"] == "30000"
    assert given["keepalives_idle"] == "10"
    assert asyncio.run(parameters()) == given


def test_what_an_address_says_itself_counts(db: Database) -> None:
    with connect_sync(f"{db.dsn}&tcp_user_timeout=5000&connect_timeout=3") as connection:
        given = connection.info.get_parameters()

    assert (given["tcp_user_timeout"], given["connect_timeout"], given["keepalives_idle"]) == ("5000", "3", "10")
