"""How the browser of a kit behaves: user.js, bookmarks, and the policy of a bundled browser.

user.js is read at every start and wins over what was changed meanwhile. A policy is read from the
folder of the program alone, so only a browser that is on the stick itself can have one.
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

Value = str | int | bool

USER: Final = "user.js"
PREFS: Final = "prefs.js"
"""Read once, and then the browser's own: what is to hold at the first start only."""

BOOKMARKS: Final = "bookmarks.html"

_CERTIFICATES: Final[Mapping[str, Value]] = {
    # What the list of choices does not name is asked about.
    "security.default_personal_cert": "Ask Every Time",
    # What is answered then holds for good (0 is once, 2 until the browser ends).
    "security.client_auth_certificate_default_remember_setting": 1,
    # Neither keys nor authorities of the machine that the stick is in.
    "security.osclientcerts.autoload": False,
    "security.enterprise_roots.enabled": False,
    "security.certerrors.mitm.auto_enable_enterprise_roots": False,
    "dom.security.https_only_mode": True,
    # The viewer is a page of the browser's own, for which no choice is remembered: it would ask.
    "devtools.jsonview.enabled": False,
}
_NOTHING_LEFT: Final[Mapping[str, Value]] = {
    "signon.rememberSignons": False,
    "signon.autofillForms": False,
    "signon.generation.enabled": False,
    "signon.management.page.breach-alerts.enabled": False,
    "extensions.formautofill.addresses.enabled": False,
    "extensions.formautofill.creditCards.enabled": False,
    "browser.formfill.enable": False,
    "browser.cache.disk.enable": False,
    "places.history.enabled": False,
    "browser.sessionstore.privacy_level": 2,
    "browser.sessionstore.resume_from_crash": False,
    "browser.pagethumbnails.capturing_disabled": True,
    "browser.download.useDownloadDir": False,
    "browser.helperApps.deleteTempFileOnExit": True,
    "privacy.sanitize.sanitizeOnShutdown": True,
    **{
        f"privacy.clearOnShutdown.{what}": True
        for what in ("cache", "cookies", "downloads", "formdata", "history", "offlineApps")
    },
    "privacy.clearOnShutdown.sessions": True,
    **{
        f"privacy.clearOnShutdown_v2.{what}": True
        for what in (
            *("browsingHistoryAndDownloads", "cache", "cookiesAndStorage", "formdata"),
            "historyFormDataAndDownloads",
        )
    },
    # Among these are the choices of certificates.
    "privacy.clearOnShutdown.siteSettings": False,
    "privacy.clearOnShutdown_v2.siteSettings": False,
}
_NO_TALK: Final[Mapping[str, Value]] = {
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.usage.uploadEnabled": False,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.unified": False,
    "toolkit.telemetry.server": "data:,",
    "toolkit.telemetry.archive.enabled": False,
    "toolkit.telemetry.bhrPing.enabled": False,
    "toolkit.telemetry.firstShutdownPing.enabled": False,
    "toolkit.telemetry.newProfilePing.enabled": False,
    "toolkit.telemetry.shutdownPingSender.enabled": False,
    "toolkit.telemetry.updatePing.enabled": False,
    "browser.newtabpage.activity-stream.feeds.telemetry": False,
    "browser.newtabpage.activity-stream.telemetry": False,
    "browser.tabs.crashReporting.sendReport": False,
    "browser.crashReports.unsubmittedCheck.autoSubmit2": False,
    "breakpad.reportURL": "",
    "app.shield.optoutstudies.enabled": False,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "app.update.auto": False,
    "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "browser.search.update": False,
    "browser.region.update.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.discovery.enabled": False,
    "browser.contentblocking.report.lockwise.enabled": False,
    "browser.topsites.contile.enabled": False,
    "browser.ml.enable": False,
    "dom.push.connection.enabled": False,
    "geo.enabled": False,
    "identity.fxaccounts.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
_NETWORK: Final[Mapping[str, Value]] = {
    # Straight to the site: not over what the machine has for a proxy, not past its resolver.
    "network.proxy.type": 0,
    "network.trr.mode": 5,
    # One clean handshake at the start, and none before somebody asks for a page.
    "network.http.speculative-parallel-limit": 0,
    "network.prefetch-next": False,
    "network.dns.disablePrefetch": True,
    "network.predictor.enabled": False,
    "browser.urlbar.speculativeConnect.enabled": False,
    # What is typed into the address bar is an address, and goes to no search engine.
    "keyword.enabled": False,
    "browser.search.suggest.enabled": False,
    "browser.urlbar.suggest.searches": False,
    "browser.urlbar.quicksuggest.enabled": False,
    "browser.fixup.alternate.enabled": False,
}
_NO_WELCOME: Final[Mapping[str, Value]] = {
    "browser.aboutwelcome.enabled": False,
    "browser.preonboarding.enabled": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.firstrunSkipsHomepage": False,
    "startup.homepage_welcome_url": "",
    "startup.homepage_welcome_url.additional": "",
    "startup.homepage_override_url": "",
    "datareporting.policy.firstRunURL": "",
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "termsofuse.bypassNotification": True,
    "trailhead.firstrun.didSeeAboutWelcome": True,
    "browser.rights.3.shown": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.disableResetPrompt": True,
    "browser.uitour.enabled": False,
    "browser.messaging-system.whatsNewPanel.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.translations.automaticallyPopup": False,
    "browser.warnOnQuit": False,
    "browser.tabs.warnOnClose": False,
    "browser.toolbars.bookmarks.visibility": "always",
    "browser.bookmarks.restore_default_bookmarks": False,
    "xpinstall.enabled": False,
}


def user_preferences(portal: str) -> bytes:
    """Return user.js of a browser that opens at *portal*."""
    start: dict[str, Value] = {"browser.startup.page": 1, "browser.startup.homepage": portal}
    groups = (start, _CERTIFICATES, _NOTHING_LEFT, _NO_TALK, _NETWORK, _NO_WELCOME)
    return _lines({name: value for group in groups for name, value in group.items()})


def first_preferences() -> bytes:
    """Return prefs.js of a profile that was never used: the bookmarks are taken in once."""
    return _lines({"browser.places.importBookmarksHTML": True})


def _lines(values: Mapping[str, Value]) -> bytes:
    # JSON's strings are JavaScript's, and ASCII.
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in values.items()
    ]
    return "".join(lines).encode("ascii")


def bookmarks(links: Iterable[tuple[str, str]]) -> bytes:
    """Return a file of bookmarks with *links*, each title and address, in the toolbar."""
    items = "".join(
        f'            <DT><A HREF="{escape(address)}">{escape(title)}</A>\n'
        for title, address in links
    )
    return (
        "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
        '<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">\n'
        "<TITLE>Bookmarks</TITLE>\n"
        "<H1>Bookmarks</H1>\n"
        "<DL><p>\n"
        '    <DT><H3 PERSONAL_TOOLBAR_FOLDER="true">Bookmarks Toolbar</H3>\n'
        f"    <DL><p>\n{items}    </DL><p>\n"
        "</DL>\n"
    ).encode()


def policy(portal: str, host: str, hosts: Iterable[str]) -> bytes:
    """Return policies.json: pages of *host*, what is below it, and *hosts* open, nothing else."""
    outside = sorted(one for one in set(hosts) if one != host and not one.endswith(f".{host}"))
    open_ = [f"*://*.{host}/*", *(f"*://{one}/*" for one in outside)]
    policies: dict[str, object] = {
        "WebsiteFilter": {"Block": ["<all_urls>"], "Exceptions": open_},
        "Homepage": {"URL": portal, "Locked": True, "StartPage": "homepage"},
        "Proxy": {"Mode": "none", "Locked": True},
        "DNSOverHTTPS": {"Enabled": False, "Locked": True},
        "Certificates": {"ImportEnterpriseRoots": False},
        "ExtensionSettings": {"*": {"installation_mode": "blocked"}},
        "DisableAppUpdate": True,
        "DisableTelemetry": True,
        "DisableFirefoxStudies": True,
        "DisableFirefoxAccounts": True,
        "DisableFormHistory": True,
        "DisableProfileImport": True,
        "OfferToSaveLogins": False,
        "DontCheckDefaultBrowser": True,
        "OverrideFirstRunPage": "",
        "OverridePostUpdatePage": "",
        "SkipTermsOfUse": True,
        "NetworkPrediction": False,
        "CaptivePortal": False,
        "SearchSuggestEnabled": False,
    }
    return (json.dumps({"policies": policies}, indent=2) + "\n").encode("ascii")
