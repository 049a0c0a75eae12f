"""Chat in ten locales, framed by hand: greetings, signatures, tickets, and lines without anybody.

The frames and the names are written for this measure; none is a training frame. Each locale's
frames are in its own language, filled with its own names, each name once in each frame.
"""

from collections.abc import Iterator
from itertools import cycle
from string import Formatter
from typing import Final

__all__ = ["LOCALES", "framed_chat"]

Row = tuple[str, list[tuple[int, int]]]

_NAMES: Final = {
    "en": ("Oliver Whitfield", "Priscilla Oakes", "Nkechi Adeyemi", "Rohan Mehta", "Siobhan Daly"),
    "de": ("Jürgen Brandt", "Annegret Vogel", "Mehmet Yilmaz", "Heike Sommer", "Lukas Ziegler"),
    "fr": ("Benoît Lefèvre", "Maëlle Garnier", "Yasmine Haddad", "Étienne Roux", "Solène Petit"),
    "es": ("Íñigo Zubiri", "Rocío Peña", "Joaquín Ibáñez", "Marisol Vega", "Andrés Quiroga"),
    "it": ("Giacomo Bellini", "Fiorella Greco", "Matteo Ferrari", "Chiara Lombardi", "Ugo Conti"),
    "nl": ("Sander Visser", "Femke Hoekstra", "Joris Bakker", "Lieke Mulder", "Thijs Dekker"),
    "pl": ("Zbigniew Wójcik", "Małgorzata Lis", "Paweł Zieliński", "Agata Mazur", "Jerzy Krupa"),
    "pt": ("João Moreira", "Luíza Figueiredo", "Thiago Barros", "Beatriz Lima", "Caio Teixeira"),
    "sv": ("Björn Lindqvist", "Åsa Nyström", "Gunnar Ekberg", "Elin Sandberg", "Nils Forsman"),
    "tr": ("Çağlar Demir", "Gülşen Aydın", "Emre Yıldız", "Zeynep Kaya", "Orhan Çelik"),
}
_FRAMES: Final = {
    "en": (
        "Hello {first}, thanks for getting in touch. Your refund is on its way.",
        "The heating is still off.\n\nMany thanks,\n{whole}\nFlat 12",
        "Ticket 4471 - reporter: {whole} - printer on the second floor jams",
        "can somebody ring {whole} before lunch",
    ),
    "de": (
        "Guten Tag Frau {last}, Ihre Rücksendung ist eingetroffen.",
        "Die Heizung geht immer noch nicht.\n\nMit freundlichen Grüßen\n{whole}",
        "Ticket 4471 - gemeldet von {whole} - Drucker im zweiten Stock klemmt",
        "kann bitte jemand {whole} vor dem Mittag anrufen",
    ),
    "fr": (
        "Bonjour {first}, votre remboursement est en route.",
        "Le chauffage ne marche toujours pas.\n\nCordialement,\n{whole}",
        "Ticket 4471 - signalé par {whole} - l'imprimante du deuxième étage bloque",
        "quelqu'un peut rappeler {whole} avant midi",
    ),
    "es": (
        "Hola {first}, su reembolso ya está en camino.",
        "La calefacción sigue sin funcionar.\n\nUn saludo,\n{whole}",
        "Incidencia 4471 - abierta por {whole} - la impresora del segundo piso se atasca",
        "que alguien llame a {whole} antes de comer",
    ),
    "it": (
        "Buongiorno {first}, il rimborso è in arrivo.",
        "Il riscaldamento non funziona ancora.\n\nCordiali saluti,\n{whole}",
        "Ticket 4471 - aperto da {whole} - la stampante al secondo piano si inceppa",
        "qualcuno può chiamare {whole} prima di pranzo",
    ),
    "nl": (
        "Hallo {first}, uw terugbetaling is onderweg.",
        "De verwarming doet het nog steeds niet.\n\nMet vriendelijke groet,\n{whole}",
        "Ticket 4471 - gemeld door {whole} - de printer op de tweede verdieping loopt vast",
        "kan iemand {whole} voor de lunch bellen",
    ),
    "pl": (
        "Dzień dobry {first}, zwrot jest już w drodze.",
        "Ogrzewanie nadal nie działa.\n\nZ poważaniem,\n{whole}",
        "Zgłoszenie 4471 - zgłasza {whole} - drukarka na drugim piętrze się zacina",
        "niech ktoś zadzwoni, {whole} czeka na odpowiedź",
    ),
    "pt": (
        "Olá {first}, o seu reembolso já está a caminho.",
        "O aquecimento continua sem funcionar.\n\nAtenciosamente,\n{whole}",
        "Chamado 4471 - aberto por {whole} - a impressora do segundo andar trava",
        "alguém pode ligar para {whole} antes do almoço",
    ),
    "sv": (
        "Hej {first}, din återbetalning är på väg.",
        "Värmen fungerar fortfarande inte.\n\nMed vänlig hälsning\n{whole}",
        "Ärende 4471 - anmält av {whole} - skrivaren på andra våningen krånglar",
        "kan någon ringa {whole} före lunch",
    ),
    "tr": (
        "Merhaba {first}, iadeniz yola çıktı.",
        "Kalorifer hâlâ çalışmıyor.\n\nSaygılarımla,\n{whole}",
        "Talep 4471 - bildiren {whole} - ikinci kattaki yazıcı sıkışıyor",
        "öğleden önce biri {whole} ile görüşsün",
    ),
}
_NOBODY: Final = {
    "en": ("The lift is out of order again.", "Where do I change my delivery address?"),
    "de": ("Der Aufzug ist wieder außer Betrieb.", "Wo ändere ich meine Lieferadresse?"),
    "fr": ("L'ascenseur est encore en panne.", "Où changer mon adresse de livraison ?"),
    "es": ("El ascensor vuelve a estar averiado.", "¿Dónde cambio mi dirección de envío?"),
    "it": ("L'ascensore è di nuovo guasto.", "Dove cambio l'indirizzo di consegna?"),
    "nl": ("De lift is weer kapot.", "Waar wijzig ik mijn afleveradres?"),
    "pl": ("Winda znowu nie działa.", "Gdzie zmienić adres dostawy?"),
    "pt": ("O elevador está avariado outra vez.", "Onde altero o endereço de entrega?"),
    "sv": ("Hissen är trasig igen.", "Var ändrar jag min leveransadress?"),
    "tr": ("Asansör yine bozuk.", "Teslimat adresimi nereden değiştirebilirim?"),
}
LOCALES: Final = tuple(_NAMES)


def framed_chat(locale: str) -> Iterator[Row]:
    """Texts of one locale and the places of names in them; one in three has none."""
    nobody = cycle(_NOBODY[locale])
    for name in _NAMES[locale]:
        first, _, last = name.partition(" ")
        for number, frame in enumerate(_FRAMES[locale]):
            yield _filled(frame, {"first": first, "last": last, "whole": name})
            if number % 2:
                yield next(nobody), []


def _filled(frame: str, values: dict[str, str]) -> Row:
    text, spans = "", list[tuple[int, int]]()
    for literal, slot, _, _ in Formatter().parse(frame):
        text += literal
        if slot:
            spans.append((len(text), len(text) + len(values[slot])))
            text += values[slot]
    return text, spans
