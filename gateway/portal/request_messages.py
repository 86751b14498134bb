"""Every sentence of the pages on which people ask and decide, in both languages side by side."""

from typing import Final

from gateway.core.refusals import Language
from gateway.core.requests import DAY_MAXIMUM, OPEN_MAXIMUM, WORDS_MAXIMUM

REQUEST_MESSAGES: Final[dict[str, dict[Language, str]]] = {
    "requests": {"en": "Requests", "it": "Richieste"},
    "requests-waiting": {"en": "These wait for you", "it": "Aspettano te"},
    "one-waits": {
        "en": "One request waits for your answer.",
        "it": "Una richiesta aspetta la tua risposta.",
    },
    "some-wait": {
        "en": "{count} requests wait for your answer.",
        "it": "{count} richieste aspettano la tua risposta.",
    },
    "see-requests": {"en": "See what waits", "it": "Guarda che cosa aspetta"},
    "decide": {"en": "Decide", "it": "Decidi"},
    "requests-ask": {"en": "Ask for access", "it": "Chiedi l’accesso"},
    "requests-ask-what": {
        "en": "These open to you on days that somebody has approved.",
        "it": "Queste si aprono per te nei giorni che qualcuno ha approvato.",
    },
    "requests-own": {"en": "What you have asked for", "it": "Quello che hai chiesto"},
    "requests-none": {
        "en": "Nothing that is still to come.",
        "it": "Nulla che debba ancora venire.",
    },
    "requests-earlier": {"en": "Earlier ones", "it": "Quelle precedenti"},
    "requests-back": {"en": "Back to the requests", "it": "Torna alle richieste"},
    "request-reason": {"en": "Your reason: {reason}", "it": "Il tuo motivo: {reason}"},
    "request-words": {"en": "Answer: {words}", "it": "Risposta: {words}"},
    "request-number": {"en": "Number {number}", "it": "Numero {number}"},
    "request-lesser": {"en": "You had asked for {days}.", "it": "Avevi chiesto {days}."},
    "request-withdraw": {"en": "Withdraw", "it": "Ritira"},
    "request-give-back": {"en": "Give back", "it": "Restituisci"},
    "request-withdrawn": {
        "en": "Withdrawn. Nobody has to answer it any more.",
        "it": "Ritirata. Nessuno deve più rispondere.",
    },
    "request-given-back": {
        "en": "Given back. It does not open to you on those days any more.",
        "it": "Restituita. In quei giorni non si apre più per te.",
    },
    "request-moved": {
        "en": "That request has moved on meanwhile. This is how it stands.",
        "it": "Quella richiesta nel frattempo è cambiata. Ecco a che punto è.",
    },
    "request-sent": {
        "en": "Asked for: {days}. Whoever decides it can see it now; the answer will stand here.",
        "it": "Richiesta inviata: {days}. Chi decide la vede da adesso; la risposta comparirà qui.",
    },
    "request-beyond": {
        "en": "As things are, you would have no day left for {days}.",
        "it": "Per come stanno le cose, non ti resterebbero giorni per {days}.",
    },
    "request-state-asked": {"en": "waits for an answer", "it": "aspetta una risposta"},
    "request-state-late": {"en": "nobody answered in time", "it": "nessuno ha risposto in tempo"},
    "request-state-approved": {"en": "approved", "it": "approvata"},
    "request-state-refused": {"en": "refused", "it": "rifiutata"},
    "request-state-withdrawn": {"en": "withdrawn", "it": "ritirata"},
    "request-state-ended": {"en": "ended early", "it": "terminata in anticipo"},
    "ask-for": {"en": "Ask for {title}", "it": "Chiedi {title}"},
    "ask-days": {"en": "On which days?", "it": "In quali giorni?"},
    "ask-chosen": {"en": "Also chosen: {days}.", "it": "Scelti anche: {days}."},
    "month-before": {"en": "Month before", "it": "Mese prima"},
    "month-after": {"en": "Month after", "it": "Mese dopo"},
    "day-over": {"en": "cannot be asked for", "it": "non si può chiedere"},
    "day-approved": {"en": "approved already", "it": "già approvato"},
    "day-asked": {"en": "asked for already", "it": "già richiesto"},
    "day-used": {"en": "used already", "it": "già usato"},
    "day-gone": {"en": "used", "it": "usato"},
    "day-spent": {"en": "no day left for it", "it": "nessun giorno disponibile"},
    "ask-longer": {"en": "For a longer time", "it": "Per un periodo più lungo"},
    "ask-first": {"en": "First day", "it": "Primo giorno"},
    "ask-last": {"en": "Last day", "it": "Ultimo giorno"},
    "ask-reason": {"en": "Why?", "it": "Perché?"},
    "ask-reason-hint": {
        "en": "One sentence is enough. It stays in the record.",
        "it": "Basta una frase. Resta agli atti.",
    },
    "ask-send": {"en": "Ask", "it": "Invia la richiesta"},
    "request-quota": {
        "en": "There are {number} days a month; used in {month}: {used}.",
        "it": "I giorni sono {number} al mese; usati in {month}: {used}.",
    },
    "request-quota-apart": {
        "en": "There are {number} days a month, never two in a row; used in {month}: {used}.",
        "it": "I giorni sono {number} al mese, mai due di seguito; usati in {month}: {used}.",
    },
    "request-dates": {
        "en": "A first and a last day are needed, such as 2026-11-24, in this order.",
        "it": "Servono un primo e un ultimo giorno, come 2026-11-24, in quest’ordine.",
    },
    "request-fault-no-days": {
        "en": "Choose at least one day.",
        "it": "Scegli almeno un giorno.",
    },
    "request-fault-past": {
        "en": "A day that is past cannot be asked for, or granted.",
        "it": "Un giorno passato non si può chiedere, né concedere.",
    },
    "request-fault-too-far": {
        "en": "That is further ahead than a year.",
        "it": "È più avanti di un anno.",
    },
    "request-fault-no-reason": {"en": "Say why, in a few words.", "it": "Scrivi perché, in breve."},
    "request-fault-long": {
        "en": f"That is too long: at most {WORDS_MAXIMUM} characters.",
        "it": f"È troppo lungo: al massimo {WORDS_MAXIMUM} caratteri.",
    },
    "request-fault-too-many": {
        "en": f"{OPEN_MAXIMUM} requests of yours wait already. Withdraw one, or wait for an answer.",
        "it": f"Ci sono già {OPEN_MAXIMUM} tue richieste in attesa. Ritirane una, o aspetta una "
        "risposta.",
    },
    "request-fault-too-often": {
        "en": f"You have asked {DAY_MAXIMUM} times in a day. Ask again tomorrow.",
        "it": f"Hai chiesto {DAY_MAXIMUM} volte in un giorno. Riprova domani.",
    },
    "request-fault-asked-before": {
        "en": "For one of these days you have asked already. See your requests.",
        "it": "Per uno di questi giorni hai già chiesto. Guarda le tue richieste.",
    },
    "request-fault-outside": {
        "en": "Only days that were asked for can be approved.",
        "it": "Si possono approvare solo giorni che sono stati chiesti.",
    },
    "decide-title": {"en": "{name} asks for {title}", "it": "{name} chiede {title}"},
    "decide-who": {"en": "Who", "it": "Chi"},
    "decide-days": {"en": "Days", "it": "Giorni"},
    "decide-reason": {"en": "Why", "it": "Perché"},
    "decide-asked": {"en": "Asked on", "it": "Richiesto il"},
    "decide-used": {"en": "Days used lately", "it": "Giorni usati di recente"},
    "decide-used-none": {"en": "none", "it": "nessuno"},
    "decide-beyond": {
        "en": "As things are, no day would be left for {days}: an approval alone does not open it "
        "then.",
        "it": "Per come stanno le cose, non ci sarebbero giorni per {days}: la sola approvazione "
        "allora non basta.",
    },
    "decide-late": {
        "en": "All of these days are past: it can only be refused.",
        "it": "Questi giorni sono tutti passati: si può solo rifiutare.",
    },
    "decide-which": {
        "en": "Which days do you approve?",
        "it": "Quali giorni approvi?",
    },
    "decide-span": {
        "en": "From when until when do you approve it?",
        "it": "Da quando a quando lo approvi?",
    },
    "decide-words": {
        "en": "What you say to it (may be left out)",
        "it": "Che cosa rispondi (facoltativo)",
    },
    "decide-approve": {"en": "Approve these days", "it": "Approva questi giorni"},
    "decide-refuse": {"en": "Refuse all of it", "it": "Rifiuta tutto"},
    "decide-choose": {"en": "Approve it or refuse it.", "it": "Approva o rifiuta."},
    "decided-approved": {
        "en": "Approved: {name}, {title}, {days}.",
        "it": "Approvato: {name}, {title}, {days}.",
    },
    "decided-refused": {
        "en": "Refused: {name}, {title}, {days}.",
        "it": "Rifiutato: {name}, {title}, {days}.",
    },
    "decided-before": {
        "en": "Nothing was done: the request for {title} had been settled before ({state}).",
        "it": "Non è stato fatto nulla: la richiesta di {title} era già stata decisa ({state}).",
    },
}
