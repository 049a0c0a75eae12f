"""Cedar rules: statements with their places, ids from `@id`, and what Cedar does not check.

Cedar neither requires ids nor refuses a misspelt annotation or a literal that names nothing; all
three would be rules that silently never fire, so they are errors here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import cedarpy
from cedarpy import pst

from transire.domain.ids import is_id
from transire.errors import BundleError

__all__ = [
    "Rule",
    "actions_of",
    "check_rules",
    "context_reads",
    "lint",
    "read_rules",
    "split_statements",
]

_ANNOTATIONS: Final = frozenset(
    {"id", "reason", "regulation", "owner", "queue", "sla_minutes", "severity"}
)
_WATCHED: Final = frozenset(
    {"dataClasses", "purpose", "user", "subjectRegion", "raisedGuards", "failedGuards"}
)
"""Facts a permit should not read positively: a caller's, detector's or guard's say would then
widen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy statement with its place."""

    file: str
    line: int
    text: str
    node: pst.Template

    @property
    def id(self) -> str:
        """The `@id`."""
        return self.node.id

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"


def split_statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, statement) of a Cedar file; knows strings and `//` comments, nothing else."""
    start, line, start_line, at = None, 1, 1, 0
    while at < len(text):
        char = text[at]
        if text.startswith("//", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        if not char.isspace() and start is None:
            start, start_line = at, line
        if char == '"':
            end = _string_end(text, at)
            line += text.count("\n", at, end)
            at = end
            continue
        if char == "\n":
            line += 1
        at += 1
        if char == ";" and start is not None:
            yield start_line, text[start:at]
            start = None
    if start is not None:
        yield start_line, text[start:]


def _string_end(text: str, at: int) -> int:
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def read_rules(files: Mapping[str, bytes]) -> list[Rule]:
    """Every statement of every `rules/**/*.cedar`, in file order.

    Raises:
        BundleError: with a place for every statement that does not parse or breaks a rule of ids
            and annotations.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    for name, data in sorted(files.items()):
        if not name.startswith("rules/"):
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError:
            problems.append(f"{name}:1: the file is not UTF-8")
            continue
        for line, statement in split_statements(text):
            found = _read(name, line, statement)
            if isinstance(found, str):
                problems.append(f"{name}:{line}: {found}")
            else:
                rules.append(found)
    seen: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in seen:
            problems.append(f"{rule.where}: `{rule.id}` stands at {seen[rule.id].where} already")
        seen.setdefault(rule.id, rule)
    if problems:
        raise BundleError(problems)
    return rules


def _read(name: str, line: int, statement: str) -> Rule | str:
    try:
        parsed = cedarpy.policies_to_pst(statement)
    except ValueError as error:
        return f"does not parse: {' '.join(str(error).split())[:200]}"
    if parsed.templates or len(parsed.static_policies) != 1:
        return "templates are not supported: write one statement per tenant"
    node = next(iter(parsed.static_policies.values()))
    identifier = node.annotations.get("id", "")
    if not is_id(identifier):
        return 'needs an `@id("…")` of the form [a-z0-9][a-z0-9._-]{0,63}'
    if fault := _fault(node):
        return f"`{identifier}`: {fault}"
    return Rule(file=name, line=line, text=statement, node=replace(node, id=identifier))


def _fault(node: pst.Template) -> str | None:
    """What is wrong with a statement that parses, or None."""
    notes = node.annotations
    if unknown := sorted(set(notes) - _ANNOTATIONS):
        return f"unknown annotation {unknown}, known are {sorted(_ANNOTATIONS)}"
    if node.effect == "forbid" and not notes.get("reason"):
        return "a forbid needs a `@reason`"
    if _is_blanket(node):
        return "a permit without any condition would open everything"
    if not re.fullmatch(r"[1-9][0-9]{0,4}", notes.get("sla_minutes", "1")):
        return "`@sla_minutes` is a whole number of minutes"
    return None


def _is_blanket(node: pst.Template) -> bool:
    """A permit that narrows neither principal nor resource, and has no condition but constants."""
    scopes = (node.principal, node.resource)
    is_open = all(isinstance(scope, pst.ScopeAny | pst.ScopeIs) for scope in scopes)
    has_condition = any(not isinstance(c.expr, pst.BoolLit) for c in node.clauses)
    return node.effect == "permit" and is_open and not has_condition


def check_rules(
    rules: list[Rule],
    schema: cedarpy.Schema,
    entity_ids: frozenset[tuple[str, str]],
    queues: frozenset[str],
) -> None:
    """Validate strictly against the schema, and resolve every literal and queue.

    Raises:
        BundleError: with every located problem.
    """
    problems: list[str] = []
    if not any(r.node.effect == "permit" and _routes(r.node) for r in rules):
        problems.append("rules: no rule permits `route`, so nothing could ever be routed")
    joined = "\n".join(rule.text for rule in rules)
    verdict = cedarpy.validate_policies(joined, schema, release_gil=True)
    for error in verdict.errors:
        # INVARIANT: cedarpy numbers policies by position in the text.
        position = error.policy_id.removeprefix("policy")
        rule = rules[int(position)] if position.isdigit() and int(position) < len(rules) else None
        place = f"{rule.where}: `{rule.id}`" if rule else "rules"
        problems.append(f"{place}: {' '.join(error.error.split())}")
    for rule in rules:
        problems += _literals(rule, entity_ids)
        queue = rule.node.annotations.get("queue")
        if queue is not None and queue not in queues:
            problems.append(f"{rule.where}: `{rule.id}`: no queue `{queue}` in the catalog")
    if problems:
        raise BundleError(problems)


def _routes(node: pst.Template) -> bool:
    named = actions_of(node)
    return not named or bool(named & {"route", "dispatch"})


def actions_of(node: pst.Template) -> frozenset[str]:
    """Actions a policy names in its scope; empty means every action."""
    return frozenset(uid.id for uid in pst.entity_uids(node.action))


def _literals(rule: Rule, entity_ids: frozenset[tuple[str, str]]) -> list[str]:
    return [
        f"{rule.where}: `{rule.id}`: `{uid}` does not exist in taxonomy or catalog"
        for uid in sorted(pst.entity_uids(rule.node), key=str)
        if str(uid.type) != "Action" and (str(uid.type), uid.id) not in entity_ids
    ]


def lint(rules: list[Rule]) -> list[str]:
    """Warnings: what a rule does, and its author rarely means.

    Permits, and `unless` clauses of forbids, that read what a caller may assert: dual evaluation
    keeps such a rule from widening anything, but an assertion can then only take the grant away.

    Rules of every action: whose answers are read, or may be given again, is told by the rules that
    name those actions (`receive`, `cache`); one that names none holds for them, and asks for
    nothing. A forbid meant for answers would then wait for another rule to have them read.
    """
    warnings = []
    for rule in rules:
        if not actions_of(rule.node):
            warnings.append(
                f"{rule.where}: `{rule.id}` names no action: it holds for all of them, "
                "and has no answer read for it; name the actions it is about"
            )
        widening = [
            clause
            for clause in rule.node.clauses
            if isinstance(clause, pst.When if rule.node.effect == "permit" else pst.Unless)
        ]
        read = sorted(set(context_reads(widening) or ()) & _WATCHED)
        if read:
            names = ", ".join(f"context.{name}" for name in read)
            warnings.append(f"{rule.where}: `{rule.id}` widens on {names}")
    return warnings


def context_reads(nodes: object) -> frozenset[str] | None:
    """Attributes of `context` the nodes can observe; None where it is used as a whole."""
    reads: set[str] = set()
    is_whole = False

    def walk(node: object) -> None:
        nonlocal is_whole
        if isinstance(node, pst.Var):
            is_whole = is_whole or node.name == "context"
        elif isinstance(node, pst.GetAttr) and node.base == pst.Var("context"):
            reads.add(node.attr)
        elif isinstance(node, pst.HasAttr) and node.base == pst.Var("context"):
            reads.add(node.attrs[0])
        elif isinstance(node, Mapping):
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list | tuple | frozenset):
            for inner in node:
                walk(inner)
        elif hasattr(node, "__dataclass_fields__"):
            for name in node.__dataclass_fields__:
                walk(getattr(node, name))

    walk(nodes)
    return None if is_whole else frozenset(reads)
