"""Every sentence of the pages on which people renew, in both languages side by side."""

from typing import Final

from gateway.core.refusals import Language

RENEWAL_MESSAGES: Final[dict[str, dict[Language, str]]] = {
    "renewed-goes": {
        "en": "There is a new certificate for you. The one in this browser goes on until {date}, and "
        "no longer.",
        "it": "C’è un nuovo certificato per te. Quello in questo browser vale ancora fino al {date}, "
        "non oltre.",
    },
    "renewed-go-on": {"en": "Take the new one", "it": "Prendi quello nuovo"},
    "renew-title": {"en": "Renew your certificate", "it": "Rinnova il tuo certificato"},
    "renew-what": {
        "en": "The certificate “{device}” is good until {date}. Where is the new one to go?",
        "it": "Il certificato «{device}» vale fino al {date}. Dove deve andare quello nuovo?",
    },
    "renew-where": {"en": "Where the new one goes", "it": "Dove va quello nuovo"},
    "renew-choose": {
        "en": "Choose first where the new certificate is to go.",
        "it": "Scegli prima dove deve andare il nuovo certificato.",
    },
    "renew-stick": {"en": "To this stick", "it": "Su questa chiavetta"},
    "renew-stick-what": {
        "en": "You opened this page with the browser of a stick that you were given. The key stays "
        "on it, and so does its password.",
        "it": "Hai aperto questa pagina con il browser di una chiavetta che ti è stata data. La "
        "chiave resta lì, e anche la sua password.",
    },
    "renew-file": {
        "en": "Into a file, for another program",
        "it": "In un file, per un altro programma",
    },
    "renew-file-what": {
        "en": "For a browser or a telephone into which a file was imported. The file has a new key, "
        "is under a password that you choose, and can be fetched once.",
        "it": "Per un browser o un telefono in cui è stato importato un file. Il file ha una chiave "
        "nuova, è protetto da una password che scegli tu e si può scaricare una volta sola.",
    },
    "renew": {"en": "Renew", "it": "Rinnova"},
    "renew-early": {
        "en": "It is too early: you can renew it yourself in {span}.",
        "it": "È troppo presto: potrai rinnovarlo tu tra {span}.",
    },
    "renew-foreign": {
        "en": "Your certificate comes from another authority. Only that can renew it.",
        "it": "Il tuo certificato viene da un’altra autorità. Solo quella può rinnovarlo.",
    },
    "renew-waiting": {
        "en": "Your new certificate is being signed. Look again in a moment.",
        "it": "Il tuo nuovo certificato sta per essere firmato. Controlla di nuovo tra un attimo.",
    },
    "renew-kept": {
        "en": "Nobody is there to sign it at the moment. Your request is kept: you can close this "
        "page and come back later.",
        "it": "In questo momento nessuno può firmarlo. La tua richiesta resta: puoi chiudere questa "
        "pagina e tornare più tardi.",
    },
    "renew-look": {"en": "Look again", "it": "Controlla di nuovo"},
    "renew-refused": {
        "en": "This certificate could not be renewed. Ask for a new one.",
        "it": "Non è stato possibile rinnovare questo certificato. Chiedine uno nuovo.",
    },
    "renew-ready": {
        "en": "Your new certificate is ready",
        "it": "Il tuo nuovo certificato è pronto",
    },
    "renew-goes": {
        "en": "The old one goes on until {date}, and no longer.",
        "it": "Quello vecchio vale ancora fino al {date}, non oltre.",
    },
    "renew-goes-unused": {
        "en": "Until you have signed in with the new one, the old one goes on: until {date}, and no "
        "longer.",
        "it": "Finché non accedi con quello nuovo, quello vecchio continua a valere: fino al {date}, "
        "non oltre.",
    },
    "renew-step-save": {
        "en": "Save this file on the stick, in the folder of start.cmd and start-linux.sh:",
        "it": "Salva questo file sulla chiavetta, nella cartella di start.cmd e start-linux.sh:",
    },
    "renew-step-close": {
        "en": "Close this browser, with all its windows.",
        "it": "Chiudi questo browser, con tutte le sue finestre.",
    },
    "renew-step-start": {
        "en": "Start the stick again: it takes the file in, and says so.",
        "it": "Avvia di nuovo la chiavetta: prende il file e lo dice.",
    },
    "renew-save": {"en": "Save renewal.tar", "it": "Salva renewal.tar"},
    "renew-bare": {
        "en": "Whoever keeps the key in another way takes the certificate alone:",
        "it": "Chi conserva la chiave in altro modo prende solo il certificato:",
    },
    "renew-bare-save": {"en": "the certificate", "it": "il certificato"},
    "renew-handed": {
        "en": "You have fetched the new certificate, and not used it yet. Import the file, start "
        "the browser again, and choose the new one.",
        "it": "Hai scaricato il nuovo certificato e non l’hai ancora usato. Importa il file, riavvia "
        "il browser e scegli quello nuovo.",
    },
    "renew-unfetched": {
        "en": "Your new certificate is made, and nobody has fetched it yet. Go back to the page that "
        "offers the file, within ten minutes; after that it is revoked, and the old one stays as it "
        "is.",
        "it": "Il tuo nuovo certificato è fatto, e nessuno l’ha ancora scaricato. Torna alla pagina "
        "che offre il file, entro dieci minuti; dopo viene revocato, e quello vecchio resta com’è.",
    },
    "renew-used": {
        "en": "This certificate has been renewed, and the new one is in use. Choose that in this "
        "browser too.",
        "it": "Questo certificato è stato rinnovato, e quello nuovo è in uso. Scegli quello anche in "
        "questo browser.",
    },
    "renew-renewed": {
        "en": "There is a new certificate already, that was made for you. If you do not have it, ask "
        "for it.",
        "it": "C’è già un nuovo certificato, fatto per te. Se non ce l’hai, chiedilo.",
    },
    "renew-again": {
        "en": "It did not arrive, or was the wrong choice?",
        "it": "Non è arrivato, o la scelta era sbagliata?",
    },
    "renew-again-what": {
        "en": "Begin once more: the one that nobody has used is revoked.",
        "it": "Ricomincia: quello che nessuno ha usato viene revocato.",
    },
    "renew-key-title": {
        "en": "Fetch your new certificate",
        "it": "Scarica il tuo nuovo certificato",
    },
    "renew-key-what": {
        "en": "Choose a password for the file: the program asks for it when you import the file. "
        "Fetch it within ten minutes; after that it is revoked, and the old one stays as it is.",
        "it": "Scegli una password per il file: il programma la chiede quando importi il file. "
        "Scaricalo entro dieci minuti; dopo viene revocato, e quello vecchio resta com’è.",
    },
    "renew-key-wait": {
        "en": "Your new certificate is not signed yet. Leave this page open, and look again.",
        "it": "Il tuo nuovo certificato non è ancora firmato. Lascia aperta questa pagina e "
        "controlla di nuovo.",
    },
    "renew-key-kept": {
        "en": "Nobody is there to sign it at the moment. Your request is kept for an hour, as long "
        "as this page stays open.",
        "it": "In questo momento nessuno può firmarlo. La tua richiesta resta per un’ora, finché "
        "questa pagina rimane aperta.",
    },
    "renew-key-gone": {
        "en": "This file was fetched before, or nobody fetched it in time. Begin once more.",
        "it": "Questo file è già stato scaricato, o nessuno l’ha scaricato in tempo. Ricomincia.",
    },
    "renew-file-password": {"en": "Password of the file", "it": "Password del file"},
    "renew-file-password-hint": {
        "en": "At least {least} characters: letters without accents, digits and signs",
        "it": "Almeno {least} caratteri: lettere senza accenti, cifre e segni",
    },
    "renew-file-again": {
        "en": "Password of the file, once more",
        "it": "Password del file, ancora una volta",
    },
    "renew-password-short": {
        "en": "The password of the file is too short: it takes at least {least} characters.",
        "it": "La password del file è troppo corta: servono almeno {least} caratteri.",
    },
    "renew-password-signs": {
        "en": "Programs read letters with accents in different ways: choose a password without.",
        "it": "I programmi leggono le lettere accentate in modi diversi: scegli una password che non "
        "ne abbia.",
    },
    "renew-program": {"en": "What opens the file", "it": "Che cosa apre il file"},
    "renew-choose-program": {
        "en": "Choose what is to open the file.",
        "it": "Scegli che cosa deve aprire il file.",
    },
    "for-firefox": {"en": "Firefox, on any computer", "it": "Firefox, su qualsiasi computer"},
    "for-windows": {"en": "Windows: Edge and Chrome", "it": "Windows: Edge e Chrome"},
    "for-macos": {
        "en": "Mac, iPhone, iPad: Safari and Chrome",
        "it": "Mac, iPhone, iPad: Safari e Chrome",
    },
    "for-android": {"en": "An Android telephone", "it": "Un telefono Android"},
    "for-others": {"en": "Something else, up to date", "it": "Altro, aggiornato"},
    "renew-fetch": {"en": "Fetch the file", "it": "Scarica il file"},
    "renew-restart": {
        "en": "After that: import the file, start the browser again, and choose the new certificate.",
        "it": "Poi: importa il file, riavvia il browser e scegli il nuovo certificato.",
    },
}
