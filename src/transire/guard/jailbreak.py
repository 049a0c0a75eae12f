"""Jailbreaks: text that talks a model out of its own restraint. Pure; see `injection`."""

from typing import Final

from transire.domain.guarding import Guard
from transire.guard.phrase import Phrase, PhraseGuard

__all__ = ["jailbreak_guards"]

_NAME: Final = Guard("jailbreak")

_UNBOUND: Final = (
    r"\b(?:unfiltered|uncensored|unrestricted|amoral|unethical|jailbroken|"
    r"(?:without|no|free (?:of|from)|not bound by|has no|have no|ignores?|any) (?:any |all )?"
    r"(?:ethical|moral|content|safety|legal or ethical|ethics|censorship|openai['’]?s?)"
    r"(?:,? (?:or|and) \w{1,15})? ?(?:guidelines|restrictions?|limits|limitations|filters?|"
    r"filtering|rules|constraints|boundaries|polic(?:y|ies)|restraints?|principles)?|"
    r"without (?:any )?(?:restrictions?|filters?|censorship|limitations) (?:whatsoever|at all|on "
    r"what)|(?:no|without) (?:restrictions?|limits|filters?) on (?:what you|your)|do anything now)"
)

_PHRASES: Final = (
    Phrase(
        r"\bdo anything now\b|\bDAN (?:mode|jailbreak|\d{1,2}\.\d)\b|\b(?:as|being|are(?: now)?|be) DAN\b"
        r"(?=[ ,.!\"']|$)(?! [A-Z])|\balways intelligent and machiavellian\b|\bjailbreak mode\b|"
        r"\bopposite mode\b|\bevil (?:confidant|mode|bot|twin mode)\b",
        hints=("do anything now", "dan", "machiavellian", "jailbreak mode", "opposite mode",
               "evil "),
    ),
    Phrase(
        r"\b(?:you(?: are|['’]re| will| must| can)|act(?:ing)? (?:as|like)|pretend|"
        r"respond (?:as|like|without)|answer (?:as|like|without)|role-?play|imagine (?:that )?you|"
        r"behave|simulate|be an? |stay in character|become|impersonate)\b",
        (_UNBOUND, r"\b(?:ai|assistant|model|chatbot|bot|persona|character|gpt|you|your|respond|"
                   r"answer|anything|mode)\b|\G"),
        r"\b(?:access|internet|wi-?fi|downloads?|license|shares?|stock|beer|water|coffee|honey) "
        r"(?:is|are)? ?(?:un(?:filtered|restricted))|unrestricted (?:access|net|shares?|turnout)",
        ("unfilter", "uncensor", "unrestrict", "amoral", "unethic", "jailbroken", "ethic", "moral",
         "content", "safety", "censorship", "openai", "restriction", "limit", "filter",
         "do anything"),
    ),
    Phrase(
        r"\b(?:bypass|ignore|disregard|disable|turn off|switch off|remove|circumvent|drop|deactivate|evade|suspend|"
        r"lift)\b",
        (r"\G\s(?:all |any )?(?:of )?(?:your|openai['’]?s|anthropic['’]?s|the (?:ai|model|chatbot|"
         r"llm|assistant)['’]?s?) (?:own )?(?:\w{1,12} )?(?:safety|content|ethical|moral|safeguards|"
         r"guardrails|censorship|filters?|restrictions?|restraints)\b",),
        r"\b(?:phone|browser|router|camera|e-?mail|spam|water|oil|air) ",
        ("safety", "content", "ethical", "moral", "safeguard", "guardrail", "censorship", "filter",
         "restriction", "restraint"),
    ),
    Phrase(
        r"\byou (?:must |will |should |can |may |shall |are |do )?(?:never|not|cannot|can['’]?t)"
        r"(?: allowed to| able to| permitted to)?\b",
        (r"\G\s(?:ever )?(?:(?:refuse|decline|reject)(?: to (?:answer|help|respond|do|comply)| me"
         r"| (?:any|a|my|the|user)[\w ]{0,12}(?:requests?|questions?|orders?|prompts?|tasks?|"
         r"instructions?)|(?=\s{0,2}(?:[.,!]|$)))|say (?:no|that you can['’]?t|you can['’]?t)|"
         r"break character|censor|moralize|moralise|give (?:me )?(?:any )?(?:warnings|disclaimers))"
         r"\b",),
        r"\b(?:offer|invitation|payment|customers?|landlord|employer|cookies)\b",
        ("refuse", "decline", "reject", "say ", "character", "censor", "morali", "warnings",
         "disclaimers"),
    ),
    Phrase(
        r"\b(?:(?:start|begin) (?:your|the|every) (?:answer|reply|response|message|output)s? (?:with|"
        r"by saying))\b",
        (r"\b(?:sure|absolutely|of course|certainly|yes)\b[^.!?\n]{0,20}?(?:here|i can|i will|let)",),
        hints=("start your", "start the", "start every", "begin your", "begin the", "begin every"),
    ),
    Phrase(
        r"\bdeveloper mode\b",
        (r"\b(?:enabled|output|activated|on)\b",),
        r"\b(?:android|phone|chrome|ios|ipad|iphone|xcode|settings|usb|device|quest|tablet|windows|chromebook|"
        r"extension|build number)\b",
        ("developer mode",),
    ),
    Phrase(
        r"\b(?:du bist|tu so|verhalte dich|agiere|antworte|spiel(?:e)?|stell dir vor)\b",
        (r"\b(?:ohne (?:jegliche |jede |alle )?(?:einschränkung(?:en)?|zensur|filter|moralische\w?|"
         r"ethische\w?|sicherheits\w{1,20})|unzensierte?[rs]?|ungefilterte?[rs]?|keine (?:"
         r"ethischen|moralischen|einschränkungen|filter))",),
        r"\bungefilterte[rsn]? (?:wasser|bier|kaffee|honig)",
        ("ohne", "unzensiert", "ungefiltert", "keine"),
    ),
    Phrase(
        r"\b(?:tu es|vous êtes|fais comme si|agis|comporte-toi|joue le rôle|réponds|imagine)\b",
        (r"\b(?:sans (?:aucune? |la moindre )?(?:restrictions?|filtres?|censure|limites? (?:"
         r"éthiques?|morales?)|règles? (?:éthiques?|morales?)|éthique)|non censurée?)",),
        hints=("sans", "non censur"),
    ),
    Phrase(
        r"\b(?:eres|actúa|finge|compórtate|responde|imagina)\b",
        (r"\bsin (?:ning[uú]na? |ningún )?(?:restricci(?:ones|ón)|filtros?|censura|límites? (?:"
         r"éticos?|morales?)|reglas? (?:éticas?|morales?)|ética)",),
        hints=("sin ",),
    ),
    Phrase(
        r"\b(?:você é|aja como|finja|comporte-se|responda|imagine)\b",
        (r"\bsem (?:nenhuma? |quaisquer )?(?:restriç(?:ões|ão)|filtros?|censura|limites? (?:"
         r"éticos?|morais)|regras? (?:éticas?|morais)|ética)",),
        hints=("sem ",),
    ),
    Phrase(
        r"\b(?:sei|agisci|fingi|comportati|rispondi|immagina)\b",
        (r"\bsenza (?:alcuna? |nessuna? )?(?:restrizion[ei]|filtri|censura|limiti (?:etici|"
         r"morali)|regole (?:etiche|morali)|etica)",),
        hints=("senza ",),
    ),
    Phrase(
        r"\b(?:je bent|doe alsof|gedraag je|antwoord|stel je voor)\b",
        (r"\bzonder (?:enige )?(?:beperkingen|filters?|censuur|ethische|morele)",),
        hints=("zonder",),
    ),
)  # fmt: skip

_SCRIPTS: Final = (
    Phrase(
        r"\b(?:ты|вы|представь(?:те)?|действуй(?:те)?|притворись|веди себя|отвечай(?:те)?)\b",
        (r"\bбез (?:каких-либо |всяких )?(?:ограничени\w{1,2}|цензур\w|фильтр\w{1,3}|моральн\w{1,3}|"
         r"этическ\w{1,3})",),
    ),
    Phrase(
        r"(?:你(?:现在|現在)?(?:是|扮演|将)|扮演|假装|假裝)[^。！？\n]{0,20}?(?:没有|沒有|不受|无|無)"
        r"[^。！？\n]{0,8}?(?:限制|审查|審查|约束|約束|道德)",
    ),
    Phrase(
        r"(?:制限|検閲|倫理|フィルター)[^。！？\n]{0,8}?(?:なし|ない|無視)[^。！？\n]{0,12}?"
        r"(?:AI|答え|応答|振る舞)",
    ),
)  # fmt: skip


def jailbreak_guards() -> tuple[PhraseGuard, ...]:
    """One for Latin scripts, one for the others."""
    return (
        PhraseGuard.latin(_NAME, _PHRASES),
        PhraseGuard.of_other_scripts(_NAME, _SCRIPTS),
    )
