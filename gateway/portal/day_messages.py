"""What is said of days that count, in both languages side by side."""

from typing import Final

from gateway.core.refusals import Language

DAY_MESSAGES: Final[dict[str, dict[Language, str]]] = {
    "your-days": {"en": "Your days", "it": "I tuoi giorni"},
    "days-what": {
        "en": "A day counts when one of these applications is opened on it for the first time, and "
        "lasts until midnight by the clock of {zone}.",
        "it": "Un giorno conta da quando una di queste applicazioni viene aperta per la prima volta, "
        "e dura fino a mezzanotte secondo l’orologio di {zone}.",
    },
    "days-used": {
        "en": "{used} of {all} days used in {month}.",
        "it": "Giorni usati nel mese di {month}: {used} su {all}.",
    },
    "days-left": {"en": "Left: {left}.", "it": "Rimasti: {left}."},
    "days-row": {"en": "Never two in a row.", "it": "Mai due di seguito."},
    "days-today": {"en": "Today is one of them.", "it": "Oggi è uno di questi."},
    "days-spends": {
        "en": "Opening it today uses one up.",
        "it": "Se la apri oggi ne usi uno.",
    },
    "days-may": {"en": "Today does not count so far.", "it": "Oggi finora non conta."},
    "days-next": {
        "en": "The next possible day is {day}.",
        "it": "Il prossimo giorno in cui puoi è {day}.",
    },
    "days-list": {"en": "Used in {month}", "it": "Usati nel mese di {month}"},
}
