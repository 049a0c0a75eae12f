"""What the simulated models say: deterministic, and dependent on the prompt."""

import json
from typing import Any, Final

__all__ = ["WRONG_TYPE", "as_json", "instance", "is_noted", "last_text", "say"]

MISSING_BRACE: Final = "missing_brace"
WRONG_TYPE: Final = "wrong_type"


def say(name: str, prompt: str) -> str:
    """A canned answer that fits the prompt."""
    lower = prompt.lower()
    answers = (
        (("cite", "sources"), "The notice period is thirty days [1]. [1] handbook.pdf, page 12."),
        (("rename",), "Done: every occurrence of `foo` is now `customer_count`."),
        (("translate",), "Vielen Dank für Ihre Bestellung; sie wird morgen versandt."),
        (
            ("refund", "charged twice", "chargeback", "dispute"),
            "I am sorry. I have opened a dispute and the second charge will be returned.",
        ),
        (
            ("blood pressure", "clinical", "efficacy"),
            "In the cited trial the mean systolic pressure fell by 4 mmHg; see the leaflet.",
        ),
        (("opening hours", "password"), "We are open Monday to Friday from nine to six."),
    )
    for words, answer in answers:
        if any(word in lower for word in words):
            return answer
    return f"This is {name}. You said {len(prompt)} characters; here is a short answer."


def as_json(value: Any, mode: str) -> str:
    """A value as the model writes it: well, without its last bracket, or numbers as words."""
    if mode == WRONG_TYPE and isinstance(value, dict):
        value = {name: f"about {item}" for name, item in value.items()}
    text = json.dumps(value)
    return text[:-1] if mode == MISSING_BRACE else text


def is_noted(body: dict[str, Any]) -> bool:
    """Whether the last message says that an earlier answer was not accepted."""
    last = body["messages"][-1]
    return last["role"] == "developer" and "was not accepted" in last["content"]


def last_text(body: dict[str, Any]) -> str:
    """The last user message's text."""
    texts = [m.get("content") for m in body["messages"] if m["role"] == "user"]
    last = texts[-1] if texts else ""
    if isinstance(last, list):
        return " ".join(p.get("text", "") for p in last if p.get("type") == "text")
    return last or ""


def instance(schema: dict[str, Any], prompt: str, definitions: dict[str, Any] | None = None) -> Any:
    """A minimal instance of a JSON Schema, for the shapes that clients' own libraries write.

    Args:
        definitions: `$defs` of the whole schema, for references into them.
    """
    known = definitions or schema.get("$defs", {})
    schema = _followed(schema, known)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][len(prompt) % len(schema["enum"])]
    kind = schema.get("type", "object")
    kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", list(schema.get("properties", {})))
        properties = schema.get("properties", {})
        return {name: instance(properties.get(name, {}), prompt, known) for name in wanted}
    if kind == "array":
        item = instance(schema.get("items", {}), prompt, known)
        return [item] * max(1, schema.get("minItems", 1))
    if kind == "integer":
        return int(max(schema.get("minimum", 1), 1))
    return {"number": 1.5, "boolean": True, "null": None}.get(kind, "text")


def _followed(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What a reference or the first of several alternatives stands for; eight steps at most."""
    for _ in range(8):
        if "$ref" in schema:
            schema = known.get(str(schema["$ref"]).rpartition("/")[2], {})
            continue
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if not choices:
            break
        schema = choices[0]
    return schema
