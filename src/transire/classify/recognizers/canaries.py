"""One text per entity that must be found at start-up; nothing here is anybody's data.

A missed canary makes the entity's class *uncovered*: a recognizer that is installed but blind
(a threshold set too high, a changed dependency) must not read as "clean".
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["CANARIES"]

_KEY_TAIL: Final = "2E4Q7RT3XYZWUVKL"
"""Made up; joined to its prefix below, so that no scanner takes this file for a leak."""

CANARIES: Final[Mapping[str, str]] = {
    "AU_TFN": "my tax file number (tfn) is 876 543 210",
    "CARD_SECURITY_CODE": "cvv: 123",
    "CONFIDENTIAL_MARKING": "STRICTLY CONFIDENTIAL",
    "CREDIT_CARD": "card 4111 1111 1111 1111",
    "CRYPTO": "bitcoin wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "DATE_OF_BIRTH": "date of birth: 1980-02-29",
    "DIAGNOSIS": "the patient was diagnosed with diabetes",
    "EMAIL_ADDRESS": "write to canary@corp.internal today",
    "ES_NIE": "mi NIE es X9613851N",
    "ES_NIF": "mi NIF es 55555555K",
    "EXPORT_MARKING": "ITAR CONTROLLED",
    "FI_PERSONAL_IDENTITY_CODE": "hetu 010594Y9032",
    "HEALTH_CLAIM": "clinically proven",
    "IBAN_CODE": "IBAN DE89 3704 0044 0532 0130 00",
    "ICD10_CODE": "ICD-10: E11.9",
    "IN_AADHAAR": "my aadhaar is 312345678909",
    "IN_PAN": "my PAN is ABCPD1234Z",
    "IP_ADDRESS": "host 203.0.113.77 is down",
    "IT_FISCAL_CODE": "codice fiscale RSSMRA80A01H501U",
    "MAC_ADDRESS": "mac address 00:1A:2B:3C:4D:5E",
    "MEDICAL_LICENSE": "DEA certificate BB1388568",
    "MEDICAL_RECORD_NUMBER": "MRN: 00123456",
    "MEDICATION_DOSE": "metformin 500 mg",
    "MINOR_AGE": "my daughter is 9 years old",
    "PASSWORD": "password: hunter2!x9",
    "PERSON": "My name is Maria Schneider and I would like to cancel.",
    "PHONE_NUMBER": "call +49 30 901820 now",
    "PL_PESEL": "PESEL 11111111116",
    "PRIVATE_KEY": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "SECRET": "key AKIA" + _KEY_TAIL,
    "SG_NRIC_FIN": "my nric is S2740116C",
    "SOURCE_CODE": "def canary(cage):\n    return cage",
    "SPECIAL_CATEGORY_TERM": "my colleague is catholic",
    "UK_NHS": "nhs number 401-023-2137",
    "UK_NINO": "national insurance number AA 12 34 56 B",
    "URL_CREDENTIAL": "postgres://app:h4ck-m3-n0t@db.internal/main",
    "US_BANK_NUMBER": "my bank account number is 945456787654",
    "US_DRIVER_LICENSE": "my driver license is H12234567",
    "US_ITIN": "my itin is 911-70-1234",
    "US_PASSPORT": "my US passport number is 912803456",
    "US_SSN": "my ssn is 536-90-4399",
    "VULNERABILITY": "see CVE-2026-12345",
}
