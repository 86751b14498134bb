"""Every sentence of the first sign-in and of the account pages, in both languages side by side."""

from typing import Final

from gateway.core.refusals import Language

ACCOUNT_MESSAGES: Final[dict[str, dict[Language, str]]] = {
    # ------------------------------------------------------------ the sign-in page
    "no-authenticator": {
        "en": "Authenticator lost? Use a recovery code",
        "it": "Hai perso l’app? Usa un codice di recupero",
    },
    "have-ticket": {
        "en": "You were given a ticket? Use it here",
        "it": "Hai ricevuto un biglietto? Usalo qui",
    },
    "recovery-title": {"en": "Without your authenticator", "it": "Senza la tua app"},
    "recovery-what": {
        "en": "With your password and one of the codes on your sheet of paper you set up a new "
        "authenticator, now. The old one is worth nothing once that is done.",
        "it": "Con la password e uno dei codici sul tuo foglio imposti ora una nuova app di "
        "autenticazione. Fatto questo, la vecchia non vale più nulla.",
    },
    "recovery-example": {
        "en": "One of the ten on your sheet, such as 7K3M-QX2A-9DFT-04HB",
        "it": "Uno dei dieci sul tuo foglio, per esempio 7K3M-QX2A-9DFT-04HB",
    },
    "recovery-wrong": {
        "en": "That was not right. Check your password, and type a recovery code that you have "
        "not used yet.",
        "it": "Qualcosa non è giusto. Controlla la password e scrivi un codice di recupero che non "
        "hai ancora usato.",
    },
    "recovery-used": {
        "en": "This recovery code has already been used. Strike it out, and take another one.",
        "it": "Questo codice di recupero è già stato usato. Cancellalo dal foglio e prendine un "
        "altro.",
    },
    "recovery-next": {"en": "Go on", "it": "Avanti"},
    "with-code": {
        "en": "Sign in with the authenticator after all",
        "it": "Accedi comunque con l’app di autenticazione",
    },
    # ------------------------------------------------------------ a code once more
    "confirm-title": {"en": "A code, once more", "it": "Un codice, ancora una volta"},
    "confirm-for": {
        "en": "For what you want to open in {title}, a code must have been given shortly before. "
        "You stay signed in.",
        "it": "Per ciò che vuoi aprire in {title} serve un codice dato da poco. Il tuo accesso "
        "resta valido.",
    },
    "confirm-password-for": {
        "en": "You have been signed in for longer than {title} wants. Password and a code, and you "
        "go on; everything else stays open.",
        "it": "Hai effettuato l’accesso da più tempo di quanto {title} consenta. Con password e "
        "codice continui; tutto il resto rimane aperto.",
    },
    "confirm-what": {
        "en": "Give a code of your authenticator to go on.",
        "it": "Per continuare serve un codice della tua app.",
    },
    "confirm-go": {"en": "Go on", "it": "Continua"},
    "confirm-not": {"en": "Not now: to the start page", "it": "Non ora: alla pagina iniziale"},
    "confirm-wrong": {
        "en": "That was not right. Type the code that your authenticator shows now. The telephone "
        "must be on automatic time.",
        "it": "Non è giusto. Scrivi il codice che la tua app mostra ora. Il telefono deve avere "
        "l’ora automatica.",
    },
    # ------------------------------------------------------------ the first sign-in
    "enrol": {"en": "Set up your sign-in", "it": "Imposta il tuo accesso"},
    "enrol-what": {
        "en": "{name}, your certificate “{device}” is in order. Type the ticket that you were "
        "given, and choose a password that only you know.",
        "it": "{name}, il tuo certificato «{device}» è in ordine. Scrivi il biglietto che hai "
        "ricevuto e scegli una password che conosci solo tu.",
    },
    "enrol-replaces": {
        "en": "Once you are through, it takes the place of your password, authenticator and "
        "recovery codes of before.",
        "it": "Alla fine sostituisce la password, l’app e i codici di recupero di prima.",
    },
    "step": {"en": "Step {number} of 3", "it": "Passo {number} di 3"},
    "ticket": {"en": "Ticket", "it": "Biglietto"},
    "ticket-hint": {
        "en": "Three groups of four, such as 7K3M-QX2A-9DFT",
        "it": "Tre gruppi di quattro, per esempio 7K3M-QX2A-9DFT",
    },
    "new-password": {"en": "New password", "it": "Nuova password"},
    "new-password-hint": {
        "en": "At least {least} characters. A few words that do not belong together are good.",
        "it": "Almeno {least} caratteri. Vanno bene alcune parole senza legame tra loro.",
    },
    "new-password-again": {"en": "The same once more", "it": "La stessa, ancora una volta"},
    "next": {"en": "Next", "it": "Avanti"},
    "password-short": {
        "en": "This password is too short. It needs at least {least} characters.",
        "it": "Questa password è troppo corta. Servono almeno {least} caratteri.",
    },
    "password-long": {
        "en": "This password is too long. It may have at most {most} characters.",
        "it": "Questa password è troppo lunga. Può avere al massimo {most} caratteri.",
    },
    "password-no-text": {
        "en": "This password has characters that cannot be stored. Choose another.",
        "it": "Questa password ha caratteri che non si possono conservare. Scegline un’altra.",
    },
    "passwords-differ": {
        "en": "The two new passwords are not the same. Type both once more.",
        "it": "Le due nuove password non sono uguali. Scrivile entrambe di nuovo.",
    },
    "password-same": {
        "en": "The new password is the old one. Choose another.",
        "it": "La nuova password è uguale alla vecchia. Scegline un’altra.",
    },
    "ticket-wrong": {
        "en": "This is not your ticket. Check every character; a newer ticket ends the one before.",
        "it": "Questo non è il tuo biglietto. Controlla ogni carattere; un biglietto nuovo annulla "
        "quello di prima.",
    },
    "ticket-ended": {
        "en": "This ticket has come to its end. Ask for a new one.",
        "it": "Questo biglietto è scaduto. Chiedine uno nuovo.",
    },
    "no-ticket": {
        "en": "{name}, your certificate is in order, but you have no password yet, and no ticket "
        "to set one with.",
        "it": "{name}, il tuo certificato è in ordine, ma non hai ancora una password, né un "
        "biglietto per impostarla.",
    },
    "no-ticket-ended": {
        "en": "{name}, your certificate is in order, but the ticket that was made for you has come "
        "to its end before you have used it.",
        "it": "{name}, il tuo certificato è in ordine, ma il biglietto preparato per te è scaduto "
        "prima che tu lo usassi.",
    },
    "no-ticket-ask": {"en": "For a new ticket, ask", "it": "Per un nuovo biglietto, chiedi a"},
    "no-ticket-nobody": {
        "en": "For a new ticket, ask the people who gave you your certificate.",
        "it": "Per un nuovo biglietto, chiedi a chi ti ha dato il certificato.",
    },
    "no-ticket-again": {"en": "I have one now", "it": "Ora ne ho uno"},
    # ------------------------------------------------------------ the authenticator
    "authenticator": {"en": "Your authenticator", "it": "La tua app di autenticazione"},
    "authenticator-new": {"en": "Your new authenticator", "it": "La tua nuova app"},
    "authenticator-scan": {
        "en": "Scan this with an authenticator app on your telephone. Any will do, such as "
        "FreeOTP, Aegis, 2FAS, Google or Microsoft Authenticator.",
        "it": "Inquadra il codice con un’app di autenticazione sul telefono. Va bene qualsiasi, per "
        "esempio FreeOTP, Aegis, 2FAS, Google o Microsoft Authenticator.",
    },
    "authenticator-picture": {
        "en": "QR code for the authenticator app; below it the same as a key to type",
        "it": "Codice QR per l’app di autenticazione; sotto, lo stesso come chiave da scrivere",
    },
    "authenticator-cannot": {
        "en": "Cannot scan? Type this key into the app:",
        "it": "Non puoi inquadrarlo? Scrivi questa chiave nell’app:",
    },
    "authenticator-here": {
        "en": "Or open the app on this device",
        "it": "Oppure apri l’app su questo dispositivo",
    },
    "first-code": {"en": "Code that the app shows now", "it": "Codice che l’app mostra ora"},
    "first-code-hint": {
        "en": "Six digits. They show that it works; until then nothing has changed.",
        "it": "Sei cifre. Dimostrano che funziona; fino ad allora non cambia nulla.",
    },
    "first-code-wrong": {
        "en": "The app shows another code now. Type the six digits of the newest entry for this "
        "site, before they change.",
        "it": "Ora l’app mostra un altro codice. Scrivi le sei cifre dell’ultima voce per questo "
        "sito, prima che cambino.",
    },
    "confirm": {"en": "Confirm", "it": "Conferma"},
    "pending-over": {
        "en": "This page was open for too long, so nothing was done. Begin once more, and scan the "
        "code that you are shown then.",
        "it": "Questa pagina è rimasta aperta troppo a lungo, quindi non è stato fatto nulla. "
        "Ricomincia e inquadra il codice che ti verrà mostrato.",
    },
    "pending-gone": {
        "en": "This was finished in another window, or your account has just changed. The code "
        "that you have scanned here counts only if it is the one from there.",
        "it": "L’operazione è stata conclusa in un’altra finestra, o il tuo account è appena "
        "cambiato. Il codice inquadrato qui vale solo se è quello dell’altra finestra.",
    },
    "ticket-gone": {
        "en": "This ticket was used, or a newer one has taken its place.",
        "it": "Questo biglietto è stato usato, o uno più nuovo ha preso il suo posto.",
    },
    # ------------------------------------------------------------ recovery codes
    "recovery-codes": {"en": "Your recovery codes", "it": "I tuoi codici di recupero"},
    "recovery-codes-what": {
        "en": "Print them now, or write them down: they are not shown again. Each takes the place "
        "of your authenticator once, when it is lost, and when you report a lost stick.",
        "it": "Stampali ora, o scrivili: non verranno più mostrati. Ognuno vale una volta al posto "
        "dell’app, se la perdi, e per segnalare una chiavetta persa.",
    },
    "recovery-codes-where": {
        "en": "Keep them where the stick is not, and without your password.",
        "it": "Tienili lontano dalla chiavetta, e senza la password.",
    },
    "recovery-codes-lost": {
        "en": "Stick lost? On any telephone open {address}",
        "it": "Chiavetta persa? Da qualsiasi telefono apri {address}",
    },
    "recovery-codes-have": {
        "en": "I have them on paper",
        "it": "Li ho su carta",
    },
    "recovery-codes-on": {"en": "Go on", "it": "Avanti"},
    # ------------------------------------------------------------ the account
    "account": {"en": "Account", "it": "Account"},
    "account-title": {"en": "Your account", "it": "Il tuo account"},
    "account-again": {
        "en": "For this you say once more who you are.",
        "it": "Per questo devi dire ancora una volta chi sei.",
    },
    "account-overtaken": {
        "en": "Your account has just changed, so nothing was done. Try once more.",
        "it": "Il tuo account è appena cambiato, quindi non è stato fatto nulla. Riprova.",
    },
    "account-back": {"en": "Back to your account", "it": "Torna al tuo account"},
    "change-password": {"en": "Change password", "it": "Cambia la password"},
    "change-password-what": {
        "en": "Wherever else you are signed in, that ends.",
        "it": "Gli altri accessi aperti a tuo nome vengono chiusi.",
    },
    "old-password": {"en": "Present password", "it": "Password attuale"},
    "password-changed": {
        "en": "Your password is changed. Wherever else you were signed in, that has ended.",
        "it": "La password è cambiata. Gli altri accessi aperti a tuo nome sono stati chiusi.",
    },
    "change-authenticator": {"en": "New authenticator", "it": "Nuova app di autenticazione"},
    "change-authenticator-what": {
        "en": "For a new telephone. The old one works until the new one has shown its first code.",
        "it": "Per un telefono nuovo. Il vecchio funziona finché il nuovo non ha mostrato il suo "
        "primo codice.",
    },
    "old-code": {
        "en": "Six digits from your present authenticator app",
        "it": "Sei cifre dalla tua app di autenticazione attuale",
    },
    "authenticator-changed": {
        "en": "Your new authenticator counts from now on, the old one no more. Wherever else you "
        "were signed in, that has ended.",
        "it": "Da ora vale la nuova app, la vecchia non più. Gli altri accessi aperti a tuo nome "
        "sono stati chiusi.",
    },
    "change-recovery-codes": {
        "en": "New recovery codes",
        "it": "Nuovi codici di recupero",
    },
    "change-recovery-codes-what": {
        "en": "Ten new ones to print. Those of before are worth nothing then.",
        "it": "Dieci nuovi da stampare. Quelli di prima non valgono più nulla.",
    },
    "codes-left": {
        "en": "You have {left} of {all} left.",
        "it": "Te ne restano {left} su {all}.",
    },
    "codes-none": {
        "en": "You have none. Without your authenticator you could not get in.",
        "it": "Non ne hai. Senza la tua app non potresti entrare.",
    },
    "make-recovery-codes": {"en": "Show ten new ones", "it": "Mostra dieci nuovi codici"},
    "sign-out-everywhere": {"en": "Sign out everywhere", "it": "Esci ovunque"},
    "sessions-one": {
        "en": "You are signed in here and nowhere else.",
        "it": "Hai effettuato l’accesso solo qui.",
    },
    "sessions-two": {
        "en": "You are signed in here, and once more somewhere else.",
        "it": "Hai effettuato l’accesso qui, e un’altra volta altrove.",
    },
    "sessions-many": {
        "en": "You are signed in here, and {others} times somewhere else.",
        "it": "Hai effettuato l’accesso qui, e altre {others} volte altrove.",
    },
    "sign-out-others": {"en": "Everywhere but here", "it": "Ovunque tranne qui"},
    "sign-out-all": {"en": "Everywhere, here too", "it": "Ovunque, anche qui"},
    "others-signed-out": {
        "en": "You are signed in here and nowhere else now.",
        "it": "Ora il tuo accesso è aperto solo qui.",
    },
}
