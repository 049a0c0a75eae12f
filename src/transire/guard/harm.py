"""Harm: somebody speaks of hurting himself, threatens others, or asks how to. Pure.

Read is what is said in the first person, and questions for a way. That a text is about suicide,
war or murder (a novel, the news, a policy of prevention) raises nothing.
"""

from typing import Final

from transire.domain.guarding import Guard
from transire.guard.phrase import Phrase, PhraseGuard

__all__ = ["harm_guards"]

_SELF_HARM: Final = Guard("self_harm")
_VIOLENCE: Final = Guard("violence")

_END_OF_SELF: Final = (
    r"\b(?:kill(?:ing)? my ?self|end(?:ing)? (?:my (?:own )?life|it all)|tak(?:e|ing) my (?:own )?"
    r"life|(?:commit(?:ting)?|attempt(?:ing)?) suicide|suicide|suicidal|hang(?:ing)? myself|"
    r"hurt(?:ing)? myself|"
    r"cut(?:ting)? myself(?! (?:some slack|off|short|a (?:slice|piece)))|harm(?:ing)? myself|"
    r"starv(?:e|ing) myself|"
    r"be(?:ing)? dead|(?:not|never) (?:to )?(?:wake up|exist|be(?:ing)? (?:alive|here any ?more))|"
    r"(?:be )?better off dead|overdose on|jump(?:ing)? off (?:a|the) (?:bridge|building|roof))\b"
)
_FIGURATIVE: Final = (
    r"\b(?:novel|character|protagonist|lyrics?|song|screenplay|prevention|awareness|essay|"
    r"suicide (?:squad|prevention|hotline|rates?|statistics|watch list)|of laughter|"
    r"of embarrassment|finale|concert|marriage|relationship|contract|subscription|bike|barber|for forgetting)\b|[\"”»]\s?(?:he|she|they|said|whispered)\b"
)
_PEOPLE: Final = (
    r"(?:him|her|you|everyone|everybody|someone|somebody|anybody|people|a person|"
    r"(?:my|his|her|the|this|that|our) (?:ex-?)?(?:wife|husband|boss|neighbou?rs?|ex|girlfriend|"
    r"boyfriend|mother|father|mom|mum|dad|teacher|classmates?|co-?workers?|colleagues?|brother|"
    r"sister|roommate|parents|family|kids?|children|child|man|woman|guy|president|judge|doctor|"
    r"landlord|manager|whole (?:school|class|family)))"
)
_WEAPON: Final = (
    r"\b(?:(?:pipe |nail |car |dirty |fertili[sz]er |pressure cooker |homemade )?bombs?|"
    r"explosives?|explosive device|ied|molotov(?: cocktails?)?|nerve (?:agent|gas)|sarin|vx gas|"
    r"napalm|(?:hand )?grenades?|chemical weapons?|bio-?weapons?|biological weapons?|ricin|"
    r"mustard gas|anthrax|thermite|ghost guns?|silencer|detonator)\b"
)
_TALE: Final = (
    r"\b(?:novel|character|protagonist|screenplay|villain|game|minecraft|fallout|history|museum|"
    r"bath|seed|photo|glitter|cherry|logic|email|zip|fork|f-|cocoa|chocolate|process(?:es)?|"
    r"server|port|thread|film|movie|scene|chess|poker|tennis|squash|video|mushroom|"
    r"convicted|documentary)\b|[\"”»]\s?(?:he|she|they|said|hissed|[A-Z]\w{1,20} (?:said|hissed|"
    r"shouted|screamed))\b"
)

_SELF: Final = (
    Phrase(
        r"\b(?:i|i['’]m|im|i['’]ve|ive|i['’]d|i['’]ll) (?:(?:just|really|still|often|always|only|"
        r"sometimes|do|have|am|been|feel|feeling|honestly|keep|constantly) ){0,3}(?:want(?:ed)?|"
        r"wanna|going|gonna|plan(?:ning)?|think(?:ing)?|thought|thoughts?|tempted|ready|wish|"
        r"trying|tried|need|consider(?:ing|ed)?|about|like|suicidal|will|would rather|urges?|"
        r"intend)\b",
        (_END_OF_SELF,),
        _FIGURATIVE,
        ("myself", "my self", "my life", "my own life", "it all", "suicid", " dead", "wake up",
         "exist", "alive", "here any", "overdose", "jump"),
    ),
    Phrase(
        r"\bi (?:just |really |only )?(?:want to|wanna|wish (?:that )?i (?:could|would)) die\b(?! (?:my|of|for|in|laughing|out|as|with|hard)\b)|"
        r"\bi wish (?:that )?i (?:were|was) (?:dead|never born)\b|\blife is(?:n['’]?t| not) worth living\b",
        unless=_FIGURATIVE,
        hints=(" die", "dead", "born", "worth living"),
    ),
    Phrase(r"\bi(?:['’]m| am| feel)? (?:feeling )?suicidal\b", unless=_FIGURATIVE, hints=("suicidal",)),
    Phrase(
        r"\bi(?:['’]ve| have)? (?:been |started |keep |kept )?(?:cutting|hurting|harming|starving) "
        r"myself\b(?! (?:a|shaving|while shaving|off|short|some)\b)",
        unless=_FIGURATIVE,
        hints=("ing myself",),
    ),
    Phrase(
        r"\bi (?:really |just )?(?:do not|don['’]?t|no longer) (?:really )?want to (?:live|be alive|"
        r"exist|wake up|be here)(?: any ?more)?\b(?! (?:in|with|at|near|on|under|by|next|when|"
        r"for|without my|early|late|before|at|again at))",
        unless=_FIGURATIVE,
        hints=("want to",),
    ),
    Phrase(
        r"\b(?:there['’]?s|there is|i have|i see|have) no (?:reason|point) (?:to|in) (?:live|living|"
        r"go(?:ing)? on|being alive)\b|\b(?:everyone|everybody|they|world|family)(?:['’]d| would)?"
        r" (?:all )?be better off without me\b|\b(?:i['’]?m|am|i['’]d be) better off dead\b",
        unless=_FIGURATIVE,
        hints=("no reason", "no point", "better off"),
    ),
    Phrase(
        r"\b(?:how|ways?|method|quickest|easiest|painless(?:ly)?|best|least painful)\b",
        (r"\b(?:kill myself|commit suicide|end my (?:own )?life|hang myself|overdose (?:on|and die)|"
         r"hurt myself|cut myself|take my (?:own )?life|die (?:painlessly|without pain|by suicide))"
         r"\b",),
        r"\b(?:prevent|stop|avoid|signs?|not to|novel|character|shaving|cooking|knife skills)\b",
        ("myself", "suicide", "my life", "my own life", "overdose", "die "),
    ),
    Phrase(
        r"\bich (?:will|möchte|werde|mag|denke|überlege|würde)\b",
        (r"\b(?:mich (?:um(?:zu)?bringen|töten|verletzen|ritzen|erhängen)|mir (?:das leben nehmen|"
         r"etwas antun)|nicht mehr (?:leben|da sein|aufwachen)|(?:an|über) (?:suizid|selbstmord)|"
         r"lieber tot sein|sterben)\b",),
        r"\b(?:roman|figur|lied|alt|vor lachen)\b",
        ("mich ", "mir ", "nicht mehr", "suizid", "selbstmord", "sterben", "tot "),
    ),
    Phrase(
        r"\bje (?:veux|vais|voudrais|pense (?:à|au)|songe à|souhaite)\b",
        (r"\b(?:me (?:tuer|suicider|pendre|faire du mal|blesser)|mourir|en finir|plus vivre|"
         r"mettre fin à (?:mes jours|ma vie)|suicide)\b",),
        r"\b(?:roman|personnage|chanson|de rire|vieux)\b",
        ("tuer", "suicid", "pendre", "du mal", "blesser", "mourir", "en finir", "plus vivre", "fin à"),
    ),
    Phrase(
        r"\b(?:quiero|voy a|pienso en|planeo|deseo|he pensado en)\b",
        (r"\b(?:matarme|suicidarme|morir(?:me)?|quitarme la vida|hacerme daño|acabar con mi vida|"
         r"ahorcarme|cortarme las venas)\b",),
        r"\b(?:novela|personaje|canción|de risa)\b",
        ("matarme", "suicid", "morir", "quitarme", "hacerme", "acabar con", "ahorcar", "cortarme"),
    ),
    Phrase(
        r"\b(?:quero|vou|penso em|planejo)\b",
        (r"\b(?:me matar|me suicidar|morrer|tirar (?:a )?minha (?:própria )?vida|acabar com a minha "
         r"vida|me machucar)\b",),
        r"\b(?:romance|personagem|música|de rir)\b",
        ("matar", "suicid", "morrer", "minha vida", "própria vida", "machucar"),
    ),
    Phrase(
        r"\b(?:voglio|vorrei|penso di|sto pensando di)\b",
        (r"\b(?:uccidermi|suicidarmi|morire|togliermi la vita|farla finita|farmi del male)\b",),
        r"\b(?:romanzo|personaggio|canzone|dal ridere)\b",
        ("uccidermi", "suicid", "morire", "togliermi", "farla finita", "farmi del male"),
    ),
    Phrase(
        r"\bik (?:wil|ga|denk)\b",
        (r"\b(?:mezelf (?:doden|ombrengen|pijn doen|snijden)|zelfmoord|niet meer leven|dood)\b",),
        r"\b(?:roman|personage|lachen)\b",
        ("mezelf", "zelfmoord", "niet meer leven", "dood"),
    ),
    Phrase(
        r"\b(?:chcę|zamierzam|myślę o)\b",
        (r"\b(?:się zabić|popełnić samobójstwo|umrzeć|samobójstwie|nie żyć)\b",),
        hints=("zabić", "samob", "umrzeć", "nie żyć"),
    ),
)  # fmt: skip

_SELF_SCRIPTS: Final = (
    Phrase(
        r"\b(?:хочу|собираюсь|планирую|думаю о)\b",
        (r"\b(?:умереть|убить себя|покончить с собой|самоубийств\w{1,2}|повеситься)\b",),
    ),
    Phrase(r"(?:我)[^。！？\n]{0,6}?(?:想|要)[^。！？\n]{0,6}?(?:自杀|自殺|去死|结束(?:我的|自己的)?生命)"),
    Phrase(r"我(?:真的|已经)?不想活"),
    Phrase(r"(?:死にたい|自殺したい|消えてしまいたい)"),
)  # fmt: skip

_OTHERS: Final = (
    Phrase(
        r"\b(?:i|we|i['’]m|im|we['’]re|i['’]ll|we['’]ll) (?:(?:just|really|am|are|have|so|do) ){0,2}"
        r"(?:want(?:ed)?|wanna|going|gonna|plan(?:ning)?|will|intend|need|am about|could|swear|"
        r"ll)?(?: to| i ?(?:['’]ll|will))?\s?(?:kill|murder|stab|strangle|poison|shoot(?! (?:you |"
        r"him |her )(?:an?|the|over) )|bomb|massacre|behead|torture|beat up|hurt|attack|blow up)\b",
        (rf"\G\s(?:{_PEOPLE}\b|(?:the |a |my )?(?:school|mosque|church|synagogue|office|crowd|"
         r"embassy))",),
        _TALE + r"|\b(?:never|not|n['’]t|sorry) (?:to |want(?:ed)? to )?hurt|hurt (?:her|him|you) "
        r"(?:feelings|back|knee|leg|arm)|\bhurt(?:ing)? (?:my|his|her) (?:feelings|knee|back)",
        ("kill", "murder", "stab", "strangle", "poison", "shoot", "bomb", "massacre", "behead",
         "torture", "beat up", "hurt", "attack", "blow up"),
    ),
    Phrase(
        r"\b(?:i|we)(?:['’]ll| will|['’]m going to|['’]re going to| am going to| are going to) shoot up (?:the|my|our|a)\b|"
        r"\bget(?:ting)? away with murder(?:ing)? (?:my|him|her|someone|somebody)\b|"
        r"\b(?:plan|carry out|commit) (?:a |the )?(?:massacre|mass shooting|school shooting|terror(?:ist)? attack)\b",
        unless=_TALE,
        hints=("shoot", "murder", "massacre", "shooting", "attack"),
    ),
    Phrase(
        r"\b(?:how (?:to|do i|can i|do you|would i|could i|can we)|steps to|instructions (?:for|to|on)|"
        r"recipe for|guide to|teach me|tell me|show me|help me|explain how to|ways? to|need to|"
        r"want to)\b",
        (r"\b(?:mak(?:e|ing)|build(?:ing)?|construct(?:ing)?|synthesi[sz](?:e|ing)|assembl(?:e|ing)|"
         r"creat(?:e|ing)|detonat(?:e|ing)|produc(?:e|ing)|cook(?:ing)?)\b|\G",
         _WEAPON),
        _TALE + r"|\b(?:defus|dispos|detect|report|sue|recogni[sz]e|protect|prevent|ban(?:ned)?|"
        r"history|treat|antidote)",
        ("bomb", "explosive", "ied", "molotov", "nerve", "sarin", "vx gas", "napalm", "grenade",
         "chemical weapon", "weapon", "ricin", "mustard gas", "anthrax", "thermite", "ghost gun",
         "silencer", "detonator"),
    ),
    Phrase(
        r"\b(?:how (?:to|do i|can i|would i|could i)|best way to|ways? to|help me|steps to|"
        r"easiest way to)\b",
        (rf"\G\s(?:\w{{1,12}} )?(?:kill|murder|poison|strangle|stab|behead|torture|shoot|"
         rf"hire a hitman)(?: {_PEOPLE}\b|\Z|\b(?= for|$))",),
        _TALE,
        ("kill", "murder", "poison", "strangle", "stab", "behead", "torture", "shoot", "hitman"),
    ),
    Phrase(
        r"\bich (?:will|werde|möchte|bringe?)\b",
        (r"\b(?:ihn|sie|dich|euch|alle|meine[nr]? (?:frau|mann|chef\w{0,2}|nachbar\w{0,2}|lehrer\w{0,2}"
         r"|ex\w{0,8}))\b",
         r"\b(?:um(?:zu)?bringen|um\b|töten|ermorden|erstechen|erschießen|vergiften|abstechen)"),
        r"\b(?:roman|figur|spiel|prozess)\b",
        ("bring", "töten", "ermorden", "erstechen", "erschießen", "vergiften", "abstechen", "um"),
    ),
    Phrase(
        r"\b(?:wie (?:baue?|bastle|mache|stelle) ich|anleitung (?:zum|für))\b",
        (r"\b(?:\w{0,12}bomben?|sprengsatz|sprengstoff|molotow\w{0,10}|giftgas|rizin)\b",),
        r"\b(?:bade|samen|entschärf|roman|spiel)",
        ("bombe", "spreng", "molotow", "giftgas", "rizin"),
    ),
    Phrase(
        r"\bje (?:vais|veux) (?:le |la |les |te |vous )?(?:tuer|assassiner|poignarder|égorger|"
        r"massacrer|empoisonner)\b|\bcomment (?:fabriquer|faire) une bombe(?! de bain)\b",
        unless=r"\b(?:roman|personnage|jeu|processus|temps)\b|temps",
        hints=("tuer", "assassin", "poignard", "égorg", "massacr", "empoison", "bombe"),
    ),
    Phrase(
        r"\b(?:voy a|quiero) (?:matar(?:l[oae]s?|te)?|asesinar(?:l[oae]s?)?|apuñalar|envenenar)(?! el "
        r"(?:tiempo|proceso))\b|\bcómo (?:hacer|fabricar) una bomba(?! de baño)\b",
        unless=r"\b(?:novela|personaje|juego|proceso|tiempo)\b",
        hints=("matar", "asesin", "apuñal", "envenen", "bomba"),
    ),
)  # fmt: skip

_OTHERS_SCRIPTS: Final = (
    Phrase(
        r"\bя (?:хочу|убью|собираюсь|зарежу|застрелю)\b",
        (r"\b(?:убить|зарезать|застрелить|отравить|его|её|тебя|их|всех|жену|мужа|начальника)\b",),
    ),
    Phrase(r"(?:如何|怎么|怎麼|怎样)[^。！？\n]{0,4}?(?:制造|制作|製造|做)[^。！？\n]{0,4}?(?:炸弹|炸彈|炸药)"),
    Phrase(r"我(?:要|想)(?:杀了|杀死|殺了)"),
)  # fmt: skip


def harm_guards() -> tuple[PhraseGuard, ...]:
    """Of oneself, then of others; each for Latin scripts, then for the rest."""
    return (
        PhraseGuard.latin(_SELF_HARM, _SELF),
        PhraseGuard.of_other_scripts(_SELF_HARM, _SELF_SCRIPTS),
        PhraseGuard.latin(_VIOLENCE, _OTHERS),
        PhraseGuard.of_other_scripts(_VIOLENCE, _OTHERS_SCRIPTS),
    )
