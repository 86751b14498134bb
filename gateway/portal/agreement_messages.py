"""Every sentence of the pages on which people accept agreements, in both languages side by side."""

from typing import Final

from gateway.core.refusals import Language

AGREEMENT_MESSAGES: Final[dict[str, dict[Language, str]]] = {
    "agreements": {"en": "Agreements", "it": "Accordi"},
    "agree-yours": {"en": "What you have agreed to", "it": "Che cosa hai accettato"},
    "agree-none": {
        "en": "There is nothing that you have to read and accept.",
        "it": "Non c’è nulla che tu debba leggere e accettare.",
    },
    "agree-for": {"en": "For: {applications}", "it": "Per: {applications}"},
    "agree-due": {"en": "To be read and accepted.", "it": "Da leggere e accettare."},
    "agree-again": {
        "en": "What you accepted is not enough any more: there is another text to be accepted.",
        "it": "Ciò che hai accettato non basta più: c’è un altro testo da accettare.",
    },
    "agree-soon": {
        "en": "A new version is in force from {due} on. You can accept it now.",
        "it": "Una nuova versione entra in vigore il {due}. Puoi accettarla già ora.",
    },
    "agree-accepted": {
        "en": "You have accepted version {version}.",
        "it": "Hai accettato la versione {version}.",
    },
    "agree-nothing": {
        "en": "You have accepted nothing of it.",
        "it": "Non ne hai accettato nulla.",
    },
    "agree-version": {
        "en": "Version {version}, in force from {due} on",
        "it": "Versione {version}, in vigore dal {due}",
    },
    "agree-in-en": {
        "en": "This text is in English.",
        "it": "Questo testo c’è solo in inglese.",
    },
    "agree-in-it": {
        "en": "This text is there in Italian only.",
        "it": "Questo testo è in italiano.",
    },
    "agree-text": {"en": "The text", "it": "Il testo"},
    "agree-tick-this": {
        "en": "I have read this text and accept it.",
        "it": "Ho letto questo testo e lo accetto.",
    },
    "agree-record": {
        "en": "What is written down: this version, its fingerprint, the time, and the certificate "
        "that you are using. You can withdraw at any time.",
        "it": "Viene annotato: questa versione, la sua impronta, l’ora e il certificato che stai "
        "usando. Puoi ritirare l’accettazione quando vuoi.",
    },
    "agree": {"en": "Accept", "it": "Accetta"},
    "agree-tick": {
        "en": "Tick that you have read and accept the text. Nothing was written down yet.",
        "it": "Spunta la casella se hai letto e accetti il testo. Non è stato ancora annotato "
        "nulla.",
    },
    "agree-outdated": {
        "en": "The text has changed since you opened it, so nothing was written down. Please read "
        "it as it is now.",
        "it": "Il testo è cambiato da quando l’hai aperto, quindi non è stato annotato nulla. "
        "Leggilo com’è adesso.",
    },
    "agree-too-often": {
        "en": "You have accepted and withdrawn very often today. Try again tomorrow.",
        "it": "Oggi hai accettato e ritirato moltissime volte. Riprova domani.",
    },
    "agree-done": {
        "en": "You accepted this version on {at}.",
        "it": "Hai accettato questa versione il {at}.",
    },
    "agree-digest": {"en": "Fingerprint (SHA-256)", "it": "Impronta (SHA-256)"},
    "agree-open": {"en": "Open {title}", "it": "Apri {title}"},
    "agree-other-versions": {"en": "Other versions", "it": "Altre versioni"},
    "agree-read-version": {"en": "Read version {version}", "it": "Leggi la versione {version}"},
    "agree-withdraw": {"en": "Withdraw", "it": "Ritira"},
    "agree-withdraw-title": {
        "en": "Withdraw from “{title}”?",
        "it": "Ritirare «{title}»?",
    },
    "agree-withdraw-what": {
        "en": "What you have accepted of it will not count any more, in any version. That you "
        "accepted it, and when, stays on record.",
        "it": "Ciò che ne hai accettato non varrà più, in nessuna versione. Che l’hai accettato, e "
        "quando, resta annotato.",
    },
    "agree-withdraw-closes": {
        "en": "This closes at once, with all that is open in it: {applications}. You can accept it "
        "again later.",
        "it": "Si chiude subito, con tutto ciò che vi è aperto: {applications}. Potrai accettarlo "
        "di nuovo più tardi.",
    },
    "agree-keep": {"en": "No, keep it", "it": "No, lascialo"},
    "agree-list": {"en": "The record", "it": "Il registro"},
    "agree-line": {
        "en": "version {version}, accepted on {at}",
        "it": "versione {version}, accettata il {at}",
    },
    "agree-with": {
        "en": "with certificate {serial}",
        "it": "con il certificato {serial}",
    },
    "agree-withdrawn": {"en": "withdrawn on {at}", "it": "ritirata il {at}"},
    "agree-notice-due": {
        "en": "“{title}” has to be read and accepted. Until then this stays closed to you: "
        "{applications}.",
        "it": "«{title}» è da leggere e accettare. Fino ad allora questo per te resta chiuso: "
        "{applications}.",
    },
    "agree-notice-soon": {
        "en": "There is a new version of “{title}”. From {due} on this closes to you until you "
        "accept it: {applications}.",
        "it": "C’è una nuova versione di «{title}». Dal {due} questo per te si chiude finché non "
        "l’accetti: {applications}.",
    },
    "agree-read": {"en": "Read and accept", "it": "Leggi e accetta"},
}
