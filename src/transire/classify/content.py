"""Classes that are about meaning: health, minors, Art. 9 GDPR, markings, vulnerabilities.

Words alone are weak, so most patterns ask for a word together with a sign of its meaning (a dose
after a medication, a person after a diagnosis). What they miss:
docs/reference/detection.md.
"""

from collections.abc import Callable
from typing import Final

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Recognizer, pattern_recognizer
from transire.classify.traits import Traits

__all__ = ["content_recognizers"]

_DIAGNOSES: Final = frozenset(
    {"diabetes", "diabetic", "cancer", "carcinoma", "leukemia", "leukaemia", "hiv", "aids"}
    | {"hepatitis", "depression", "schizophrenia", "bipolar", "epilepsy", "asthma", "melanoma"}
    | {"hypertension", "dementia", "alzheimer", "parkinson", "tuberculosis", "anorexia"}
    | {"pregnant", "miscarriage", "chemotherapy", "dialysis", "psoriasis", "arthritis"}
    | {"migraine", "autism", "stroke", "tumor", "tumour", "krebs", "diabète", "cancro"}
)
_CLINICAL: Final = frozenset(
    {"patient", "patients", "diagnosed", "diagnosis", "symptom", "symptoms", "treatment", "icd"}
    | {
        "prescribed",
        "prognosis",
        "clinical",
        "clinician",
        "therapy",
        "medication",
        "dose",
        "dosage",
    }
    | {"efficacy", "hospital", "surgery", "admitted", "biopsy", "patientin", "diagnose"}
)
_PERSONAL: Final = frozenset(
    {"i", "my", "me", "he", "she", "his", "her", "patient", "mr", "mrs", "ms", "son", "daughter"}
    | {"husband", "wife", "mother", "father", "employee", "client", "mein", "meine", "ich"}
    | {"er", "sie", "who", "they"}
)
_SUBJECT: Final = (
    r"(?:i|he|she|they|who|ich|er|sie|patient(?:in)?|mr|mrs|ms|son|daughter|husband|wife|mother|"
    r"father|employee|client|colleague)"
)
_DRUGS: Final = (
    "aspirin|ibuprofen|paracetamol|acetaminophen|metformin|insulin|lisinopril|atorvastatin|"
    "amlodipine|metoprolol|omeprazole|losartan|sertraline|fluoxetine|prednisone|prednisolone|"
    "amoxicillin|warfarin|methotrexate|morphine|oxycodone|levothyroxine|gabapentin|semaglutide"
)
_DOSES: Final = "(?:mg|mcg|µg|ml|g|units?)"
_CLAIMS: Final = frozenset(
    {"clinically", "claim", "claims", "efficacy", "trial", "heals"}
    | {"cures", "reduces", "prevents", "treats", "lowers"}
)
_ARTICLE_9: Final = frozenset(
    {"catholic", "muslim", "jewish", "atheist", "protestant", "hindu", "homosexual", "gay"}
    | {"lesbian", "bisexual", "transgender", "genetic", "fingerprint", "biometric", "unionist"}
)


def content_recognizers() -> list[Recognizer]:
    """All of them, each behind a gate on words."""
    return [*_health(), *_people(), *_markings(), _vulnerability()]


def _health() -> list[Recognizer]:
    diagnoses = "|".join(sorted(_DIAGNOSES))
    return [
        pattern_recognizer(
            "DIAGNOSIS",
            Gate(words=_DIAGNOSES, check=lambda t: bool(t.words & (_CLINICAL | _PERSONAL))),
            [
                (
                    rf"\b(?:(?:diagnosed with|suffers? from|suffering from|treated for|living with|"
                    rf"history of|diagnosis of|tested positive for|leidet an)\b|"
                    rf"diagnos(?:is|e)\s?:)[^.\n]{{0,60}}?\b(?P<v>{diagnoses})\b",
                    85,
                ),
                (
                    # Not `stroke` and `aids`: somebody has a stroke of luck and hearing aids.
                    rf"\b{_SUBJECT}\b[^.\n]{{0,40}}?\b(?:has|have|had|hat|habe|hatte)\s+"
                    rf"(?:\w+\s+){{0,2}}?(?P<v>(?!stroke|aids)(?:{diagnoses}))\b",
                    70,
                ),
                (
                    rf"\b{_SUBJECT}\b[^.\n]{{0,30}}?(?:\b(?:is|am|was|are)|'s|'m)\s+"
                    rf"(?:\w+\s+){{0,2}}?(?P<v>pregnant|diabetic|bipolar|hiv[- ]positive)\b",
                    70,
                ),
                (
                    rf"\b(?:my|his|her|patient'?s?|mother'?s|father'?s|son'?s|daughter'?s)\s+"
                    rf"(?:\w+\s+){{0,2}}?(?P<v>{diagnoses})\b",
                    70,
                ),
            ],
            flags=regex.I,
        ),
        pattern_recognizer(
            "MEDICATION_DOSE",
            Gate(digits=1, words=frozenset(_DRUGS.split("|"))),
            [
                (
                    rf"\b(?:{_DRUGS})\b[^.\n]{{0,20}}?\d+(?:[.,]\d+)?\s?{_DOSES}\b",
                    85,
                ),
                (
                    rf"\b\d+(?:[.,]\d+)?\s?{_DOSES}\b[^.\n]{{0,20}}?\b(?:{_DRUGS})\b",
                    85,
                ),
            ],
            flags=regex.I,
        ),
        pattern_recognizer(
            "ICD10_CODE",
            Gate(digits=2, words=_CLINICAL | {"code", "icd"}),
            # ICD-10-CM: a letter, a digit, an alphanumeric, and up to four after the point.
            [
                (r"\bICD-?10(?:-?CM)?\b[^\n]{0,20}?\b(?P<v>[A-TV-Z]\d[0-9AB](?:\.\w{1,4})?)\b", 90),
                (r"\b(?P<v>[A-TV-Z]\d[0-9AB]\.\w{1,4})\b", 30),
            ],
            context=frozenset({"diagnosis", "diagnosed", "icd", "icd10", "patient", "diagnose"}),
        ),
        pattern_recognizer(
            "MEDICAL_RECORD_NUMBER",
            Gate(digits=5, words=frozenset({"mrn", "record"})),
            [
                (
                    r"\b(?:MRN|medical record (?:number|no\.?|#))\W{0,4}"
                    r"(?P<v>[A-Z]{0,3}\d{5,12})\b",
                    90,
                )
            ],
            flags=regex.I,
        ),
        pattern_recognizer(
            "HEALTH_CLAIM",
            Gate(words=_CLAIMS),
            [
                (
                    r"\b(?P<v>(?:clinically (?:proven|tested)|health claims?|clinical claims?|"
                    r"efficacy (?:claims?|data|of)|(?:cures?|treats?|prevents?|heals?|lowers?|"
                    r"reduces?)\s+(?:\w+\s+){0,3}?(?:blood pressure|cholesterol|cancer|diabetes|"
                    r"pain|inflammation|depression|symptoms?|relapse|mortality)))\b",
                    80,
                )
            ],
            flags=regex.I,
        ),
    ]


def _people() -> list[Recognizer]:
    terms = "|".join(sorted(_ARTICLE_9))
    return [
        pattern_recognizer(
            "MINOR_AGE",
            Gate(digits=1, words=frozenset({"year", "years", "yo", "y", "aged", "age"})),
            [
                (
                    r"\b(?:my|our|his|her|the|a|an)\s+(?:\w+\s+){0,2}?(?:son|daughter|child|kid|"
                    r"pupil|boy|girl|student|nephew|niece)\b[^.\n]{0,24}?"
                    r"(?P<v>\b(?:1[0-7]|[1-9])[- ]?(?:years?[- ]old|yo|y/o)\b)",
                    85,
                ),
                (
                    r"(?P<v>\b(?:1[0-7]|[1-9])[- ]years?[- ]old)\s+(?:son|daughter|child|boy|girl|"
                    r"pupil|student|patient|minor)\b",
                    85,
                ),
            ],
            flags=regex.I,
        ),
        pattern_recognizer(
            "SPECIAL_CATEGORY_TERM",
            Gate(words=_ARTICLE_9, check=lambda t: bool(t.words & _PERSONAL)),
            [
                (
                    rf"\b(?:i am|i'm|he is|she is|he's|she's|they are|my (?:\w+ )?(?:is|are)|"
                    rf"employee (?:\w+ )?is|his|her)\s+(?:a |an )?(?P<v>{terms})\b",
                    80,
                )
            ],
            flags=regex.I,
        ),
    ]


def _markings() -> list[Recognizer]:
    banner = (
        r"STRICTLY CONFIDENTIAL|COMPANY CONFIDENTIAL|HIGHLY CONFIDENTIAL|PRIVATE (?:AND|&) "
        r"CONFIDENTIAL|CONFIDENTIAL[ -]+DO NOT (?:SHARE|DISTRIBUTE|FORWARD)|INTERNAL USE ONLY|"
        r"ATTORNEY[- ]CLIENT PRIVILEGED?|ATTORNEY WORK PRODUCT|TRADE SECRET|TLP:(?:RED|AMBER)|"
        r"STRENG VERTRAULICH|NUR FÜR DEN INTERNEN GEBRAUCH"
    )
    return [
        pattern_recognizer(
            "CONFIDENTIAL_MARKING",
            # Capitals are what makes a marking: the same words in prose are prose.
            Gate(
                shouts=True,
                check=_holds(
                    *("CONFIDENTIAL", "INTERNAL", "PRIVILEGE", "WORK PRODUCT", "TRADE SECRET"),
                    *("TLP:", "VERTRAULICH", "INTERNEN"),
                ),
            ),
            [(rf"\b(?:{banner})\b", 90)],
        ),
        pattern_recognizer(
            "CONFIDENTIAL_MARKING",
            Gate(words=frozenset({"confidential"})),
            # A line of its own is a marking in any case.
            [
                (
                    r"(?mi)^\W{0,4}(?:(?:strictly|highly|company|private and)\s+)?confidential"
                    r"(?:\W{1,4}(?:for )?internal use only|\W{1,4}do not (?:share|distribute|"
                    r"forward))?\W{0,4}$",
                    90,
                ),
            ],
        ),
        pattern_recognizer(
            "EXPORT_MARKING",
            Gate(
                shouts=True,
                check=_holds(
                    *("ITAR", "ECCN", "NOFORN", "EAR99", "DISTRIBUTION STATEMENT"),
                    *("CUI//", "CONTROLLED TECHNICAL"),
                ),
            ),
            [
                (
                    r"\b(?:ITAR[- ](?i:controlled|restricted)|(?:SECRET|CONFIDENTIAL)//NOFORN|"
                    r"NOFORN|"
                    r"DISTRIBUTION STATEMENT [B-F]|CUI//\w+|CONTROLLED TECHNICAL INFORMATION|"
                    r"ECCN:?\s{0,3}[0-9][A-E]\d{3})\b",
                    90,
                )
            ],
        ),
    ]


def _holds(*literals: str) -> Callable[[Traits], bool]:
    return lambda traits: any(literal in traits.text for literal in literals)


def _vulnerability() -> Recognizer:
    words = frozenset(
        {"cve", "vulnerability", "vulnerabilities", "exploit", "exploits", "bypass", "rce"}
        | {"escalation", "injection", "overflow", "zero", "deserialization"}
    )
    return pattern_recognizer(
        "VULNERABILITY",
        Gate(words=words),
        [
            (r"\bCVE-\d{4}-\d{4,7}\b", 90),
            (
                r"\b(?P<v>auth(?:entication|orization)?[- ]bypass|privilege escalation|"
                r"remote code execution|sql injection|buffer overflow|zero[- ]day|"
                r"(?:security|unpatched|exploitable) vulnerabilit(?:y|ies)|proof[- ]of[- ]concept "
                r"exploit)\b",
                75,
            ),
        ],
        flags=regex.I,
    )
