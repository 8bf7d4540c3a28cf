"""Each format read back by somebody else's reader, with names and files that try to break out of it."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pydot
import pytest
from markdown_it import MarkdownIt

ODD = [
    *("a|b", "a*b_c*d", "<b>bold</b>", "back`tick`", "50%25", "a::b", "a,b=c", "semi;colon", "[link](http://x)", "&amp;", "new\nline"),
    *("~~s~~", "back\\slash", "{brace}", "]]>", "#1;", 'quo"te', "-->", "$x$", "!image", "a@b.org", "\u00e9t\u00e9"),
]
FILES = ["plain.sql", "odd, name=%25|x::y.sql", "sp ace_*und*er.sql", "<i>.sql"]


@pytest.fixture
def odd(shop, run):
    """A shop in which functions of odd names cancel orders, in files of odd names; gives the findings as JSON has them."""
    (shop / "tollway-audit.toml").write_text('[[require]]\neffect = "order_log"\ninsert = "public.order_log"\n')
    for k, name in enumerate(ODD):
        quoted = '"' + name.replace('"', '""') + '"'
        with (shop / "db" / FILES[k % len(FILES)]).open("a") as file:
            file.write(
                f"create function public.{quoted}(p bigint) returns void language sql as $$ update public.orders set status = 'paid' $$;\n"
                f'create function public.{quoted[:-1]} calls"(p bigint) returns void language sql as $$ select public.{quoted}(1) $$;\n'
            )
    return json.loads(run("scan", "db", "--format", "json")[1])["findings"]


def line(text: str) -> str:
    return " ".join(text.split())


def test_markdown_is_one_table_of_plain_text(odd, run):
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(run("scan", "db", "--format", "markdown")[1])
    cells = [t for t in tokens if t.type == "inline" and t.level > 1][4:]
    kinds = {child.type for cell in cells for child in cell.children}
    told = ["".join(child.content for child in cell.children) for cell in cells]

    assert sum(t.type == "table_open" for t in tokens) == 1
    assert kinds <= {"text", "text_special"}
    assert told == [v for f in odd for v in (f["id"], f"{f['file']}:{f['line']}", line(f["message"]), line(f["hint"]))]


def decoded(text: str, *more: tuple[str, str]) -> str:
    """As the runner of GitHub Actions decodes a value; %25 is the last."""
    for code, char in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_github_annotations_are_decoded_to_what_was_found(odd, run):
    out = run("scan", "db", "--format", "github")[1].split("\n")
    told = []
    for command in filter(None, out):
        assert command.startswith("::warning ")
        properties, data = command.removeprefix("::warning ").split("::", 1)
        pairs = dict(pair.split("=", 1) for pair in properties.split(","))
        values = {key: decoded(value, ("%3A", ":"), ("%2C", ",")) for key, value in pairs.items()}
        told.append((values["title"], values["file"], int(values["line"]), decoded(data)))
        assert int(values["col"]) > 0

    assert told == [(f["id"], f["file"], f["line"], f"{f['message']}. {f['hint']}") for f in odd]


def test_junit_is_xml_with_every_message(odd, run):
    suite = ET.fromstring(run("scan", "db", "--format", "junit")[1])
    told = line(" ".join(text for case in suite.iter("failure") for text in ((case.get("message") or ""), case.text or "")))

    assert all(line(f["message"]) in told for f in odd)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dot_is_read_by_another_reader(odd, run):
    asked = json.loads(run("graph", "db", "--format", "json")[1])
    (graph,) = pydot.graph_from_dot_data(run("graph", "db", "--format", "dot")[1])
    labels = [node.get_label() for node in graph.get_nodes()]

    assert len(labels) == len(asked["nodes"])
    assert len(graph.get_edges()) == len(asked["edges"])
    for node in asked["nodes"]:
        first = line(node["id"]).replace("\\", "\\\\").replace('"', '\\"')
        assert any(label.strip('"').split("\\n")[0] == first for label in labels), node["id"]


def test_mermaid_gives_back_every_name(odd, run):
    """Mermaid's own parser needs a browser's page: here its entities are decoded, and what is left must be plain characters."""
    asked = json.loads(run("graph", "db", "--format", "json")[1])
    labels = re.findall(r'^  n\d+[\[({]+"([^"]*)"', run("graph", "db")[1], re.M)
    names = {re.sub(r"#(\d+);", lambda m: chr(int(m[1])), label.split("<br/>")[0]) for label in labels}

    assert names == {line(node["id"]) for node in asked["nodes"]}
    assert all(re.fullmatch(r"(?:[\w .:/()*,-]|#\d+;|<br/>)*", label) for label in labels)
