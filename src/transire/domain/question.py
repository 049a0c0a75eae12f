"""What a request asks, as far as its words tell. Pure."""

from transire.domain.request import Body

__all__ = ["last_user_text"]


def last_user_text(body: Body) -> str:
    """The text of the last message with role `user`; its parts in order, one to a line."""
    index, texts = -1, list[str]()
    for part in body.parts:
        if part.role != "user" or len(part.pointer) < 2 or part.pointer[0] != "messages":
            continue
        at = part.pointer[1]
        if isinstance(at, int) and at > index:
            index, texts = at, []
        texts.append(part.text)
    return "\n".join(texts)
