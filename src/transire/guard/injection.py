"""Prompt injection: text that gives a model orders against the ones it has. Pure.

Rules know phrasing, not intent: who quotes an attack raises the guard as who makes one, and who
attacks in words nobody foresaw does not. That is why policy, and no rule here, decides.
"""

from typing import Final

from transire.domain.guarding import PROMPT_INJECTION
from transire.guard.phrase import Phrase, PhraseGuard

__all__ = ["injection_guards"]

_ORDERS: Final = (
    r"\b(?:instructions?|prompts?|directives?|guidelines?|guardrails?|system message|rules|"
    r"commands|orders|programming|restrictions|constraints|safeguards|context)\b"
)
_EARLIER: Final = (
    r"\b(?:previous|prior|above|earlier|preceding|foregoing|former|original|initial|existing|"
    r"system|developer|safety|hidden|internal|default|your|you (?:were|have been|got)|"
    r"(?:all|any)(?= (?:(?:of )?the |of (?:your|these|those) )?(?:instructions?|prompts?|"
    r"directives?|guardrails?|safeguards?|guidelines?)))\b"
)
_NOT_ORDERS: Final = (
    r"\b(?:my (?:previous|prior|earlier|last|original|initial)|your (?:doctor|physician|lawyer|"
    r"teacher|boss|manager|parents?|landlord|coach|bank|employer|vet|mechanic)|rules of (?:"
    r"grammar|chess|physics|the road|thumb)|(?:washing|care|assembly|dosage|cooking|"
    r"delivery|shipping) instructions?|previous (?:e-?mail|message|mail|invoice|version|order))\b"
)
_YOURS: Final = (
    r"\b(?:your|the (?=(?:hidden|secret|original|initial) (?:prompt|instructions?|system))|the (?:above|full|entire|exact|developer['’]s)|"
    r"thy)\b[^.!?\n]{0,40}?\b(?:system (?:prompt|message|instructions?)|(?:initial|hidden|secret|"
    r"original|internal|developer|confidential|base|pre-?)\s?(?:prompt|instructions?|message|"
    r"guidelines?|rules)|instructions? (?:verbatim|word for word|exactly)|prompt (?:verbatim|"
    r"word for word|above))\b"
)

_ORDER_HINTS: Final = (
    "instruction", "prompt", "directive", "guideline", "guardrail", "system message", "rules",
    "command", "orders", "programming", "restriction", "constraint", "safeguard", "context",
)  # fmt: skip
_ENGLISH: Final = (
    Phrase(
        r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|"
        r"overlook|neglect|dismiss|discard|abandon|stop (?:following|obeying)|"
        r"(?:do not|don['’]?t|no longer|never) (?:follow|obey|adhere to|comply with|listen to))\b",
        (_ORDERS, _EARLIER),
        _NOT_ORDERS,
        _ORDER_HINTS,
    ),
    Phrase(
        r"\b(?:ignore|disregard|forget)\b",
        (
            r"\G\s(?:all |everything |anything |what(?:ever)? )(?:(?:that )?(?:was |is |you (?:were|"
            r"have been) |came |has been )?(?:said |told |written |stated )?)(?:above|before (?:"
            r"this|now)|previously|prior to this|earlier|told|up to (?:now|this point))\b",
        ),
        r"\bmy (?:previous|last|earlier)\b",
        ("above", "before", "previously", "prior", "earlier", "told", "up to"),
    ),
    Phrase(
        r"\b(?<!\bnot )(?<!\bnever )(?<!n['’]t )(?<!\bnot to )(?:reveal|repeat|print|output|leak|display|disclose|recite|dump|expose|echo|"
        r"(?:show|tell|give) me|what (?:is|are|was|were))\b",
        (_YOURS,),
        hints=("prompt", "instruction", "message", "guideline", "rules"),
    ),
    Phrase(
        r"\b(?:repeat|print|output|copy|echo|recite)\b",
        (r"\G\s(?:back )?(?:all |everything |the (?:words|text|content|sentences?) )[^.!?\n]{0,20}?"
         r"\babove\b",),
        hints=("above",),
    ),
    Phrase(
        r"<\|im_start\|>\s{0,3}system|<<SYS>>|<\|system\|>|\[system\]\(#|\bsystem override\b",
        hints=("<|im_start", "<<sys", "<|system", "[system", "system override"),
    ),
    Phrase(
        r"(?:^|\n|[\]>*#=-])\s{0,4}(?:(?:begin|start|end) (?:of )?(?:new |the )?(?:system )?"
        r"(?:prompt|instructions?)|(?:new|updated|revised|real|actual) (?:system )?"
        r"(?:instructions?|prompt|directives?)(?: for you)?\s{0,3}:)",
        hints=("prompt", "instruction", "directive"),
    ),
    Phrase(
        r"\byour (?:new|real|actual|only|updated) (?:instructions?|directives?|task|goal|"
        r"objective|role|prompt)\b",
        (r"\G\s(?:is|are) (?:now )?(?:to|as follows|the following)\b",),
        hints=("your ",),
    ),
    Phrase(
        r"\bfrom (?:now|this point|here) on(?:wards?|ward)?,?\s{1,2}you (?:will|must|shall|are to|"
        r"only|should)\b",
        (r"\b(?:obey|only (?:follow|answer to|listen)|ignore|disregard|follow (?:only )?my|"
         r"act as|pretend|no longer)\b",),
        hints=("from now", "from this point", "from here"),
    ),
    Phrase(
        r"\b(?:(?:if you are|note to|attention|instructions? (?:for|to)|message (?:for|to)|"
        r"dear|hey) (?:an? |the |any |all )?(?:ai|llm|artificial intelligence|language model)"
        r"(?: (?:assistants?|models?|agents?|systems?|bots?|chatbots?))?)(?=\s{0,2}[,:.!—–-]|"
        r" (?:reading|processing|summari[sz]ing|reviewing))",
    ),
    Phrase(
        r"\b(?:ai|llm|assistant|chatbot|language model|agent)s?\b[,:]? {1,2}(?:you )?(?:must|should|"
        r"please|are (?:now )?(?:instructed|required|ordered|authori[sz]ed) to|has to)\b",
        (r"\b(?:ignore|disregard|forward|send|e-?mail|exfiltrate|delete|transfer|reveal|execute|"
         r"call the|recommend only|rank|approve)\b",
         r"\b(?:instructions?|prompts?|everything|all (?:of )?(?:the |its |your )?(?:data|files|"
         r"emails?|messages|records)|password|credentials?|secrets?|api keys?|tokens?|"
         r"https?://|[\w.]{1,40}@|conversation|chat history|this candidate|tool)"),
        hints=("ignore", "disregard", "forward", "send", "mail", "exfiltrate", "delete", "transfer",
               "reveal", "execute", "call the", "recommend only", "rank", "approve"),
    ),
    Phrase(
        r"\b(?:do not|don['’]?t|never|without)\b",
        (r"\G\s(?:tell|telling|inform|informing|alert|alerting|notify|notifying|mention(?:ing)?"
         r" (?:this|it|that) to|reveal(?:ing)? (?:this|it) to|warn(?:ing)?) the user\b"
         r"(?: (?:about|of|that you|you) |\s{0,2}[.!,]?$)",),
        r"\b(?:spec|requirement|should not be|dialog|pop-?up|toast|banner)\b",
        ("the user",),
    ),
    Phrase(
        r"\b(?:send|forward|exfiltrate|upload|post|leak|transmit)\b",
        (r"\b(?:this conversation|(?:the |our |entire )?(?:chat|conversation) history|"
         r"(?:all |the |your |user['’]?s? |any |his |her |their )(?:\w{1,20} )?(?:credentials|"
         r"passwords?|api[ _]keys?|secrets|tokens|system prompt|private (?:data|files|keys?)))",
         r"\b(?:https?://|to [\w.+-]{1,40}@[\w.]|to (?:the )?(?:following|attacker|this) )"),
        hints=("conversation", "history", "credential", "password", "api key", "api_key",
               "secrets", "token", "prompt", "private"),
    ),
)  # fmt: skip

_WORLD: Final = (
    Phrase(
        r"\b(?:ignorieren?|ignoriert?|vergiss|vergesst|vergessen|missachten?|übergehen?|"
        r"umgehen?|überschreiben?|befolgen?|beachten?)\b",
        (
            r"\b(?:anweisung(?:en)?|instruktion(?:en)?|vorgaben?|regeln|befehle?|richtlinien|"
            r"systemprompts?|prompts?|anordnungen)\b",
            r"\b(?:vorherigen?|bisherigen?|vorigen?|obigen?|früheren?|vorangegangenen?|"
            r"vorangehenden?|ursprünglichen?|deine[nr]?|ihre|alle (?:anweisungen|instruktionen|"
            r"vorgaben)|systemprompt|keine|nicht mehr)\b",
        ),
        r"\bmeine[nr]? (?:vorherige|letzte|frühere)|\b(?:des|deines|ihres) (?:arztes|chefs)|"
        r"\bbeachten sie (?:die|bitte|ihre)|\b(?:pflege|gebrauchs|montage)",
        ("anweisung", "instruktion", "vorgabe", "regeln", "befehl", "richtlinien", "prompt",
         "anordnung"),
    ),
    Phrase(
        r"\b(?:zeig(?:e)?|verrate?|nenne?|gib|wiederhole?|drucke?|schreibe?)\b",
        (r"\b(?:dein(?:e[nrs]?)?|ihre?[nrs]?)\b[^.!?\n]{0,25}?\b(?:system-?prompts?|systemanweisung"
         r"(?:en)?|(?:geheimen?|versteckten?|ursprünglichen?|internen?) (?:anweisungen|"
         r"instruktionen|regeln))\b",),
    ),
    Phrase(
        r"\b(?:ignore[zr]?|oublie[zr]?|néglige[zr]?|outrepasse[zr]?|contourne[zr]?|fais abstraction|"
        r"(?:tiens|tenez|tenir) (?:pas|plus) compte|(?:suis|suivez|respecte[zr]?) (?:pas|plus))\b",
        (
            r"\b(?:instructions?|consignes?|directives?|règles|ordres|prompts?)\b",
            r"\b(?:précédentes?|précédents?|antérieure?s?|ci-dessus|initiales?|système|reçues?|"
            r"(?:toutes|tous) (?:les|tes|vos)|tes|vos)\b",
        ),
        r"\bmes? (?:précédent|dernier|instruction)|\b(?:du|de votre) médecin|\bde (?:lavage|montage)",
        ("instruction", "consigne", "directive", "règles", "ordres", "prompt"),
    ),
    Phrase(
        r"\b(?:ignora[rd]?|ignoren?|olvida(?:r|te)?|olvide[ns]?|omite|omitir|descarta|desobedece|"
        r"haz caso omiso|no (?:sigas|obedezcas|hagas caso))\b",
        (
            r"\b(?:instruccion(?:es)?|instrucción|indicaciones|órdenes|reglas|directrices|"
            r"directivas|prompts?)\b",
            r"\b(?:anterior(?:es)?|previas?|previos?|de arriba|del sistema|iniciales|originales|"
            r"todas (?:las|tus|sus)|tus)\b",
        ),
        r"\bmis? (?:anterior|instruc|último)|\bde (?:lavado|montaje)|\bmédico",
        ("instruc", "indicaciones", "órdenes", "reglas", "directr", "directiv", "prompt"),
    ),
    Phrase(
        r"\b(?:ignor[ae]r?|esqueça|esquece|esquecer|desconsider[ae]r?|desrespeite|não (?:siga|"
        r"obedeça))\b",
        (
            r"\b(?:instruções|instruçao|instrução|instrucoes|orientações|regras|diretrizes|ordens|"
            r"comandos|prompts?)\b",
            r"\b(?:anterior(?:es)?|acima|prévias?|do sistema|iniciais|originais|todas (?:as|suas)|"
            r"suas)\b",
        ),
        r"\bminhas? (?:anterior|última|instruç)|\bmédico",
        ("instru", "orienta", "regras", "diretrizes", "ordens", "comandos", "prompt"),
    ),
    Phrase(
        r"\b(?:ignora(?:re|te)?|ignori|dimentica(?:re|te)?|dimentichi|trascura|disattendi|"
        r"non (?:seguire|obbedire|rispettare))\b",
        (
            r"\b(?:istruzion[ei]|direttiv[ae]|regole|indicazioni|ordini|prompt)\b",
            r"\b(?:precedenti?|di cui sopra|qui sopra|di sistema|del sistema|iniziali|originali|"
            r"tutte (?:le|tue|le tue)|tue)\b",
        ),
        r"\b(?:mie|mio|mia) |\bmedico",
        ("istruzion", "direttiv", "regole", "indicazioni", "ordini", "prompt"),
    ),
    Phrase(
        r"\b(?:negeer|negeren|vergeet|vergeten|omzeil|volg)\b",
        (
            r"\b(?:instructies?|aanwijzingen|regels|opdrachten|richtlijnen|prompts?)\b",
            r"\b(?:vorige|eerdere|bovenstaande|voorgaande|oorspronkelijke|alle (?:instructies|"
            r"aanwijzingen)|je|jouw|niet meer)\b",
        ),
        r"\bmijn (?:vorige|eerdere|laatste)|\bde (?:regels|instructies) van\b",
        ("instructie", "aanwijzing", "regels", "opdracht", "richtlijn", "prompt"),
    ),
    Phrase(
        r"\b(?:z?ignoruj(?:cie)?|zignorować|zapomnij|pomiń|nie (?:stosuj|przestrzegaj))\b",
        (
            r"\b(?:instrukcj[eai]|polece(?:nia|ń)|zasad[y]?|wytyczn\w{1,3}|prompt\w{0,3})\b",
            r"\b(?:poprzedni\w{1,3}|wcześniejsz\w{1,3}|powyższ\w{1,3}|wszystki\w{1,3}|swoj\w{1,3}|"
            r"systemow\w{1,3})\b",
        ),
        hints=("instrukcj", "polece", "zasad", "wytyczn", "prompt"),
    ),
    Phrase(
        r"\b(?:görmezden gel|yok say|unut|dikkate alma)(?:in|yın|un)?\b|\bönceki (?:tüm )?"
        r"(?:talimat|komut|yönerge)\w{0,8} (?:görmezden gel|yok say|unut|dikkate alma)",
        (),
        r"^(?!.*(?:talimat|komut|yönerge)).*$",
    ),
)  # fmt: skip

_SCRIPTS: Final = (
    Phrase(
        r"\b(?:про)?игнорируй(?:те)?\b|\bзабудь(?:те)?\b|\bне (?:обращай(?:те)? внимания на|"
        r"следуй(?:те)?|выполняй(?:те)?)\b|\bигноруй(?:те)?\b",
        (
            r"\b(?:инструкци\w{1,3}|указани\w{1,3}|правил\w{0,3}|команд\w{0,3}|инструкцій|"
            r"промпт\w{0,3}|інструкці\w{1,3})\b",
            r"\b(?:предыдущ\w{2,3}|прежни\w{1,2}|все|выше\w{0,10}|сво\w{1,2}|систем\w{2,4}|"
            r"попередн\w{1,2}|усі|всі)\b",
        ),
        r"\bмо(?:и|ё|е|й|их) ",
    ),
    Phrase(
        r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要遵守|不要理会|忽視)[^。！？\n]{0,12}?(?:之前|以上|上面|"
        r"先前|所有|前面|上述|你的|系统|系統)[^。！？\n]{0,10}?(?:指令|指示|提示|规则|規則|说明|命令)",
    ),
    Phrase(
        r"(?:以前|上記|これまで|前|すべて|全て|あなた)の[^。！？\n]{0,10}?(?:指示|命令|プロンプト|"
        r"ルール)[^。！？\n]{0,6}?(?:無視|忘れ)",
    ),
    Phrase(
        r"(?:이전|위의|앞의|기존|모든)[^.!?\n]{0,8}?(?:지시|명령|지침|프롬프트)[^.!?\n]{0,8}?"
        r"(?:무시|잊어)",
    ),
    Phrase(
        r"(?:تجاهل|انس|لا تتبع)[^.!?\n]{0,20}?(?:التعليمات|الأوامر|القواعد|الإرشادات)"
        r"[^.!?\n]{0,12}?(?:السابقة|أعلاه|الأصلية)",
    ),
)  # fmt: skip


def injection_guards() -> tuple[PhraseGuard, ...]:
    """One for Latin scripts, one for the others."""
    return (
        PhraseGuard.latin(PROMPT_INJECTION, (*_ENGLISH, *_WORLD)),
        PhraseGuard.of_other_scripts(PROMPT_INJECTION, _SCRIPTS),
    )
