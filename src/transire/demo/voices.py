"""What the simulated models say: by the model and by the words it is given, the same every time.

Small models have habits that real ones have, so that there is something to repair, to ask for
again and to escalate. Nothing here knows what the demo wants to show:

    complaints about money   it sends the customer to somebody else
    brackets in the text     it loses count, and forgets the last one of its own JSON
    numbers in words         where the text or the system prompt has them, it writes them into JSON
                             too, until it is told that an answer was not accepted
    Polish                   it does not know it, and stays in English

Only grounded models name sources, whoever asks.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "MISSING_BRACE",
    "WRONG_TYPE",
    "Model",
    "as_json",
    "instance",
    "is_noted",
    "last_text",
    "mode_of",
    "say",
]

MISSING_BRACE: Final = "missing_brace"
WRONG_TYPE: Final = "wrong_type"

_BRACKET: Final = re.compile(r"[{}\[\]]")
_NUMBER_WORDS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMBER: Final = re.compile(rf"\b({'|'.join(_NUMBER_WORDS)})\b")
_IN_WORDS: Final = "numbers in words"
_COMPLAINT: Final = ("refund", "charged twice", "chargeback", "dispute")
_TRANSLATION: Final = re.compile(r"\b(?:translate|übersetze|traduis|traduce)\b", re.IGNORECASE)

_THANKS: Final = {
    "english": "Thank you for your order; it ships tomorrow and arrives on the day after.",
    "german": "Vielen Dank für Ihre Bestellung; sie wird morgen versandt.",
    "french": "Merci beaucoup pour votre commande ; elle sera expédiée demain matin.",
    "spanish": "Muchas gracias por su pedido; se enviará mañana por la mañana.",
    "italian": "Grazie mille per il suo ordine; verrà spedito domani mattina.",
    "portuguese": "Muito obrigado pelo seu pedido; ele será enviado amanhã de manhã.",
    "dutch": "Hartelijk dank voor uw bestelling; deze wordt morgen naar u verzonden.",
    "polish": "Dziękujemy bardzo za złożone zamówienie; zostanie ono wysłane jutro rano.",
}
_SOMETHING: Final = {
    "english": "Here is your text in English, as well as a simulated model can put it.",
    "german": "Hier ist Ihr Text auf Deutsch, so gut ein simuliertes Modell es eben kann.",
    "french": "Voici votre texte en français, aussi bien qu'un modèle simulé peut le faire.",
    "spanish": "Aquí está su texto en español, tan bien como puede un modelo simulado.",
    "italian": "Ecco il suo testo in italiano, per quanto possa fare un modello simulato.",
    "portuguese": "Aqui está o seu texto em português, tão bem quanto um modelo simulado consegue.",
    "dutch": "Hier is uw tekst in het Nederlands, zo goed als een gesimuleerd model het kan.",
    "polish": "Oto Państwa tekst po polsku, na tyle dobrze, na ile potrafi symulowany model.",
}
_TITLE_CHARS: Final = 60
_UNKNOWN_TO_SMALL: Final = frozenset({"polish"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One simulated model.

    Attributes:
        first_ms, word_ms: Milliseconds to the first token, and for every further word.
        is_small: It has the habits that this module lists.
        is_grounded: It names the sources of what it says.
    """

    first_ms: int
    word_ms: int
    is_small: bool = False
    is_grounded: bool = False


def say(name: str, model: Model, prompt: str) -> str:
    """What a model answers in words."""
    lower = prompt.lower()
    if _TRANSLATION.search(prompt):
        return _translated(model, lower)
    if any(word in lower for word in _COMPLAINT):
        if model.is_small:
            return "Thanks for getting in touch! You can contact our service team on any weekday."
        return "I am sorry. I have opened a dispute and the second charge will be returned."
    if "cite" in lower or "sources" in lower:
        notice = "The notice period is thirty days"
        return f"{notice} [1]. [1] handbook.pdf, page 12." if model.is_grounded else f"{notice}."
    for words, answer in (
        (("rename",), "Done: every occurrence of `foo` is now `customer_count`."),
        (
            ("blood pressure", "clinical", "efficacy"),
            "In the cited trial the mean systolic pressure fell by 4 mmHg; see the leaflet.",
        ),
        (("opening hours", "password"), "We are open Monday to Friday from nine to six."),
    ):
        if any(word in lower for word in words):
            return answer
    return f"This is {name}. You said {len(prompt)} characters; here is a short answer."


def _translated(model: Model, lower: str) -> str:
    asked = next((language for language in _THANKS if language in lower), "german")
    if model.is_small and asked in _UNKNOWN_TO_SMALL:
        asked = "english"
    return (_THANKS if "order" in lower else _SOMETHING)[asked]


def mode_of(model: Model, body: dict[str, Any]) -> str:
    """How a model writes JSON for this request: well (`ok`), or by a habit of small ones."""
    if not model.is_small:
        return "ok"
    prompt = last_text(body)
    told = " ".join(str(m["content"]) for m in body["messages"] if m["role"] == "system")
    if _NUMBER.search(prompt) or _IN_WORDS in told:
        return "ok" if is_noted(body) else WRONG_TYPE
    return MISSING_BRACE if _BRACKET.search(prompt) else "ok"


def as_json(value: Any, mode: str) -> str:
    """A value as the model writes it: well, without its last bracket, or with numbers in words."""
    if mode == WRONG_TYPE:
        value = _in_words(value)
    text = json.dumps(value)
    return text[:-1] if mode == MISSING_BRACE else text


def _in_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_words(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_words(item) for item in value]
    if isinstance(value, bool | None | str):
        return value
    return _NUMBER_WORDS[(int(value) - 1) % len(_NUMBER_WORDS)]


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
        made = {name: instance(properties.get(name, {}), prompt, known) for name in wanted}
        return {**made, "title": _title(prompt)} if made.get("title") == "text" else made
    if kind == "array":
        item = instance(schema.get("items", {}), prompt, known)
        return [item] * max(1, schema.get("minItems", 1))
    if kind == "integer":
        return int(max(schema.get("minimum", 1), 1))
    return {"number": 1.5, "boolean": True, "null": None}.get(kind, "text")


def _title(prompt: str) -> str:
    return prompt.rpartition(":")[2].strip(" .")[:_TITLE_CHARS]


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
