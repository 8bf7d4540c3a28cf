"""A live database as the text of its schema: what the server says it has, in the form that the reader of files takes."""

from tollway.audit.live.analyse import judge_live, read_live
from tollway.audit.live.connect import Connection, connect
from tollway.audit.live.read import read, texts

__all__ = ["Connection", "connect", "judge_live", "read", "read_live", "texts"]
