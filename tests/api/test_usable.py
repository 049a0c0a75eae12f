"""Usable by default: a hundred harmless prompts through the starter pack.

At least 95 get an answer from any application; all 100 get one where the on-premise deployment is
in the tenant's fleet.
"""

import base64
from typing import Any

from tests.api.conftest import World

SHORT = [
    "hello",
    "hi",
    "LGTM",
    "thanks!",
    "ok",
    "why?",
    "2+2",
    "what time is it in Tokyo?",
    "tell me a joke",
    "write a haiku about rain",
    "capital of France?",
    "define entropy",
    "Who wrote Faust?",
    "convert 5 miles to km",
    "give me three names for a cat",
    "how do I boil an egg?",
    "best way to learn chess",
    "explain recursion to a child",
    "summarise Hamlet in one line",
    "is a tomato a fruit?",
    "plan a weekend in Lisbon",
    "what does HTTP 418 mean?",
    "draft a thank-you note to a colleague",
    "name five rivers",
    "what is the plural of octopus?",
    "explain the offside rule",
    "suggest a lunch recipe",
]
CODE = [
    "def add(a, b):\n    return a + b\n# write a unit test",
    "Rename the variable x to total: for x in items: print(x)",
    "SELECT name, count(*) FROM orders GROUP BY name; -- what does this do?",
    "git rebase -i HEAD~3 explained",
    "TypeError: 'NoneType' object is not subscriptable in line 12, why?",
    "const f = async (url) => (await fetch(url)).json(); // convert to TypeScript",
    "Write a regex that matches ISO dates like 2026-11-25",
    '#!/bin/bash\nset -euo pipefail\nfor f in *.txt; do wc -l "$f"; done',
    "docker run -p 8080:80 nginx:1.27 what do the flags do?",
    "kubectl get pods -n kube-system -o wide",
    "const uuid = '123e4567-e89b-12d3-a456-426614174000'; is this a valid UUID?",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 of what?",
    'fn main() { println!("{}", 42); } // translate this program to Go',
    "What is the difference between a mutex and a semaphore?",
    "import os; token = os.environ['API_TOKEN']  # is this how one reads it?",
    "password = getpass.getpass()  # why is this better than input()?",
    "version 3.11.7 or 3.12.1, which one for numpy 2.4.6?",
    '<div class="card"><p>Hello</p></div> center this with flexbox',
]
LANGUAGES = [
    "Wie spät ist es in Berlin, und wann fährt der nächste Zug nach Hamburg?",
    "Erkläre mir den Unterschied zwischen Akkusativ und Dativ.",
    "Quelle est la recette de la ratatouille ?",
    "Explique-moi la photosynthèse simplement.",
    "¿Cuál es la capital de Perú?",
    "Escribe un poema corto sobre el mar.",
    "Come si prepara un buon espresso?",
    "Raccontami la storia di Roma in breve.",
    "Wat is het verschil tussen de en het?",
    "Hoe maak ik een fietsband weer heel?",
    "Jak ugotować pierogi?",
    "Opowiedz mi krótko o Chopinie.",
    "Qual é a diferença entre ser e estar?",
    "Como funciona um motor elétrico?",
    "Vad är skillnaden mellan en älg och en ren?",
    "Hur kokar man kaffe?",
    "日本の首都はどこですか？",
    "俳句を一つ書いてください。",
    "请用一句话解释量子力学。",
    "北京今天适合去哪里散步？",
    "Kde pramení Vltava a jak je dlouhá?",
    "Mikä on Suomen korkein tunturi?",
    "Привет! Как дела? Расскажи анекдот.",
    "ما هي عاصمة مصر؟",
]
ODD = [
    "🎉🎂 write a birthday message with emoji 🥳",
    "¯\\_(ツ)_/¯",
    "😀😀😀 what mood is this?",
    "a" * 300,
    "-" * 200,
    "1, 1, 2, 3, 5, 8, 13, 21, what comes next?",
    "???",
    "…",
    "| a | b |\n|---|---|\n| 1 | 2 |\nadd a column",
    '{"a": [1, 2, 3]} pretty-print this',
    '<xml><item id="7"/></xml> to JSON please',
    "E=mc² and √2 ≈ 1.41421356237",
    "https://example.com/docs?page=2 what is a query string?",
    "The year 1984 versus 2026",
    "3,141,592,653 in words",
    "room 101 at 10:30 on 2026-11-25",
    "ISBN 978-3-16-148410-0?",
    "top 10 songs of 1999",
    "Table of contents ........................ 12",
    "Mr. Holmes and Dr. Watson: who narrates?",
    "Angela Merkel's years in office?",
    "meeting at 14:00 in room B2, agenda: budget 2027",
]
LONG = [
    "Summarise: " + "The river bends where the old mill stands, and the road follows it. " * 800,
    "Review this code:\n" + "def f(n):\n    return n * 2  # doubles its argument\n" * 2_000,
    "Übersetze: " + "Der Herbst kam früh in diesem Jahr, und die Blätter fielen schnell. " * 1_500,
    "Data:\n" + "\n".join(f"row {i}, value {i * 7 % 101}, ok" for i in range(6_000)),
    "Log:\n" + "2026-11-25 09:00:00 INFO worker started job and finished it\n" * 3_000,
]
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 60).decode()
IMAGE: list[dict[str, Any]] = [
    {"type": "text", "text": "what is in this picture?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
]
MORE = [
    "Translate 'good morning' into Japanese.",
    "Write an agenda for a team meeting.",
    "What makes bread rise?",
]


def _prompts() -> list[Any]:
    return [*SHORT, *CODE, *LANGUAGES, *ODD, *LONG, *MORE, IMAGE]


def _refused(world: World, application: str) -> list[tuple[str, str]]:
    refused = []
    for prompt in _prompts():
        body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
        reply = world.post("/v1/chat/completions", body, application)
        if reply.status_code != 200:
            shown = prompt[:40] if isinstance(prompt, str) else "(image)"
            refused.append((shown, reply.json()["error"]["message"]))
    return refused


def test_there_are_a_hundred_prompts_five_of_them_long() -> None:
    assert len(_prompts()) == 100
    assert all(50_000 <= len(text.encode()) <= 200_000 for text in LONG)


def test_a_hundred_harmless_prompts_get_an_answer_where_there_is_an_on_premise_deployment(
    world: World,
) -> None:
    assert _refused(world, "support-triage") == []


def test_at_least_ninety_five_get_one_without_premium_entitlement_too(world: World) -> None:
    refused = _refused(world, "sandbox")

    assert len(refused) <= 5, refused
