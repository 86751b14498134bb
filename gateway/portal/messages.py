"""Every sentence of the portal's own pages, in both languages side by side.

What refusals say is in `gateway.core.refusal_words`.
"""

from typing import Final

from gateway.core.refusals import Language

MESSAGES: Final[dict[str, dict[Language, str]]] = {
    "sign-in": {"en": "Sign in", "it": "Accedi"},
    "welcome": {"en": "Welcome, {name}", "it": "Ciao, {name}"},
    "certificate-found": {
        "en": "Your certificate “{device}” is in order. Now your password and the code of this "
        "moment.",
        "it": "Il tuo certificato «{device}» è in ordine. Ora la password e il codice di questo "
        "momento.",
    },
    "going-to": {"en": "After that you go on to {host}.", "it": "Poi si prosegue verso {host}."},
    "user": {"en": "User name", "it": "Nome utente"},
    "password": {"en": "Password", "it": "Password"},
    "code": {"en": "One-time code", "it": "Codice monouso"},
    "code-hint": {
        "en": "Six digits from your authenticator app",
        "it": "Sei cifre dalla tua app di autenticazione",
    },
    "error": {"en": "Error", "it": "Errore"},
    "wrong": {
        "en": "That was not right. Check your password, and type the code that shows now.",
        "it": "Qualcosa non è giusto. Controlla la password e scrivi il codice che compare ora.",
    },
    "code-used": {
        "en": "This code has already been used. Wait for the next one: it changes every 30 "
        "seconds.",
        "it": "Questo codice è già stato usato. Aspetta il prossimo: cambia ogni 30 secondi.",
    },
    "clock-ahead": {
        "en": "The clock of the device that shows your codes is about {span} ahead. Set it to "
        "automatic time, then type a new code.",
        "it": "L’orologio del dispositivo che mostra i codici è avanti di circa {span}. Imposta "
        "l’ora automatica, poi scrivi un nuovo codice.",
    },
    "clock-behind": {
        "en": "The clock of the device that shows your codes is about {span} behind. Set it to "
        "automatic time, then type a new code.",
        "it": "L’orologio del dispositivo che mostra i codici è indietro di circa {span}. Imposta "
        "l’ora automatica, poi scrivi un nuovo codice.",
    },
    "locked": {
        "en": "There were too many attempts with this certificate. Wait {span}, then try again.",
        "it": "Ci sono stati troppi tentativi con questo certificato. Aspetta {span}, poi riprova.",
    },
    "not-you": {
        "en": "If it was not you, report it at once:",
        "it": "Se non sei stato tu, segnalalo subito:",
    },
    "your-applications": {"en": "Your applications", "it": "Le tue applicazioni"},
    "nothing-open": {
        "en": "Nothing is open to you at the moment.",
        "it": "In questo momento non puoi aprire nulla.",
    },
    "whom-to-ask": {
        "en": "If you expected something here, ask",
        "it": "Se ti aspettavi di trovare qualcosa, chiedi a",
    },
    "you": {"en": "You", "it": "Tu"},
    "certificate": {"en": "Certificate", "it": "Certificato"},
    "valid-until": {"en": "valid until {date}", "it": "valido fino al {date}"},
    "ends-soon": {
        "en": "Your certificate ends in {span}, on {date}. Ask for a new one before that: an "
        "expired certificate is not even offered by the browser.",
        "it": "Il tuo certificato scade tra {span}, il {date}. Chiedine uno nuovo prima: il "
        "browser non propone nemmeno i certificati scaduti.",
    },
    "ask-here": {"en": "Ask here:", "it": "Chiedi qui:"},
    "session": {"en": "Signed in", "it": "Accesso"},
    "session-ends": {"en": "for another {span}", "it": "ancora per {span}"},
    "sign-out": {"en": "Sign out", "it": "Esci"},
    "signed-out": {"en": "You are signed out", "it": "Hai effettuato l’uscita"},
    "signed-out-everywhere": {
        "en": "Everything that was open is closed, in every application and every window.",
        "it": "Tutto ciò che era aperto è stato chiuso, in ogni applicazione e ogni finestra.",
    },
    "close-browser": {
        "en": "On somebody else’s computer, close the browser too and take your stick with you.",
        "it": "Sul computer di un altro, chiudi anche il browser e porta via la tua chiavetta.",
    },
    "sign-in-again": {"en": "Sign in again", "it": "Accedi di nuovo"},
    "going-on": {"en": "You are signed in", "it": "Hai effettuato l’accesso"},
    "going-on-to": {
        "en": "You are being brought to {title}.",
        "it": "Stai per arrivare a {title}.",
    },
    "go-on": {"en": "Go on to {title}", "it": "Prosegui verso {title}"},
    "help": {"en": "A narrow door", "it": "Una porta stretta"},
    "help-what": {
        "en": "Behind this name are internal applications. They open to people who hold a "
        "personal certificate and sign in with a password and a one-time code.",
        "it": "Dietro a questo nome ci sono applicazioni interne. Si aprono a chi ha un "
        "certificato personale e accede con una password e un codice monouso.",
    },
    "help-enter": {"en": "To the sign-in", "it": "Vai all’accesso"},
    "help-certificate": {
        "en": "Your browser will ask which certificate to show. If it does not ask, or if you "
        "are told that there is none, restart the browser: yours may not be in it, or it may "
        "have expired.",
        "it": "Il browser chiederà quale certificato mostrare. Se non lo chiede, o se ti viene "
        "detto che non ce n’è alcuno, riavvialo: il tuo potrebbe non esserci, o essere scaduto.",
    },
    "help-ask": {
        "en": "No certificate, or lost the stick with it? Say so at once:",
        "it": "Non hai un certificato, o hai perso la chiavetta? Avvisa subito:",
    },
    "help-machines": {"en": "For machines", "it": "Per le macchine"},
    "help-crl": {
        "en": "Revoked certificates of “{issuer}” (CRL)",
        "it": "Certificati revocati di «{issuer}» (CRL)",
    },
    "help-ca": {"en": "Certificate of “{issuer}”", "it": "Certificato di «{issuer}»"},
    "help-jwks": {
        "en": "Keys of the assertions that applications are sent (JWKS)",
        "it": "Chiavi delle asserzioni inviate alle applicazioni (JWKS)",
    },
}


def say(key: str, language: Language, **values: str) -> str:
    """Return the sentence *key* in *language* with *values* in their places."""
    return MESSAGES[key][language].format(**values)
