"""Bytes inside a request: which spellings carry nothing but bytes, and what they are called.

A data URL (RFC 2397) has room for words: parameters, a media type of the sender's own making, and
text instead of base64. Only a spelling that has none of these is left unread; any other one is
read as text *and* counts as bytes.
"""

import re
from typing import Final

__all__ = ["AUDIO_FORMATS", "is_bare", "is_base64", "media_type"]

AUDIO_FORMATS: Final = (
    *("wav", "mp3", "flac", "opus", "pcm16", "aac", "m4a", "mp4", "mpeg", "mpga", "ogg", "webm"),
)
"""What `input_audio.format` may be: OpenAI's two, and those other servers of the same API take."""

_IMAGES: Final = frozenset(
    f"image/{kind}"
    for kind in ("png", "jpeg", "jpg", "gif", "webp", "bmp", "tiff", "svg+xml", "avif", "heic")
)
_FILES: Final = frozenset(
    {"application/pdf", "application/json", "application/octet-stream", "application/zip"}
    | {"application/xml", "application/rtf", "application/msword", "application/vnd.ms-excel"}
    | {
        f"application/vnd.openxmlformats-officedocument.{kind}"
        for kind in ("wordprocessingml.document", "spreadsheetml.sheet")
    }
    | {"application/vnd.openxmlformats-officedocument.presentationml.presentation"}
    | {f"text/{kind}" for kind in ("plain", "csv", "markdown", "html", "xml", "javascript")}
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}", re.ASCII)
_HEAD: Final = re.compile(r"data:([a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80})(;base64)?,", re.ASCII)
_DATA_URL: Final = re.compile(r"data:([a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80})(?:;[^,]{0,200})?,")


def media_type(url: str) -> str | None:
    """The media type a data URL says it is; None for what is no data URL."""
    match = _DATA_URL.match(url)
    return None if match is None else match[1]


def is_base64(text: str) -> bool:
    """Base64 or base64url (RFC 4648 §4, §5) without blanks."""
    return _BASE64.fullmatch(text) is not None


def is_bare(url: str) -> bool:
    """A data URL of a known type that holds base64 and nothing else: there is nothing to read."""
    head = _HEAD.match(url)
    if head is None or head[2] is None or head[1] not in _IMAGES | _FILES:
        return False
    return _BASE64.fullmatch(url, head.end()) is not None
