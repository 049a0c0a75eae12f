"""The unmodified OpenAI SDK against the real server: what an app developer meets."""

import json

import openai
import pytest
from tests.api.conftest import World

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "get_time",
            "parameters": {
                "type": "object",
                "properties": {"zone": {"type": "string"}},
                "required": ["zone"],
            },
        },
    },
]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "ticket",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "priority": {"type": "integer"}},
            "required": ["title", "priority"],
            "additionalProperties": False,
        },
    },
}


def _say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_completion_comes_back_under_the_name_that_was_asked_for(world: World) -> None:
    answer = world.client().chat.completions.create(model="auto", messages=_say("hello there"))  # type: ignore[arg-type]

    assert answer.model == "auto"
    assert answer.id.startswith("chatcmpl-dec_")
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


def test_a_stream_arrives_in_pieces_and_ends_cleanly(world: World) -> None:
    stream = world.client().chat.completions.create(
        model="auto",
        messages=_say("hello there"),
        stream=True,  # type: ignore[arg-type]
    )
    chunks = list(stream)

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert len(chunks) > 3
    assert text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(c.usage is None for c in chunks)


def test_usage_comes_in_a_stream_only_where_asked_for(world: World) -> None:
    stream = world.client().chat.completions.create(
        model="auto",
        messages=_say("hello there"),  # type: ignore[arg-type]
        stream=True,
        stream_options={"include_usage": True},
    )
    last = list(stream)[-1]

    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_tool_calls_stay_intact(world: World, stream: bool) -> None:
    client = world.client()
    messages = _say("weather in Bonn and the time there, in parallel")
    if stream:
        calls: dict[int, dict[str, str]] = {}
        for chunk in client.chat.completions.create(
            model="auto",
            messages=messages,
            tools=TOOLS,
            stream=True,  # type: ignore[call-overload]
        ):
            for call in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
                known = calls.setdefault(call.index, {"name": "", "arguments": ""})
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
        found = {c["name"]: json.loads(c["arguments"]) for c in calls.values()}
    else:
        answer = client.chat.completions.create(model="auto", messages=messages, tools=TOOLS)  # type: ignore[call-overload]
        found = {
            c.function.name: json.loads(c.function.arguments)
            for c in answer.choices[0].message.tool_calls
        }

    assert found == {"get_weather": {"city": "text"}, "get_time": {"zone": "text"}}


def test_a_conversation_with_tool_results_goes_on(world: World) -> None:
    client = world.client()
    first = client.chat.completions.create(
        model="auto",
        messages=_say("weather in Bonn"),
        tools=TOOLS,  # type: ignore[call-overload]
    )
    call = first.choices[0].message.tool_calls[0]
    second = client.chat.completions.create(
        model="auto",
        tools=TOOLS,  # type: ignore[arg-type]
        messages=[
            {"role": "user", "content": "weather in Bonn"},
            first.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "rain"},
        ],
    )

    assert second.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_keeps_its_json_schema(world: World, stream: bool) -> None:
    client = world.client()
    messages = _say("make a ticket")
    if stream:
        pieces = client.chat.completions.create(
            model="auto",
            messages=messages,
            response_format=SCHEMA,
            stream=True,  # type: ignore[call-overload]
        )
        text = "".join(c.choices[0].delta.content or "" for c in pieces if c.choices)
    else:
        answer = client.chat.completions.create(
            model="auto",
            messages=messages,
            response_format=SCHEMA,  # type: ignore[call-overload]
        )
        text = answer.choices[0].message.content

    assert set(json.loads(text)) == {"title", "priority"}


def test_the_extension_object_narrows(world: World) -> None:
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto",
        messages=_say("hello there"),  # type: ignore[arg-type]
        extra_body={"transire": {"jurisdictions": ["FR"]}},
    )

    assert raw.headers["x-transire-deployment"] == "eu-premium"
    assert raw.headers["x-transire-region"] == "FR"


def test_every_answer_says_how_it_was_routed(world: World) -> None:
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto",
        messages=_say("hello there"),  # type: ignore[arg-type]
    )

    for name in ("decision-id", "bundle", "deployment", "region", "attempts", "overhead-ms"):
        assert raw.headers[f"x-transire-{name}"]
    for name in ("cost-micro-usd", "tokens-in", "tokens-out", "receipt"):
        assert raw.headers[f"x-transire-{name}"]


def test_n_choices_come_back_apart(world: World) -> None:
    answer = world.client().chat.completions.create(
        model="auto",
        messages=_say("hello there"),
        n=2,  # type: ignore[arg-type]
    )

    assert [0, 1] == [c.index for c in answer.choices]


def test_models_lists_what_this_key_can_reach(world: World) -> None:
    own = {m.id for m in world.client("support-triage").models.list()}
    sales = {m.id for m in world.client("sandbox").models.list()}

    assert {"auto", "eu-premium", "gale-200b", "strong"} <= own
    assert "eu-economy" in sales
    assert "eu-premium" not in sales
    assert "strong" not in sales


@pytest.mark.parametrize("is_stream", [False, True])
def test_who_offers_functions_finds_the_call_where_they_look(
    world: World, *, is_stream: bool
) -> None:
    function = TOOLS[0]["function"]
    made = world.client().chat.completions.create(  # type: ignore[call-overload]
        model="auto", messages=_say("weather in Oslo"), functions=[function], stream=is_stream
    )
    if is_stream:
        choices = [c for chunk in made for c in chunk.choices]
        named = [c.delta.function_call.name for c in choices if c.delta.function_call]
        ended = choices[-1].finish_reason
    else:
        named = [made.choices[0].message.function_call.name]
        ended = made.choices[0].finish_reason

    assert "get_weather" in named
    assert ended == "function_call"


class TestErrors:
    def test_a_wrong_key_is_401(self, world: World) -> None:
        client = world.client(api_key="tsk_wrong", max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="auto", messages=_say("hi"))  # type: ignore[arg-type]

    def test_credentials_go_to_nobody(self, world: World) -> None:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            world.client().chat.completions.create(
                model="auto",
                messages=_say("key AKIA2E4Q7RT3XYZWUVKL please"),  # type: ignore[arg-type]
            )

        assert caught.value.code == "policy_denied"
        assert caught.value.body["decision_id"].startswith("dec_")  # type: ignore[index]
        assert "AKIA" not in str(caught.value)
        assert world.all_received() == 0

    def test_an_unknown_model_is_404_with_near_names(self, world: World) -> None:
        with pytest.raises(openai.NotFoundError, match="gale-200b"):
            world.client().chat.completions.create(model="gale-200", messages=_say("hi"))  # type: ignore[arg-type]

    def test_what_is_not_built_says_what_is(self, world: World) -> None:
        with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
            world.client().responses.create(model="auto", input="hi")
        with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
            world.client().embeddings.create(model="auto", input="hi")

    def test_too_large_a_body_is_413(self, world: World) -> None:
        with pytest.raises(openai.APIStatusError) as caught:
            world.client(max_retries=0).chat.completions.create(
                model="auto",
                messages=_say("x" * 10_000_000),  # type: ignore[arg-type]
            )

        assert caught.value.status_code == 413

    def test_an_answer_that_never_keeps_its_contract_is_422(self, world: World) -> None:
        for name in world.fleet:
            world.behave(name, "wrong_tool")
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            world.client().chat.completions.create(
                model="auto",
                messages=_say("weather in Bonn"),
                tools=TOOLS,  # type: ignore[call-overload]
            )

        assert caught.value.code == "contract_violated"
        assert world.all_received() == 3

    def test_failing_upstreams_cost_one_attempt_budget_in_spite_of_the_sdks_retries(
        self, world: World
    ) -> None:
        for name in world.fleet:
            world.behave(name, "error_400")
        with pytest.raises(openai.APIStatusError) as caught:
            world.client(max_retries=5).chat.completions.create(
                model="auto",
                messages=_say("hello there"),  # type: ignore[arg-type]
            )

        assert caught.value.status_code == 502
        assert world.all_received() == 3

    def test_a_held_request_is_403_with_a_review_id(self, world: World) -> None:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            world.client("sales").chat.completions.create(
                model="auto",
                messages=_say("claim: it lowers blood pressure"),  # type: ignore[arg-type]
            )

        assert caught.value.code == "review_required"
        assert caught.value.body["review_id"].startswith("rev_")  # type: ignore[index]
        assert world.all_received() == 0
