"""SQL by name."""

QUERIES = {
    "skip": "select crew.skip_shift(%s)",
    "tidy": """
        -- name: tidy
        select crew.tidy()
    """,
    "reopen": "update crew.shift set state = 'planned' where id = %s",
}


def reopen(conn, shift_id):
    return conn.execute(QUERIES["reopen"], [shift_id])
