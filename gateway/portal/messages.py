"""Every sentence of the portal's own pages, in both languages side by side.

What refusals say is in `gateway.core.refusal_words`.
"""

from typing import Final

from gateway.core.refusals import Language
from gateway.portal.account_messages import ACCOUNT_MESSAGES
from gateway.portal.agreement_messages import AGREEMENT_MESSAGES
from gateway.portal.day_messages import DAY_MESSAGES
from gateway.portal.renewal_messages import RENEWAL_MESSAGES
from gateway.portal.request_messages import REQUEST_MESSAGES

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
    "not-open-now": {"en": "Not open now", "it": "Ora non aperte"},
    "closed-step-up": {
        "en": "Asks you to sign in once more first.",
        "it": "Prima chiede di accedere di nuovo.",
    },
    "closed-certificate": {
        "en": "Opens with another of your devices.",
        "it": "Si apre con un altro dei tuoi dispositivi.",
    },
    "closed-rule": {
        "en": "A rule keeps you out at the moment.",
        "it": "Al momento una regola te la chiude.",
    },
    "closed-here": {
        "en": "Does not open to you here and now.",
        "it": "Non si apre per te qui e ora.",
    },
    "closed-hours": {"en": "Outside its hours.", "it": "Fuori orario."},
    "closed-period": {
        "en": "Your time for it is over, or has not begun.",
        "it": "Il tuo periodo è finito, o non è ancora iniziato.",
    },
    "closed-network": {
        "en": "Does not open from the network that you are in.",
        "it": "Non si apre dalla rete in cui ti trovi.",
    },
    "opens-with-code": {"en": "Asks for a code first.", "it": "Prima chiede un codice."},
    "closed-approval": {
        "en": "Has to be asked for first.",
        "it": "Prima va richiesta.",
    },
    "closed-agreement": {
        "en": "There is something to read and accept first.",
        "it": "Prima c’è qualcosa da leggere e accettare.",
    },
    "closed-days": {
        "en": "No day is left for it now.",
        "it": "Adesso non ci sono giorni disponibili.",
    },
    "closed-part": {
        "en": "Only some of its pages are open to you: by their addresses.",
        "it": "Ti sono aperte solo alcune pagine: con il loro indirizzo.",
    },
    "parts-only": {
        "en": "Only these of its addresses are for you: {parts}",
        "it": "Per te sono solo questi suoi indirizzi: {parts}",
    },
    "closed-until": {"en": "Opens on {when}.", "it": "Apre {when}."},
    "search": {"en": "Search your applications", "it": "Cerca tra le tue applicazioni"},
    "search-go": {"en": "Search", "it": "Cerca"},
    "search-all": {"en": "Show all", "it": "Mostra tutte"},
    "search-nothing": {
        "en": "Nothing of yours is called “{wanted}”, or described so.",
        "it": "Nulla di tuo si chiama «{wanted}», né è descritto così.",
    },
    "whom-to-ask": {
        "en": "If you expected something here, ask",
        "it": "Se ti aspettavi di trovare qualcosa, chiedi a",
    },
    "you": {"en": "You", "it": "Tu"},
    "certificate": {"en": "Certificate", "it": "Certificato"},
    "valid-until": {"en": "valid until {date}", "it": "valido fino al {date}"},
    "ends-soon": {
        "en": "Your certificate ends in {span}, on {date}. Get a new one before that: an expired "
        "certificate is not even offered by the browser.",
        "it": "Il tuo certificato scade tra {span}, il {date}. Prendine uno nuovo prima: il "
        "browser non propone nemmeno i certificati scaduti.",
    },
    "renew-yourself": {"en": "Renew it now", "it": "Rinnovalo ora"},
    "ask-here": {"en": "Ask here:", "it": "Chiedi qui:"},
    "session": {"en": "Signed in", "it": "Accesso"},
    "session-ends": {"en": "for another {span}", "it": "ancora per {span}"},
    "language": {"en": "Language", "it": "Lingua"},
    "skip": {"en": "Skip to the content", "it": "Vai al contenuto"},
    "places": {"en": "Pages", "it": "Pagine"},
    "applications": {"en": "Applications", "it": "Applicazioni"},
    "devices": {"en": "Devices", "it": "Dispositivi"},
    "where-signed-in": {"en": "Where you are signed in", "it": "Dove hai effettuato l’accesso"},
    "this-one": {"en": "this one", "it": "questo"},
    "session-from": {"en": "since {since}, from {address}", "it": "dal {since}, da {address}"},
    "session-until": {"en": "until {until} at the latest", "it": "al massimo fino al {until}"},
    "end": {"en": "End", "it": "Termina"},
    "end-others": {"en": "End all the others", "it": "Termina tutti gli altri"},
    "ended-now": {
        "en": "Done. What was open there is closed, in every application.",
        "it": "Fatto. Ciò che era aperto lì è stato chiuso, in ogni applicazione.",
    },
    "ended-before": {
        "en": "That was over already: there was nothing left to end.",
        "it": "Era già finito: non restava nulla da terminare.",
    },
    "times-are": {"en": "Times are those of {zone}.", "it": "Gli orari sono quelli di {zone}."},
    "your-certificates": {"en": "Your certificates", "it": "I tuoi certificati"},
    "earlier-certificates": {"en": "Earlier ones", "it": "Quelli precedenti"},
    "certificate-number": {"en": "number …{serial}", "it": "numero …{serial}"},
    "certificate-dates": {
        "en": "valid from {since} until {until}",
        "it": "valido dal {since} al {until}",
    },
    "certificate-good": {"en": "good", "it": "valido"},
    "certificate-not-yet": {"en": "not valid yet", "it": "non ancora valido"},
    "certificate-held": {"en": "on hold", "it": "sospeso"},
    "certificate-stale": {
        "en": "nothing known of its revocation",
        "it": "stato di revoca non noto",
    },
    "certificate-revoked": {"en": "revoked", "it": "revocato"},
    "certificate-replaced": {"en": "replaced", "it": "sostituito"},
    "certificate-ended": {"en": "expired", "it": "scaduto"},
    "certificate-ends": {"en": "Ends in {span}.", "it": "Scade tra {span}."},
    "certificate-successor": {
        "en": "Number …{serial} takes its place.",
        "it": "Il numero …{serial} prende il suo posto.",
    },
    "certificate-goes": {
        "en": "Goes on until {date}, then it is revoked.",
        "it": "Vale ancora fino al {date}, poi viene revocato.",
    },
    "certificate-since": {
        "en": "This has been so since {date}.",
        "it": "È così dal {date}.",
    },
    "lost-this": {"en": "Lost?", "it": "Perso?"},
    "lost-one": {
        "en": "A device that is lost or stolen opens nothing more once you say so:",
        "it": "Un dispositivo perso o rubato non apre più nulla appena lo segnali:",
    },
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
    "help-lost": {"en": "Lost your stick?", "it": "Hai perso la chiavetta?"},
    "help-lost-what": {
        "en": "Then end its certificate now, from any phone: your password and a code are enough.",
        "it": "Allora annulla subito il suo certificato, da qualsiasi telefono: bastano la password "
        "e un codice.",
    },
    "help-ask": {
        "en": "No certificate, or anything else that does not go as it should? Ask",
        "it": "Non hai un certificato, o qualcos’altro non va come dovrebbe? Chiedi a",
    },
    "lost-stick": {"en": "Report a lost stick", "it": "Segnala una chiavetta persa"},
    "lost-what": {
        "en": "Say who you are, and you can end the certificate on it at once: whoever finds the "
        "stick gets nowhere with it.",
        "it": "Di’ chi sei, e potrai annullare subito il certificato che contiene: chi trova la "
        "chiavetta non potrà farci nulla.",
    },
    "lost-no-code": {
        "en": "No authenticator app at hand?",
        "it": "Non hai l’app di autenticazione con te?",
    },
    "recovery-code": {"en": "Recovery code", "it": "Codice di recupero"},
    "recovery-hint": {
        "en": "One of the ten on your sheet of paper, such as 7K3M-QX2A-9DFT-04HB. Leave the "
        "one-time code empty then.",
        "it": "Uno dei dieci sul tuo foglio, per esempio 7K3M-QX2A-9DFT-04HB. In tal caso lascia "
        "vuoto il codice monouso.",
    },
    "lost-show": {"en": "Show my certificates", "it": "Mostra i miei certificati"},
    "lost-cannot": {
        "en": "If you cannot, say so by another way, at once:",
        "it": "Se non ci riesci, avvisa subito in altro modo:",
    },
    "lost-cannot-nobody": {
        "en": "If you cannot, tell the people who gave you access, at once.",
        "it": "Se non ci riesci, avvisa subito chi ti ha dato l’accesso.",
    },
    "lost-wrong": {
        "en": "That was not right. Check user name and password, and type the code that shows "
        "now, or a recovery code that you have not used yet. The device that shows the codes must "
        "be on automatic time.",
        "it": "Qualcosa non è giusto. Controlla nome utente e password, e scrivi il codice che "
        "compare ora, o un codice di recupero che non hai ancora usato. Il dispositivo che mostra i "
        "codici deve avere l’ora automatica.",
    },
    "lost-code-used": {
        "en": "This code has already been used. Wait for the next one of your app, which changes "
        "every 30 seconds, or take another of your recovery codes.",
        "it": "Questo codice è già stato usato. Aspetta il prossimo della tua app, che cambia ogni "
        "30 secondi, o prendi un altro dei tuoi codici di recupero.",
    },
    "lost-slowed": {
        "en": "There were too many attempts. Wait {span}, then try again, or use a recovery code: "
        "with a good one there is no waiting.",
        "it": "Ci sono stati troppi tentativi. Aspetta {span}, poi riprova, o usa un codice di "
        "recupero: se è valido non si aspetta.",
    },
    "lost-busy": {
        "en": "Too many people are asking at this moment. Try again in a few seconds.",
        "it": "In questo momento ci sono troppe richieste. Riprova tra qualche secondo.",
    },
    "lost-too-late": {
        "en": "That took longer than ten minutes, so nothing was done. Say once more who you are.",
        "it": "Sono passati più di dieci minuti, quindi non è stato fatto nulla. Di’ di nuovo chi "
        "sei.",
    },
    "lost-overtaken": {
        "en": "Your account has just changed, so nothing was done. Say once more who you are.",
        "it": "Il tuo account è appena cambiato, quindi non è stato fatto nulla. Di’ di nuovo chi "
        "sei.",
    },
    "lost-which": {"en": "Which one is lost?", "it": "Quale hai perso?"},
    "lost-nothing": {"en": "Nothing to revoke", "it": "Nulla da revocare"},
    "lost-yours": {
        "en": "{name}, these are the certificates with which somebody can get in as you.",
        "it": "{name}, con questi certificati si può entrare a tuo nome.",
    },
    "lost-legend": {"en": "Lost or stolen", "it": "Persa o rubata"},
    "lost-serial": {"en": "number …{serial}", "it": "numero …{serial}"},
    "lost-since": {"en": "since {date}", "it": "dal {date}"},
    "lost-used": {"en": "last signed in {span} ago", "it": "ultimo accesso {span} fa"},
    "lost-held": {"en": "on hold", "it": "sospeso"},
    "lost-everything": {"en": "All of them", "it": "Tutti"},
    "lost-everything-hint": {
        "en": "Nobody gets in as you any more, not even you, until you get a new one.",
        "it": "Nessuno entra più a tuo nome, nemmeno tu, finché non ne ricevi uno nuovo.",
    },
    "lost-for-good": {
        "en": "This is for good: a stick that turns up again needs a new certificate.",
        "it": "È definitivo: una chiavetta ritrovata avrà bisogno di un certificato nuovo.",
    },
    "lost-revoke": {"en": "Revoke it now", "it": "Revoca ora"},
    "lost-choose-one": {
        "en": "Choose which one is lost. Nothing was done yet.",
        "it": "Scegli quale hai perso. Non è stato ancora fatto nulla.",
    },
    "lost-none": {
        "en": "You have no certificate that opens anything. What you had was revoked before, or it "
        "has expired.",
        "it": "Non hai certificati che aprano qualcosa. Quelli che avevi sono già stati revocati, o "
        "sono scaduti.",
    },
    "lost-none-left": {
        "en": "You have no other certificate.",
        "it": "Non hai altri certificati.",
    },
    "lost-revoked": {"en": "Revoked", "it": "Revocato"},
    "lost-at-once": {
        "en": "It opens nothing any more, here and everywhere, and what was open with it is "
        "closed.",
        "it": "Non apre più nulla, qui e altrove, e ciò che aveva aperto è stato chiuso.",
    },
    "lost-told": {
        "en": "The administrators are being told by mail.",
        "it": "Gli amministratori vengono avvisati per posta.",
    },
    "lost-nothing-new": {"en": "Already revoked", "it": "Già revocato"},
    "lost-already": {
        "en": "It was revoked before, so there was nothing left to do.",
        "it": "Era già stato revocato, quindi non restava nulla da fare.",
    },
    "lost-next": {"en": "What to do next", "it": "Che cosa fare adesso"},
    "lost-next-ask": {
        "en": "For a new stick, and with any question, ask",
        "it": "Per una chiavetta nuova, e per ogni domanda, chiedi a",
    },
    "lost-next-ask-nobody": {
        "en": "For a new stick, ask the people who gave you access.",
        "it": "Per una chiavetta nuova, chiedi a chi ti ha dato l’accesso.",
    },
    "lost-next-password": {
        "en": "If your password was written on it, or saved in its browser, have it changed too.",
        "it": "Se la password era scritta sulla chiavetta, o salvata nel suo browser, falla "
        "cambiare.",
    },
    "lost-next-number": {
        "en": "The number of this report, should anybody ask:",
        "it": "Il numero di questa segnalazione, se qualcuno lo chiede:",
    },
    "lost-others": {"en": "Is another one lost too?", "it": "Ne hai perso un altro?"},
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
    **ACCOUNT_MESSAGES,
    **DAY_MESSAGES,
    **AGREEMENT_MESSAGES,
    **RENEWAL_MESSAGES,
    **REQUEST_MESSAGES,
}


def say(key: str, language: Language, **values: str) -> str:
    """Return the sentence *key* in *language* with *values* in their places."""
    return MESSAGES[key][language].format(**values)
