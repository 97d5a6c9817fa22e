"""A scenario as YAML, with the line of every key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from infra.lab.scenario.model import Where
from infra.lab.scenario.source import Source, refused, text_of

DATE = "tag:yaml.org,2002:timestamp"


def read_yaml(file: Path) -> Source:
    """Read a file.

    Raises:
        UserError: it is no YAML, says a key twice, or has anchors; with the line.
    """
    text = text_of(file)
    try:
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
                raise refused(file, token.start_mark.line + 1, "anchors and aliases are not read here; write it out")
        node = yaml.compose(text, yaml.SafeLoader)
        lines = dict(_lines(file, node, ())) if node else {}
        return Source(file, yaml.safe_load(text), lines)
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        raise refused(file, mark.line + 1 if mark else 1, f"this is no YAML ({broken.problem})") from broken
    except ReaderError as broken:
        line = text.count("\n", 0, broken.position) + 1
        raise refused(file, line, f"this is no YAML ({broken.reason})") from broken
    except (ValueError, RecursionError) as broken:  # a number that is none, too deep
        raise refused(file, 1, f"this is no YAML ({broken})") from broken


def _lines(file: Path, node: yaml.Node, where: Where) -> Iterator[tuple[Where, int]]:
    """Each path with its line: of a key where it has one, else of the item itself."""
    if not where:
        yield where, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise refused(file, key.start_mark.line + 1, "a key is a word, no list and no mapping")
            if key.value in seen:
                raise refused(file, key.start_mark.line + 1, f"the key '{key.value}' stands here for the second time")
            seen.add(key.value)
            yield (*where, key.value), key.start_mark.line + 1
            yield from _lines(file, value, (*where, key.value))
    elif node.tag == DATE:
        raise refused(file, node.start_mark.line + 1, "nothing in a scenario is a date; put quotes around it")
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*where, number), item.start_mark.line + 1
            yield from _lines(file, item, (*where, number))
