"""What a person starts: one file for each system, with nothing in it that differs between kits.

Each finds the browser (on the stick, else on the machine), works on a copy when the stick cannot
be written, and says plainly what is missing. No secret of TLS is written down for anybody
(SSLKEYLOGFILE), and the browser never becomes a tab of the machine's own.
"""

from typing import Final

from gateway.kit.choices import FILE as CHOICES
from gateway.kit.renewal import MEMBERS, PATTERN

WINDOWS: Final = "start.cmd"
LINUX: Final = "start-linux.sh"
MACOS: Final = "start-macos.command"

_OPTIONS: Final = "--no-remote --new-instance --allow-downgrade --profile"

_SHELL: Final = """\
#!/bin/sh
# @TITLE@
set -u
unset SSLKEYLOGFILE MOZ_LOG MOZ_LOG_FILE
export MOZ_CRASHREPORTER_DISABLE=1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
profile=$here/profile
copy=

tell() {
    case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in
        it*) words=$1 ;;
        *) words=$2 ;;
    esac
    printf '%s\\n' "$words" >&2
@WINDOW@
}

# Outside the stick's folder, and in memory where the system has a place for that.
place=${XDG_RUNTIME_DIR:-}
[ -n "$place" ] && [ -w "$place" ] || place=${TMPDIR:-/tmp}

for file in key4.db cert9.db user.js; do
    [ -r "$profile/$file" ] && continue
    tell "Manca profile/$file: questa cartella non e' completa. Copiarla di nuovo, tutta." \\
         "profile/$file is missing: this folder is not complete. Copy it again, all of it."
    exit 1
done

browser=
blocked=
@FIND@
if [ -z "$browser" ]; then
    if [ -n "$blocked" ]; then
        tell "Il Firefox di questa chiavetta non si puo' avviare da qui ($blocked), e questo computer non ne ha uno: @INSTALL_IT@" \\
             "The Firefox of this stick cannot be started from here ($blocked), and this computer has none: @INSTALL_EN@"
    else
        tell "Manca Firefox: non e' su questa chiavetta e nemmeno su questo computer. @INSTALL_IT@" \\
             "Firefox is missing: it is neither on this stick nor on this computer. @INSTALL_EN@"
    fi
    exit 1
fi

forget() {
    [ -n "$copy" ] && rm -rf -- "$copy"
    copy=
}
trap forget EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Four megabytes: a browser that runs out of room later does not say so.
probe=$profile/.probe
if dd if=/dev/zero of="$probe" bs=65536 count=64 2>/dev/null; then
    rm -f -- "$probe"
else
    rm -f -- "$probe" 2>/dev/null
    copy=$(mktemp -d "$place/pusterla.XXXXXX") || {
        tell "Ne' la chiavetta ne' $place si possono scrivere." \\
             "Neither the stick nor $place can be written."
        exit 1
    }
    if ! cp -R "$profile" "$copy/profile"; then
        tell "In $place non c'e' posto per una copia." "There is no room for a copy in $place."
        exit 1
    fi
    chmod -R u+rwX "$copy/profile"
    profile=$copy/profile
    tell "La chiavetta non si puo' scrivere o e' piena: si lavora su una copia temporanea, che viene cancellata alla fine." \\
         "The stick cannot be written, or is full: this works on a temporary copy, which is removed at the end."
fi

# A renewal that the portal has made for this stick: it has the word that only the two know.
part=$profile/renewal.part
take_in() {
    rm -rf -- "$part"
    mkdir -- "$part" 2>/dev/null || return 1
    tar -xf "$1" -C "$part" @MEMBERS@ 2>/dev/null || return 1
    for file in @MEMBERS@; do
        [ -f "$part/$file" ] && [ ! -L "$part/$file" ] || return 1
    done
    # Taken in before, by a start that was cut short.
    cmp -s "$part/after" "$profile/renewal.id" && return 0
    cmp -s "$part/before" "$profile/renewal.id" || return 1
    rm -f -- "$profile/cert9.db-journal"
    mv -f -- "$part/cert9.db" "$profile/cert9.db" &&
        mv -f -- "$part/@CHOICES@" "$profile/@CHOICES@" &&
        mv -f -- "$part/after" "$profile/renewal.id"
}
for one in "$here"/@PATTERN@; do
    [ -f "$one" ] && [ -z "$copy" ] || continue
    if take_in "$one"; then
        rm -f -- "$one"
        tell "Il nuovo certificato e' sulla chiavetta." "The new certificate is on the stick."
    else
        tell "$one non e' di questa chiavetta, e non viene usato." \\
             "$one is not for this stick, and is not used."
    fi
    rm -rf -- "$part"
done

# Not "$@" alone: some old shells take none for an error.
"$browser" @OPTIONS@ "$profile" ${1+"$@"}
"""

_LINUX_WINDOW: Final = """\
    # Started by a double click there is no terminal to read this in.
    [ -t 2 ] || [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && return
    # In the background: nobody is kept waiting for an answer.
    if command -v zenity >/dev/null; then
        zenity --warning --no-markup --timeout=60 --text="$words" >/dev/null 2>&1 &
    elif command -v kdialog >/dev/null; then
        kdialog --sorry "$words" >/dev/null 2>&1 &
    elif command -v xmessage >/dev/null; then
        xmessage -timeout 60 "$words" >/dev/null 2>&1 &
    fi"""

_LINUX_FIND: Final = """\
for one in "$here/browser/firefox" "$here/browser/firefox-esr"; do
    # A browser for another system has no such library beside it.
    [ -f "$one" ] && [ -f "$here/browser/libxul.so" ] || continue
    if [ -x "$one" ]; then browser=$one; break; fi
    blocked="$one"
done
if [ -z "$browser" ]; then
    browser=$(command -v firefox || command -v firefox-esr) || browser=
fi"""

_MACOS_FIND: Final = """\
for one in "$here/browser" /Applications "$HOME/Applications"; do
    [ -f "$one/Firefox.app/Contents/MacOS/firefox" ] || continue
    browser=$one/Firefox.app/Contents/MacOS/firefox
    if [ -x "$browser" ]; then break; fi
    blocked=$browser
    browser=
done"""

_CMD: Final = """\
@echo off
rem Starts the browser of this kit. Nothing is installed on this computer.
setlocal EnableExtensions DisableDelayedExpansion
title Pusterla
set "SSLKEYLOGFILE="
set "MOZ_LOG="
set "MOZ_LOG_FILE="
set "MOZ_CRASHREPORTER_DISABLE=1"
set "here=%~dp0"
set "profile=%~dp0profile"
set "copy="
set "missing="
if not exist "%here%profile\\user.js" set "missing=user.js"
if not exist "%here%profile\\cert9.db" set "missing=cert9.db"
if not exist "%here%profile\\key4.db" set "missing=key4.db"
if defined missing goto incomplete

set "browser="
if not defined browser if exist "%here%browser\\firefox.exe" set "browser=%here%browser\\firefox.exe"
if not defined browser if exist "%ProgramFiles%\\Mozilla Firefox\\firefox.exe" set "browser=%ProgramFiles%\\Mozilla Firefox\\firefox.exe"
if not defined browser if exist "%ProgramW6432%\\Mozilla Firefox\\firefox.exe" set "browser=%ProgramW6432%\\Mozilla Firefox\\firefox.exe"
if not defined browser if exist "%ProgramFiles(x86)%\\Mozilla Firefox\\firefox.exe" set "browser=%ProgramFiles(x86)%\\Mozilla Firefox\\firefox.exe"
if not defined browser if exist "%LocalAppData%\\Mozilla Firefox\\firefox.exe" set "browser=%LocalAppData%\\Mozilla Firefox\\firefox.exe"
if not defined browser if exist "%ProgramFiles%\\Firefox ESR\\firefox.exe" set "browser=%ProgramFiles%\\Firefox ESR\\firefox.exe"
if not defined browser goto nobrowser

rem A file as large as several of the profile's: a stick that is full says so here.
set "probe=%here%profile\\probe.tmp"
copy /b /y "%here%profile\\cert9.db"+"%here%profile\\cert9.db"+"%here%profile\\cert9.db"+"%here%profile\\cert9.db" "%probe%" >nul 2>&1
if errorlevel 1 goto readonly
if not exist "%probe%" goto readonly
del /f /q "%probe%" >nul 2>&1
for %%F in ("%here%@PATTERN@") do call :takein "%%~fF"
goto run

:readonly
if exist "%probe%" del /f /q "%probe%" >nul 2>&1
set "copy=%TEMP%\\pusterla-%RANDOM%-%RANDOM%"
mkdir "%copy%" >nul 2>&1
if errorlevel 1 goto nocopy
xcopy "%here%profile" "%copy%\\profile" /e /i /q /h /r /y >nul
if errorlevel 1 goto nocopy
attrib -r "%copy%\\profile\\*" /s >nul 2>&1
set "profile=%copy%\\profile"
echo La chiavetta non si puo' scrivere o e' piena: si lavora su una copia temporanea,
echo che viene cancellata alla fine. Non chiudere questa finestra.
echo.
echo The stick cannot be written, or is full: this works on a temporary copy, which is
echo removed at the end. Do not close this window.

:run
if not defined copy goto plain
start "" /wait "%browser%" --wait-for-browser @OPTIONS@ "%profile%" %*
rmdir /s /q "%copy%"
if exist "%copy%" timeout /t 3 /nobreak >nul
if exist "%copy%" rmdir /s /q "%copy%"
if exist "%copy%" goto left
exit /b 0

:plain
start "" "%browser%" @OPTIONS@ "%profile%" %*
exit /b 0

:takein
rem A renewal that the portal has made for this stick: it has the word that only the two know.
set "part=%profile%\\renewal.part"
if exist "%part%" rmdir /s /q "%part%"
mkdir "%part%" >nul 2>&1
"%SystemRoot%\\System32\\tar.exe" -xf %1 -C "%part%" @MEMBERS@ >nul 2>&1
if errorlevel 1 goto nottaken
rem Nothing in it may lead elsewhere.
dir /a:l /b "%part%" >nul 2>&1
if not errorlevel 1 goto nottaken
fc /b "%part%\\after" "%profile%\\renewal.id" >nul 2>&1
if not errorlevel 1 goto taken
fc /b "%part%\\before" "%profile%\\renewal.id" >nul 2>&1
if errorlevel 1 goto nottaken
if exist "%profile%\\cert9.db-journal" del /f /q "%profile%\\cert9.db-journal" >nul 2>&1
move /y "%part%\\cert9.db" "%profile%\\cert9.db" >nul 2>&1
if errorlevel 1 goto nottaken
move /y "%part%\\@CHOICES@" "%profile%\\@CHOICES@" >nul 2>&1
if errorlevel 1 goto nottaken
move /y "%part%\\after" "%profile%\\renewal.id" >nul 2>&1
if errorlevel 1 goto nottaken
:taken
del /f /q %1 >nul 2>&1
rmdir /s /q "%part%"
echo Il nuovo certificato e' sulla chiavetta. The new certificate is on the stick.
exit /b 0
:nottaken
if exist "%part%" rmdir /s /q "%part%"
echo %1 non e' di questa chiavetta, o il browser e' ancora aperto: chiuderlo e riprovare.
echo %1 is not for this stick, or the browser is still open: close it and start again.
timeout /t 10 /nobreak >nul
exit /b 1

:incomplete
echo Manca profile\\%missing%: questa cartella non e' completa. Copiarla di nuovo, tutta.
echo profile\\%missing% is missing: this folder is not complete. Copy it again, all of it.
goto failed

:nobrowser
echo Manca Firefox: non e' su questa chiavetta e nemmeno su questo computer.
echo Chiedere una chiavetta con il browser a chi ha dato questa, o installare Firefox.
echo.
echo Firefox is missing: it is neither on this stick nor on this computer.
echo Ask for a stick with a browser on it, or install Firefox.
goto failed

:nocopy
echo Ne' la chiavetta ne' la cartella temporanea si possono scrivere.
echo Neither the stick nor the folder for temporary files can be written.
if exist "%copy%" rmdir /s /q "%copy%"
goto failed

:left
echo La copia temporanea non si e' potuta cancellare. Cancellarla a mano:
echo The temporary copy could not be removed. Remove it by hand:
echo "%copy%"
goto failed

:failed
echo.
pause
exit /b 1
"""


def launchers() -> dict[str, bytes]:
    """Return the files by name. That for Windows is ASCII with CRLF, as cmd.exe wants it."""
    linux = _SHELL.replace("@TITLE@", "Starts the browser of this kit:  sh start-linux.sh")
    linux = linux.replace("@WINDOW@", _LINUX_WINDOW).replace("@FIND@", _LINUX_FIND)
    linux = linux.replace("@INSTALL_IT@", "installare firefox o firefox-esr.")
    linux = linux.replace("@INSTALL_EN@", "install firefox or firefox-esr.")
    macos = _SHELL.replace("@TITLE@", "Starts the browser of this kit; it opens in a terminal.")
    macos = macos.replace("@WINDOW@\n", "").replace("@FIND@", _MACOS_FIND)
    macos = macos.replace("@INSTALL_IT@", "mettere Firefox in Applicazioni.")
    macos = macos.replace("@INSTALL_EN@", "put Firefox into Applications.")
    names = {"@MEMBERS@": " ".join(MEMBERS), "@PATTERN@": PATTERN, "@CHOICES@": CHOICES}
    texts = {LINUX: linux, MACOS: macos, WINDOWS: _CMD.replace("\n", "\r\n")}
    for mark, words in {"@OPTIONS@": _OPTIONS, **names}.items():
        texts = {name: text.replace(mark, words) for name, text in texts.items()}
    return {name: text.encode("ascii") for name, text in texts.items()}
