"""YAML as plain data: limits on size, nesting and aliases, no repeated keys, no dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError

from lopore.errors import ConfigError
from lopore.messages import plain

MAX_YAML_BYTES = 1 << 20
MAX_YAML_NODES = 50_000


def load_yaml(path: Path) -> Any:
    """Plain data from a YAML file of at most 1 MiB; aliases count in full towards a limit of 50 000 values.

    Raises ConfigError for a file that is absent, too large, no YAML, or blown up by aliases.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is no regular file; name an existing YAML file")
        size = path.stat().st_size
        if size > MAX_YAML_BYTES:
            raise ConfigError(f"{path} has {size} bytes; a config has at most {MAX_YAML_BYTES}")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); name an existing YAML file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}; save it as UTF-8") from None
    return parse_yaml(text, source=str(path))


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which builds no objects, and stops where merge keys (``<<``) double their pairs."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > MAX_YAML_NODES:
            raise _TooManyValuesError

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """YAML forbids a key that stands twice in one mapping; PyYAML would keep the last without a word."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise ComposerError(None, None, f"key '{plain(key.value, 60)}' stands twice; keep one", key.start_mark)
            seen.update([key.value] if isinstance(key, yaml.ScalarNode) else [])
        return node


class _TooManyValuesError(Exception):
    pass


def parse_yaml(text: str, *, source: str) -> Any:
    """Plain data from YAML; ConfigError in one line that names ``source`` for no YAML and over 50 000 values."""
    try:
        data = yaml.load(text, _PlainLoader)
        if _count_values(data, MAX_YAML_NODES) >= MAX_YAML_NODES:
            raise _TooManyValuesError
    except _TooManyValuesError:
        raise ConfigError(
            f"{source} holds more than {MAX_YAML_NODES} values, aliases counted in full; shorten it"
        ) from None
    except Exception as error:  # a scalar that only looks like a date or number raises what its constructor raises
        raise ConfigError(f"{source} is not valid YAML: {_why_no_yaml(error)}") from None
    return data


def _why_no_yaml(error: Exception) -> str:
    """One line from PyYAML's several; a tab, which a text editor shows as spaces, is called by its name."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        if "'\\t'" in str(error):
            return f"line {line} has a tab where YAML wants spaces; put spaces in its place"
        if error.context is None and error.problem:
            return f"line {line}: {error.problem}"
    return " ".join(str(error).split()).replace(' in "<unicode string>", line', " in line")[:300]


def _count_values(data: Any, limit: int) -> int:
    count, stack = 0, [data]
    while stack and count < limit:
        item = stack.pop()
        count += 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
    return count
