"""What each refusal says to the person who meets it, in English and Italian.

One title, what happened, and what to do next. Nothing here names a host, a
person or a rule: a stranger reads the same words.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from gateway.core.refusal_kinds import Refusal

Language = Literal["en", "it"]


class Way(Enum):
    """The way out that a page offers as a button."""

    AGAIN = "again"  # the same address once more
    PORTAL = "portal"  # the start of the site; only where the certificate is known
    AGREEMENTS = "agreements"  # what is to be read and accepted; as above
    REQUESTS = "requests"  # where access is asked for; as above
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Words:
    """One refusal in one language; *then* is one paragraph for each line.

    Where browsers differ in what is to be done, *browsers* says it for each, by its name.
    """

    title: str
    happened: str
    then: tuple[str, ...]
    browsers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every refusal in one language."""

    whom_to_ask: str
    nobody_named: str
    say_this: str
    request: str
    opens: str
    """When it opens again; `{when}` is that moment."""
    again: str
    to_portal: str
    to_agreements: str
    to_requests: str
    lost: str
    report_lost: str


WAYS: Final = {
    Refusal.NO_CERTIFICATE: Way.AGAIN,
    Refusal.CERTIFICATE_UNKNOWN: Way.NONE,
    Refusal.CERTIFICATE_REVOKED: Way.NONE,
    Refusal.CERTIFICATE_HELD: Way.AGAIN,
    Refusal.CERTIFICATE_EXPIRED: Way.NONE,
    Refusal.CERTIFICATE_NOT_YET_VALID: Way.AGAIN,
    Refusal.CERTIFICATE_STATUS_STALE: Way.AGAIN,
    Refusal.CERTIFICATE_UNTRUSTED: Way.NONE,
    Refusal.PERSON_DISABLED: Way.NONE,
    Refusal.PERSON_REMOVED: Way.NONE,
    Refusal.PERSON_UNKNOWN: Way.NONE,
    Refusal.SESSION_REQUIRED: Way.PORTAL,
    Refusal.SESSION_OF_ANOTHER_CERTIFICATE: Way.PORTAL,
    Refusal.TICKET_REFUSED: Way.PORTAL,
    Refusal.NOT_ALLOWED: Way.PORTAL,
    Refusal.OUTSIDE_HOURS: Way.PORTAL,
    Refusal.OUTSIDE_PERIOD: Way.PORTAL,
    Refusal.OUTSIDE_NETWORK: Way.PORTAL,
    Refusal.OTHER_CERTIFICATE: Way.PORTAL,
    Refusal.PART_NOT_ALLOWED: Way.PORTAL,
    Refusal.APPROVAL_MISSING: Way.REQUESTS,
    Refusal.AGREEMENT_MISSING: Way.AGREEMENTS,
    Refusal.DAYS_SPENT: Way.PORTAL,
    Refusal.CODE_REQUIRED: Way.PORTAL,
    Refusal.OUTSIDE_CERTIFICATE_SCOPE: Way.PORTAL,
    Refusal.CROSS_SITE_REQUEST: Way.PORTAL,
    Refusal.NOT_FOUND: Way.PORTAL,
    Refusal.METHOD_REFUSED: Way.PORTAL,
    Refusal.METHOD_UNKNOWN: Way.NONE,
    Refusal.UNKNOWN_HOST: Way.NONE,
    Refusal.MISDIRECTED: Way.AGAIN,
    Refusal.BAD_REQUEST: Way.NONE,
    Refusal.REQUEST_TIMEOUT: Way.AGAIN,
    Refusal.BODY_TOO_LARGE: Way.NONE,
    Refusal.TARGET_TOO_LONG: Way.NONE,
    Refusal.HEAD_TOO_LARGE: Way.NONE,
    Refusal.UPSTREAM_UNREACHABLE: Way.AGAIN,
    Refusal.UPSTREAM_BROKEN: Way.AGAIN,
    Refusal.UPSTREAM_TIMEOUT: Way.AGAIN,
    Refusal.NO_UPSTREAM: Way.AGAIN,
    Refusal.STORE_UNAVAILABLE: Way.AGAIN,
    Refusal.OVERLOADED: Way.AGAIN,
    Refusal.INTERNAL: Way.AGAIN,
}

LOST: Final = frozenset({Refusal.NO_CERTIFICATE, Refusal.CERTIFICATE_HELD})
"""Where somebody may be who has lost the stick: the page leads to where that is reported."""

FRAMES: Final[dict[Language, Frame]] = {
    "en": Frame(
        whom_to_ask="If this does not help, ask",
        nobody_named="If this does not help, ask the people who gave you access.",
        say_this="Tell them this:",
        request="Request id",
        opens="It opens to you again on {when}.",
        again="Try again",
        to_portal="Go to the start page",
        to_agreements="Read and accept",
        to_requests="Ask for access",
        lost="Is the stick lost or stolen?",
        report_lost="Report it, and its certificate is revoked at once.",
    ),
    "it": Frame(
        whom_to_ask="Se non basta, chiedi a",
        nobody_named="Se non basta, chiedi a chi ti ha dato l’accesso.",
        say_this="Riferisci questo:",
        request="Numero della richiesta",
        opens="Per te riapre {when}.",
        again="Riprova",
        to_portal="Vai alla pagina iniziale",
        to_agreements="Leggi e accetta",
        to_requests="Chiedi l’accesso",
        lost="La chiavetta è stata persa o rubata?",
        report_lost="Segnalalo: il suo certificato viene revocato subito.",
    ),
}

_ENGLISH: Final = {
    Refusal.NO_CERTIFICATE: Words(
        "Your browser showed no certificate",
        "This door opens only with a personal certificate. Yours was not chosen, is not in this "
        "browser, or yours has expired: browsers do not offer expired certificates.",
        (
            (
                "If you carry your browser on a stick, start that one, and type its primary password "
                "when it asks."
            ),
            "If you were asked, and chose none, this is how you are asked again:",
        ),
        (
            (
                "Firefox",
                (
                    "Close every window and start it again: to load this page once more is not enough. "
                    "If it still does not ask, it was told to remember the choice: look for "
                    "“certificates” in its settings, open them, and delete this site under "
                    "Authentication Decisions."
                ),
            ),
            (
                "Chrome, Edge, Chromium",
                "Try again. If it does not ask, close every window and start it again.",
            ),
            (
                "Safari",
                (
                    "Quit it (⌘Q) and start it again. If it still does not ask, look for this site in "
                    "Keychain Access and delete the identity preference."
                ),
            ),
        ),
    ),
    Refusal.CERTIFICATE_UNKNOWN: Words(
        "This certificate is not known here",
        "Your browser showed a certificate that is in none of our records.",
        ("Use the certificate or the stick that you were given for this site.",),
    ),
    Refusal.CERTIFICATE_REVOKED: Words(
        "This certificate has been revoked",
        "It was withdrawn, perhaps because a stick was reported lost or a newer certificate took "
        "its place. It will not open anything again.",
        (
            (
                "If you have a newer stick or certificate, use that one and restart the browser. If you "
                "have renewed this one on its stick, save renewal.tar there and start the stick again."
            ),
            (
                "If Firefox goes on showing the old one: Settings, look for “certificates”, View "
                "Certificates, Authentication Decisions, delete the lines of this site, restart."
            ),
            "If you have no newer one, ask for a new certificate.",
        ),
    ),
    Refusal.CERTIFICATE_HELD: Words(
        "This certificate is on hold",
        "It was stopped for a while, perhaps because a stick was mislaid. It can be released, and "
        "then opens everything as before.",
        ("If the stick is in your hands, ask for the certificate to be released.",),
    ),
    Refusal.CERTIFICATE_EXPIRED: Words(
        "Your certificate has expired",
        "Every certificate has an end, and yours is past it.",
        (
            ("Ask for a new one. If you have it already, restart the browser and choose that one."),
            "If you think that it cannot have ended yet, check the date of this computer.",
        ),
    ),
    Refusal.CERTIFICATE_NOT_YET_VALID: Words(
        "Your certificate is not valid yet",
        "Its first day is still to come.",
        ("Wait until that day, or ask when it begins.",),
    ),
    Refusal.CERTIFICATE_STATUS_STALE: Words(
        "We cannot check your certificate at the moment",
        "Nothing is wrong with it as far as we know, but without that check nobody gets in.",
        ("Try again in a minute.",),
    ),
    Refusal.PERSON_DISABLED: Words(
        "Your access is switched off",
        "Your certificate is in order, but your account has been disabled.",
        ("Ask for it to be switched on again.",),
    ),
    Refusal.PERSON_REMOVED: Words(
        "Your access has ended",
        "This certificate belongs to an account that is no longer there.",
        ("If you still need access, ask for a new account and a new certificate.",),
    ),
    Refusal.CERTIFICATE_UNTRUSTED: Words(
        "This certificate is not accepted here",
        "It comes from another organisation, and in a way in which this site does not trust it.",
        (
            "If you have another certificate for this site, use that one.",
            "If you have not, ask for this one to be looked at.",
        ),
    ),
    Refusal.PERSON_UNKNOWN: Words(
        "Your certificate is good, but you have no account here",
        "It comes from an organisation that this site trusts, but it leads to no account.",
        ("Ask for an account, and show the certificate that you have.",),
    ),
    Refusal.SESSION_REQUIRED: Words(
        "Please sign in",
        "You are not signed in, or your sign-in has ended.",
        ("Sign in on the start page, then open this page again.",),
    ),
    Refusal.SESSION_OF_ANOTHER_CERTIFICATE: Words(
        "You signed in with another certificate",
        "A sign-in is worth something only together with the certificate it was made with.",
        ("Sign in again with the certificate that you are using now.",),
    ),
    Refusal.TICKET_REFUSED: Words(
        "The way back took too long",
        "After a sign-in you are brought to the application within a few seconds. This link is "
        "older than that, or was made for somebody else.",
        ("Go to the start page and open the application from there.",),
    ),
    Refusal.NOT_ALLOWED: Words(
        "This is not open to you",
        "Your certificate is good, but the rules of this application do not let you in.",
        ("The start page shows what you may open.",),
    ),
    Refusal.OUTSIDE_HOURS: Words(
        "This is closed to you at this hour",
        "Your certificate is good, and this application opens to you at certain times only. This is not "
        "one of them.",
        ("The start page shows what is open now.",),
    ),
    Refusal.OUTSIDE_PERIOD: Words(
        "Your access is for other days",
        "This application was opened to you for certain days, and today is not one of them: they "
        "are over, or have yet to come.",
        ("Whoever opened it to you can say which days, and open it for longer.",),
    ),
    Refusal.OUTSIDE_NETWORK: Words(
        "Not from this network",
        "This application opens to you, but not from the network that you are in now.",
        ("From the office, or from another network that was agreed on, it will.",),
    ),
    Refusal.OTHER_CERTIFICATE: Words(
        "This opens with another certificate",
        "This application opens to you with another certificate: that of another of your devices, "
        "or of another authority.",
        ("Start the browser in which that one is. The start page shows what this one opens.",),
    ),
    Refusal.PART_NOT_ALLOWED: Words(
        "Not in this part",
        "This application opens to you, but this part of it does not, or not for what you were "
        "about to do.",
        ("Go back to what you came from: the rest of it is open as before.",),
    ),
    Refusal.APPROVAL_MISSING: Words(
        "Ask for it first",
        "This application opens to you on days that somebody has approved, and today is not one "
        "of them.",
        ("Ask for it below. Whoever approves it is told, and it opens as soon as they do.",),
    ),
    Refusal.AGREEMENT_MISSING: Words(
        "There is something to read and accept first",
        "This application opens to you once you have accepted the agreement that goes with it. "
        "It is new, or there is a new version of it.",
        ("Once you have accepted it, come back: it opens at once.",),
    ),
    Refusal.DAYS_SPENT: Words(
        "No day is left for this now",
        "This application opens to you on a number of days a month, and today cannot be one of "
        "them: they are used up, or two of them would be in a row.",
        ("The start page shows which days you have used, and which is the next.",),
    ),
    Refusal.CODE_REQUIRED: Words(
        "A code is needed again",
        "For this part of the application a code from your phone must have been given shortly "
        "before.",
        ("Open the application in the browser: it asks for the code.",),
    ),
    Refusal.OUTSIDE_CERTIFICATE_SCOPE: Words(
        "Not with this certificate",
        "The certificate you are using opens certain applications only, and this is not one of "
        "them.",
        ("Use another certificate if you have one. The start page shows what this one opens.",),
    ),
    Refusal.CROSS_SITE_REQUEST: Words(
        "This did not come from our own page",
        "Another site, or a very old page, asked for something in your name. Nothing was done.",
        ("Go to the start page and do it from there.",),
    ),
    Refusal.NOT_FOUND: Words(
        "There is no such page",
        "The address has nothing behind it.",
        ("Check the address, or begin at the start page.",),
    ),
    Refusal.METHOD_REFUSED: Words(
        "That cannot be done here",
        "This address does not take this kind of request.",
        ("Begin at the start page.",),
    ),
    Refusal.METHOD_UNKNOWN: Words(
        "Nothing here can do that",
        "Your program sent a kind of request that nothing here takes.",
        ("Whoever looks after the program can tell by its method.",),
    ),
    Refusal.UNKNOWN_HOST: Words(
        "Nothing is served under this name",
        "The name in the address is not one of ours.",
        ("Check the address for a spelling mistake.",),
    ),
    Refusal.MISDIRECTED: Words(
        "The connection was made for another name",
        "Your browser asked for this page over a connection that belongs to another of our names.",
        ("Try again: the browser will make a new connection.",),
    ),
    Refusal.BAD_REQUEST: Words(
        "We could not read this request",
        "What your browser or program sent does not follow the rules of HTTP.",
        ("If it was a link, check that it is complete.",),
    ),
    Refusal.REQUEST_TIMEOUT: Words(
        "Your request did not arrive in time",
        "The connection stood still before the request was complete.",
        ("Check your network and try again.",),
    ),
    Refusal.BODY_TOO_LARGE: Words(
        "That is too large",
        "More was sent than this address takes.",
        ("Send less at once.",),
    ),
    Refusal.TARGET_TOO_LONG: Words(
        "This address is too long",
        "The address that was asked for has more characters than we accept.",
        ("Check the link, or begin again from a shorter address.",),
    ),
    Refusal.HEAD_TOO_LARGE: Words(
        "The request carries too much",
        "Its header fields are larger than we accept; often too many cookies are the reason.",
        ("Clear the cookies of this site in your browser and try again.",),
    ),
    Refusal.UPSTREAM_UNREACHABLE: Words(
        "The application is not running",
        "You were let in, but the application behind this address does not answer.",
        ("Try again in a few minutes.",),
    ),
    Refusal.UPSTREAM_BROKEN: Words(
        "The application gave no proper answer",
        "You were let in, but the application broke off or sent something that cannot be read.",
        ("Try again. What you sent may or may not have been done: check before you repeat it.",),
    ),
    Refusal.UPSTREAM_TIMEOUT: Words(
        "The application takes too long",
        "You were let in, but the application did not answer in time.",
        ("Try again. What you sent may or may not have been done: check before you repeat it.",),
    ),
    Refusal.NO_UPSTREAM: Words(
        "The application is out of order at the moment",
        "You were let in, but no server of this application is fit for work just now. Your "
        "request has reached none of them.",
        ("Try again in a minute.",),
    ),
    Refusal.STORE_UNAVAILABLE: Words(
        "We cannot check who may enter at the moment",
        "A part of this gateway is out of reach, and without it nobody gets in.",
        ("Try again in a minute.",),
    ),
    Refusal.OVERLOADED: Words(
        "Too much is going on at the moment",
        "This gateway has as many visitors as it can bear.",
        ("Wait a moment and try again.",),
    ),
    Refusal.INTERNAL: Words(
        "Something went wrong on our side",
        "This is a fault of the gateway, not yours. It has been written down.",
        ("Try again in a minute.",),
    ),
}

_ITALIAN: Final = {
    Refusal.NO_CERTIFICATE: Words(
        "Il browser non ha mostrato alcun certificato",
        "Questa porta si apre solo con un certificato personale. Il tuo non è stato scelto, non è "
        "in questo browser oppure è scaduto: i browser non propongono i certificati scaduti.",
        (
            (
                "Se hai il browser su una chiavetta, avvia quello e scrivi la password principale "
                "quando la chiede."
            ),
            "Se ti è stato chiesto e non ne hai scelto nessuno, ecco come farselo chiedere di nuovo:",
        ),
        (
            (
                "Firefox",
                (
                    "Chiudi tutte le finestre e riavvialo: ricaricare questa pagina non basta. Se non "
                    "lo chiede ancora, la scelta è stata memorizzata: nelle impostazioni cerca "
                    "«certificati», aprili, e cancella questo sito tra le decisioni di autenticazione."
                ),
            ),
            (
                "Chrome, Edge, Chromium",
                "Riprova. Se non lo chiede, chiudi tutte le finestre e riavvialo.",
            ),
            (
                "Safari",
                (
                    "Esci (⌘Q) e riavvialo. Se non lo chiede ancora, in Accesso Portachiavi cerca "
                    "questo sito e cancella la preferenza d’identità."
                ),
            ),
        ),
    ),
    Refusal.CERTIFICATE_UNKNOWN: Words(
        "Questo certificato qui non è conosciuto",
        "Il browser ha mostrato un certificato che non compare nei nostri registri.",
        ("Usa il certificato o la chiavetta che ti sono stati dati per questo sito.",),
    ),
    Refusal.CERTIFICATE_REVOKED: Words(
        "Questo certificato è stato revocato",
        "È stato ritirato, forse perché una chiavetta è stata data per persa o perché ne è stato "
        "emesso uno nuovo. Non aprirà più nulla.",
        (
            (
                "Se hai una chiavetta o un certificato più recente, usa quello e riavvia il browser. Se "
                "hai rinnovato questo sulla sua chiavetta, salvaci renewal.tar e riavvia la chiavetta."
            ),
            (
                "Se Firefox continua a mostrare il vecchio: Impostazioni, cerca «certificati», Mostra "
                "certificati, Decisioni di autenticazione, elimina le righe di questo sito, riavvia."
            ),
            "Se non ne hai uno più recente, chiedi un nuovo certificato.",
        ),
    ),
    Refusal.CERTIFICATE_HELD: Words(
        "Questo certificato è sospeso",
        "È stato fermato per qualche tempo, forse perché una chiavetta non si trovava. Può essere "
        "riattivato, e allora apre tutto come prima.",
        ("Se la chiavetta è nelle tue mani, chiedi che il certificato sia riattivato.",),
    ),
    Refusal.CERTIFICATE_EXPIRED: Words(
        "Il tuo certificato è scaduto",
        "Ogni certificato ha una fine, e il tuo l’ha superata.",
        (
            "Chiedine uno nuovo. Se lo hai già, riavvia il browser e scegli quello.",
            "Se pensi che non possa essere già scaduto, controlla la data di questo computer.",
        ),
    ),
    Refusal.CERTIFICATE_NOT_YET_VALID: Words(
        "Il tuo certificato non è ancora valido",
        "Il suo primo giorno deve ancora venire.",
        ("Aspetta quel giorno, oppure chiedi quando comincia.",),
    ),
    Refusal.CERTIFICATE_STATUS_STALE: Words(
        "In questo momento non possiamo controllare il tuo certificato",
        "Per quanto ne sappiamo è in ordine, ma senza quel controllo non entra nessuno.",
        ("Riprova tra un minuto.",),
    ),
    Refusal.PERSON_DISABLED: Words(
        "Il tuo accesso è disattivato",
        "Il certificato è in ordine, ma il tuo account è stato disattivato.",
        ("Chiedi che venga riattivato.",),
    ),
    Refusal.PERSON_REMOVED: Words(
        "Il tuo accesso è terminato",
        "Questo certificato appartiene a un account che non esiste più.",
        ("Se ti serve ancora, chiedi un nuovo account e un nuovo certificato.",),
    ),
    Refusal.CERTIFICATE_UNTRUSTED: Words(
        "Questo certificato qui non è accettato",
        "Viene da un’altra organizzazione, e in un modo di cui questo sito non si fida.",
        (
            "Se hai un altro certificato per questo sito, usa quello.",
            "Se non ce l’hai, chiedi che questo venga controllato.",
        ),
    ),
    Refusal.PERSON_UNKNOWN: Words(
        "Il certificato è in ordine, ma qui non hai un account",
        "Viene da un’organizzazione di cui questo sito si fida, ma non porta ad alcun account.",
        ("Chiedi un account, e mostra il certificato che hai.",),
    ),
    Refusal.SESSION_REQUIRED: Words(
        "Accedi, per favore",
        "Non hai effettuato l’accesso, oppure la sessione è finita.",
        ("Accedi dalla pagina iniziale, poi riapri questa pagina.",),
    ),
    Refusal.SESSION_OF_ANOTHER_CERTIFICATE: Words(
        "Hai fatto l’accesso con un altro certificato",
        "Un accesso vale solo insieme al certificato con cui è stato fatto.",
        ("Accedi di nuovo con il certificato che stai usando ora.",),
    ),
    Refusal.TICKET_REFUSED: Words(
        "È passato troppo tempo",
        "Dopo l’accesso si arriva all’applicazione entro pochi secondi. Questo collegamento è più "
        "vecchio, oppure è stato creato per qualcun altro.",
        ("Vai alla pagina iniziale e apri l’applicazione da lì.",),
    ),
    Refusal.NOT_ALLOWED: Words(
        "Qui non puoi entrare",
        "Il tuo certificato è in ordine, ma le regole di questa applicazione non ti lasciano entrare.",
        ("La pagina iniziale mostra che cosa puoi aprire.",),
    ),
    Refusal.OUTSIDE_HOURS: Words(
        "A quest’ora per te è chiuso",
        "Il tuo certificato è in ordine, ma questa applicazione per te si apre solo in certi orari, e "
        "adesso è fuori orario.",
        ("La pagina iniziale mostra che cosa è aperto adesso.",),
    ),
    Refusal.OUTSIDE_PERIOD: Words(
        "Il tuo accesso vale per altri giorni",
        "Questa applicazione ti è stata aperta per certi giorni, e oggi non è tra quelli: sono "
        "passati, oppure devono ancora venire.",
        ("Chi te l’ha aperta può dirti quali sono, e prolungarli.",),
    ),
    Refusal.OUTSIDE_NETWORK: Words(
        "Non da questa rete",
        "Questa applicazione per te si apre, ma non dalla rete in cui ti trovi adesso.",
        ("Dall’ufficio, o da un’altra rete concordata, si apre.",),
    ),
    Refusal.OTHER_CERTIFICATE: Words(
        "Si apre con un altro certificato",
        "Questa applicazione per te si apre con un altro certificato: quello di un altro tuo "
        "dispositivo, o di un’altra autorità.",
        ("Avvia il browser in cui si trova. La pagina iniziale mostra che cosa apre questo.",),
    ),
    Refusal.PART_NOT_ALLOWED: Words(
        "Non in questa parte",
        "Questa applicazione per te è aperta, ma questa sua parte no, oppure non per quello che "
        "stavi per fare.",
        ("Torna alla pagina di prima: il resto è aperto.",),
    ),
    Refusal.APPROVAL_MISSING: Words(
        "Prima va richiesto",
        "Questa applicazione per te si apre nei giorni che qualcuno ha approvato, e oggi non è "
        "tra quelli.",
        ("Richiedila qui sotto. Chi approva viene avvisato, e si apre appena lo fa.",),
    ),
    Refusal.AGREEMENT_MISSING: Words(
        "Prima c’è qualcosa da leggere e accettare",
        "Questa applicazione per te si apre quando hai accettato l’accordo che la riguarda. È "
        "nuovo, oppure ce n’è una nuova versione.",
        ("Quando l’avrai accettato, torna qui: si apre subito.",),
    ),
    Refusal.DAYS_SPENT: Words(
        "Adesso non ci sono giorni disponibili",
        "Questa applicazione per te si apre in un certo numero di giorni al mese, e oggi non può "
        "essere uno di quelli: sono finiti, oppure sarebbero due di seguito.",
        ("La pagina iniziale mostra i giorni che hai usato, e qual è il prossimo.",),
    ),
    Refusal.CODE_REQUIRED: Words(
        "Serve di nuovo un codice",
        "Per questa parte dell’applicazione un codice del telefono deve essere stato dato da poco.",
        ("Apri l’applicazione nel browser: chiede il codice.",),
    ),
    Refusal.OUTSIDE_CERTIFICATE_SCOPE: Words(
        "Non con questo certificato",
        "Il certificato che stai usando apre solo alcune applicazioni, e questa non è tra quelle.",
        ("Se ne hai un altro, usalo. La pagina iniziale mostra che cosa apre questo.",),
    ),
    Refusal.CROSS_SITE_REQUEST: Words(
        "Questa richiesta non viene da una nostra pagina",
        "Un altro sito, o una pagina molto vecchia, ha chiesto qualcosa a tuo nome. Non è stato "
        "fatto nulla.",
        ("Vai alla pagina iniziale e riprova da lì.",),
    ),
    Refusal.NOT_FOUND: Words(
        "Questa pagina non esiste",
        "A questo indirizzo non c’è nulla.",
        ("Controlla l’indirizzo, oppure comincia dalla pagina iniziale.",),
    ),
    Refusal.METHOD_REFUSED: Words(
        "Qui non si può fare",
        "Questo indirizzo non accetta richieste di questo tipo.",
        ("Comincia dalla pagina iniziale.",),
    ),
    Refusal.METHOD_UNKNOWN: Words(
        "Qui nessuno lo sa fare",
        "Il programma ha mandato una richiesta di un tipo che qui nessuno accetta.",
        ("Chi si occupa del programma lo riconosce dal metodo.",),
    ),
    Refusal.UNKNOWN_HOST: Words(
        "Sotto questo nome non c’è nulla",
        "Il nome nell’indirizzo non è uno dei nostri.",
        ("Controlla che l’indirizzo sia scritto bene.",),
    ),
    Refusal.MISDIRECTED: Words(
        "La connessione era per un altro nome",
        "Il browser ha chiesto questa pagina su una connessione che appartiene a un altro dei "
        "nostri nomi.",
        ("Riprova: il browser aprirà una nuova connessione.",),
    ),
    Refusal.BAD_REQUEST: Words(
        "Non riusciamo a leggere questa richiesta",
        "Ciò che il browser o il programma ha inviato non segue le regole di HTTP.",
        ("Se era un collegamento, controlla che sia completo.",),
    ),
    Refusal.REQUEST_TIMEOUT: Words(
        "La richiesta non è arrivata in tempo",
        "La connessione si è fermata prima che la richiesta fosse completa.",
        ("Controlla la rete e riprova.",),
    ),
    Refusal.BODY_TOO_LARGE: Words(
        "È troppo grande",
        "È stato inviato più di quanto questo indirizzo accetti.",
        ("Invia meno dati per volta.",),
    ),
    Refusal.TARGET_TOO_LONG: Words(
        "L’indirizzo è troppo lungo",
        "L’indirizzo richiesto ha più caratteri di quanti ne accettiamo.",
        ("Controlla il collegamento, oppure riparti da un indirizzo più corto.",),
    ),
    Refusal.HEAD_TOO_LARGE: Words(
        "La richiesta porta con sé troppo",
        "Le sue intestazioni superano il limite; spesso la causa sono i troppi cookie.",
        ("Cancella i cookie di questo sito nel browser e riprova.",),
    ),
    Refusal.UPSTREAM_UNREACHABLE: Words(
        "L’applicazione non è in funzione",
        "L’accesso è riuscito, ma l’applicazione dietro a questo indirizzo non risponde.",
        ("Riprova tra qualche minuto.",),
    ),
    Refusal.UPSTREAM_BROKEN: Words(
        "L’applicazione non ha risposto come doveva",
        "L’accesso è riuscito, ma l’applicazione si è interrotta o ha inviato qualcosa di "
        "illeggibile.",
        (
            (
                "Riprova. Ciò che hai inviato potrebbe essere stato eseguito oppure no: controlla "
                "prima di ripeterlo."
            ),
        ),
    ),
    Refusal.UPSTREAM_TIMEOUT: Words(
        "L’applicazione ci mette troppo",
        "L’accesso è riuscito, ma l’applicazione non ha risposto in tempo.",
        (
            (
                "Riprova. Ciò che hai inviato potrebbe essere stato eseguito oppure no: controlla "
                "prima di ripeterlo."
            ),
        ),
    ),
    Refusal.NO_UPSTREAM: Words(
        "L’applicazione è momentaneamente fuori servizio",
        "L’accesso è riuscito, ma in questo momento nessun server di questa applicazione è in "
        "grado di lavorare. La tua richiesta non è arrivata a nessuno di essi.",
        ("Riprova tra un minuto.",),
    ),
    Refusal.STORE_UNAVAILABLE: Words(
        "In questo momento non possiamo controllare chi può entrare",
        "Una parte di questo varco non è raggiungibile, e senza di essa non entra nessuno.",
        ("Riprova tra un minuto.",),
    ),
    Refusal.OVERLOADED: Words(
        "In questo momento c’è troppo traffico",
        "Questo varco ha tutti i visitatori che può sostenere.",
        ("Aspetta un momento e riprova.",),
    ),
    Refusal.INTERNAL: Words(
        "Qualcosa è andato storto da parte nostra",
        "È un errore del varco, non tuo. È stato registrato.",
        ("Riprova tra un minuto.",),
    ),
}

WORDS: Final[dict[Language, dict[Refusal, Words]]] = {"en": _ENGLISH, "it": _ITALIAN}
