"""Our expiration rules in the lifecycle configuration of a bucket at Google, which has a form of its own.

Source: Cloud Storage, "Set Bucket Lifecycle" of the XML API, and "Object Lifecycle Management": a rule is an
action and its conditions, all of which must hold. It has neither ID nor status. So ours are recognised by a
condition that always holds and that nobody else writes (``MARK``), and one that is not wanted is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from s3_sync.providers.s3.rule_xml import (
    child,
    children,
    get_or_add,
    local,
    named,
    parsed_rules,
    set_text,
    text,
)

#: value of CreatedBefore
MARK = "2199-12-31"


def edit_google(document: bytes | None, prefixes: Sequence[str], days: int) -> bytes | None:
    """As ``lifecycle.edit``, for Google's form; with ``days`` 0 our rules are removed."""
    parsed = parsed_rules(document)
    root = parsed.documentElement
    changed = False
    for prefix in prefixes:
        ours = [rule for rule in children(root, "Rule") if _is_for(rule, prefix)]
        if not ours and days:
            ours = [root.appendChild(_new_rule(parsed, root, prefix))]
        for rule in ours:
            changed = _set_days(parsed, root, rule, days) or changed
    return bytes(parsed.toxml(encoding="UTF-8")) if changed else None


def _is_for(rule: Any, prefix: str) -> bool:
    """Whether the rule is ours, and for exactly this prefix: with a condition more or less, it is not."""
    action, condition = child(rule, "Action"), child(rule, "Condition")
    if action is None or condition is None or _elements(action) != ["Delete"]:
        return False
    names = ["Age", "CreatedBefore", *(["MatchesPrefix"] if prefix else [])]
    return (
        sorted(_elements(condition)) == names
        and text(child(condition, "CreatedBefore")) == MARK
        and (not prefix or text(child(condition, "MatchesPrefix")) == prefix)
    )


def _elements(node: Any) -> list[str]:
    return [name for each in node.childNodes if (name := local(each))]


def _new_rule(parsed: Any, root: Any, prefix: str) -> Any:
    """A rule without its age. An empty prefix is for all objects, which have no condition then."""
    rule = parsed.createElement(named(root, "Rule"))
    get_or_add(parsed, get_or_add(parsed, rule, "Action"), "Delete")
    condition = get_or_add(parsed, rule, "Condition")
    set_text(parsed, get_or_add(parsed, condition, "CreatedBefore"), MARK)
    if prefix:
        set_text(parsed, get_or_add(parsed, condition, "MatchesPrefix"), prefix)
    return rule


def _set_days(parsed: Any, root: Any, rule: Any, days: int) -> bool:
    """Returns whether anything changed."""
    if not days:
        root.removeChild(rule)
        return True
    return set_text(parsed, get_or_add(parsed, child(rule, "Condition"), "Age"), str(days))
