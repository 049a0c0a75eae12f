"""Whether an answer refuses: its own field, its finish reason, or how it begins. Pure.

Only the beginning is read: a refusal is said first, and an answer that speaks of refusing later on
has answered.
"""

from typing import Final

import regex

from transire.domain.answer import AnswerChoice, Completion

__all__ = ["is_refusal", "refuses"]

_HEAD_CHARS: Final = 300
_SHORT_CHARS: Final = 700
"""A longer answer that begins with regret goes on to say something."""

_DO: Final = (
    r"(?:help|assist|comply|fulfill?|do (?:that|this|so)|answer|discuss|provide|support|create|"
    r"generate|engage|continue|participate|write|share|give|offer|produce|process|complete|"
    r"respond|advise|recommend|comment|accommodate|carry out|facilitate|promote|be able to)"
)
_NOT: Final = (
    r"(?:can(?:no|['’]?)t|can not|could(?: not|n['’]?t)|won['’]?t|will not|must decline|"
    r"(?:am|['’]m) (?:not able|unable|not allowed|not permitted|not going) to|"
    r"(?:am|['’]m) not comfortable|do(?: not|n['’]t) feel comfortable|have to decline)"
)
_REFUSING: Final = regex.compile(
    r"^\W{0,4}(?:(?:i['’]?m|i am|we['’]?re|we are) (?:very |really |so |truly |deeply )?sorry\b"
    r"[^!?\n]{0,60}?|sorry\b[^!?\n]{0,40}?|apologies\b[^!?\n]{0,40}?|"
    r"i apologi[sz]e\b[^!?\n]{0,60}?|"
    r"unfortunately\b[^!?\n]{0,60}?|i appreciate\b[^!?\n]{0,80}?|as an ai\b[^!?\n]{0,60}?|"
    r"(?:no|but|while i)\b[^!?\n]{0,60}?)?"
    rf"\b(?:i|we)\b[ ,]{{0,2}}?[^.!?\n]{{0,25}}?{_NOT}"
    rf"\s{{1,3}}(?:[\w'’]{{1,15}}\s){{0,3}}?{_DO}\b"
    r"|^\W{0,4}i must (?:respectfully |politely )?(?:decline|refuse)\b"
    r"|^\W{0,4}i (?:respectfully )?(?:decline|refuse) to\b"
    r"|^\W{0,4}(?:i['’]m |i am )?sorry,? (?:but )?(?:no|that is not something)\b"
    r"|^\W{0,4}(?:your|this|that|the) request (?:violates|goes against|is not allowed)\b"
    r"|^\W{0,4}(?:es tut mir (?:sehr )?leid|leider|tut mir leid)[^.!?\n]{0,60}?"
    r"\b(?:kann|darf|werde|möchte)\b[^.!?\n]{0,60}?\b(?:nicht|keine[nr]?)\b[^.!?\n]{0,60}?"
    r"\b(?:helfen|unterstützen|beantworten|weiterhelfen|bereitstellen|geben|erstellen|machen)\b"
    r"|^\W{0,4}(?:ich kann|ich darf|dabei kann ich)\b[^.!?\n]{0,40}?\bnicht\b[^.!?\n]{0,40}?"
    r"\b(?:helfen|unterstützen|beantworten|weiterhelfen)\b"
    r"|^\W{0,4}(?:(?:je suis )?(?:vraiment |sincèrement )?désolée?|je regrette|malheureusement)?"
    r"[^.!?\n]{0,40}?\bje (?:ne (?:peux|puis|suis)|refuse)\b[^.!?\n]{0,30}?"
    r"\b(?:aider|répondre|fournir|assister|faire cela|créer|en mesure|accéder)\b"
    r"|^\W{0,4}(?:lo siento|lo lamento|disculpa|perdona|lamentablemente)[^.!?\n]{0,40}?"
    r"\bno (?:puedo|podré|me es posible)\b[^.!?\n]{0,40}?"
    r"\b(?:ayudar\w{0,3}|responder|proporcionar\w{0,3}|asistir\w{0,3}|hacer|cumplir|crear)\b"
    r"|^\W{0,4}(?:desculpe|sinto muito|lamento|infelizmente)[^.!?\n]{0,40}?"
    r"\bnão (?:posso|poderei|consigo)\b[^.!?\n]{0,40}?"
    r"\b(?:ajudar|responder|fornecer|fazer|atender|criar|auxiliar)\b"
    r"|^\W{0,4}(?:mi dispiace|purtroppo|spiacente)[^.!?\n]{0,40}?\bnon (?:posso|sono in grado)\b"
    r"[^.!?\n]{0,40}?\b(?:aiutar\w{0,4}|rispondere|fornire|assister\w{0,4}|farlo|creare)\b"
    r"|^\W{0,4}(?:het spijt me|sorry|helaas)[^.!?\n]{0,40}?\b(?:kan|mag)\b[^.!?\n]{0,40}?"
    r"\b(?:niet|geen)\b[^.!?\n]{0,40}?\b(?:helpen|beantwoorden|geven|assisteren)\b"
    r"|^\W{0,4}(?:извините|простите|к сожалению|мне жаль)[^.!?\n]{0,40}?"
    r"\bне (?:могу|смогу|буду)\b[^.!?\n]{0,40}?\b(?:помочь|ответить|предоставить|помогать)"
    r"|^\W{0,4}(?:很?抱歉|对不起|對不起)[^。！？\n]{0,30}?(?:不能|无法|無法|不可以)[^。！？\n]{0,30}"
    r"|^\W{0,4}申し訳(?:ありません|ございません)[^。！？\n]{0,40}?(?:できません|できかねます)",
    regex.IGNORECASE,
)
_TIMEOUT_S: Final = 0.2


def is_refusal(choice: AnswerChoice) -> bool:
    """Whether this choice says no and nothing else.

    Raises:
        TimeoutError: its beginning could not be read in time.
    """
    if choice.refusal or choice.finish_reason == "content_filter":
        return True
    text = (choice.content or "").strip()
    if not text or choice.tool_calls or len(text) > _SHORT_CHARS:
        return False
    return _REFUSING.search(text[:_HEAD_CHARS], timeout=_TIMEOUT_S) is not None


def refuses(answer: Completion) -> bool:
    """Whether some choice of an answer says no and nothing else.

    Raises:
        TimeoutError: as `is_refusal`.
    """
    return any(map(is_refusal, answer.choices))
