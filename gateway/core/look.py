"""The look that the portal and every refusal share: one palette, one type, one small gate.

Plain CSS without anything to fetch, so that a refusal can carry all of it
inside its own page. Colours are tokens, light and dark; each pair of text and
ground has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3).
"""

# Compact on purpose: it travels with every refusal.
STYLE = """\
:root{color-scheme:light dark;--ground:#f5f1ea;--sheet:#fffdf9;--line:#ded5c7;--ink:#26211b;\
--soft:#675e52;--brick:#96371f;--on-brick:#fff;--good:#2c6a3f;--warn:#855200;--bad:#a3211b;\
--shade:0 1px 2px #3a2a1a14,0 12px 32px #3a2a1a14}
@media(prefers-color-scheme:dark){:root{--ground:#171512;--sheet:#211e1a;--line:#3b352d;\
--ink:#f0eae0;--soft:#b1a799;--brick:#f0a284;--on-brick:#2a120a;--good:#8fd0a0;--warn:#e9bd6a;\
--bad:#ff9d92;--shade:0 1px 2px #0006,0 12px 32px #0004}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;min-height:100vh;background:var(--ground);color:var(--ink);\
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
h1,h2{font-family:"Iowan Old Style","Palatino Linotype",Palatino,"Noto Serif",Georgia,serif;\
font-weight:600;line-height:1.2;letter-spacing:-.01em;text-wrap:balance}
h1{font-size:1.7rem;margin:0 0 .75rem}
p{margin:0 0 .75rem}
a{color:var(--brick);text-underline-offset:.18em}
:focus-visible{outline:3px solid var(--brick);outline-offset:3px;border-radius:.25rem}
.gate{width:2.25rem;height:2.25rem;flex:none;color:var(--brick)}
.name{display:flex;align-items:center;gap:.7rem;font-weight:600;color:var(--ink);text-decoration:none}
.sheet{background:var(--sheet);border:1px solid var(--line);border-radius:1rem;box-shadow:var(--shade)}
.button{display:inline-block;padding:.65rem 1.25rem;border:1px solid transparent;border-radius:.6rem;\
background:var(--brick);color:var(--on-brick);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
.soft{color:var(--soft)}
.alone{display:grid;place-items:center;padding:1.25rem}
.alone main{width:100%;max-width:36rem;padding:clamp(1.5rem,5vw,2.5rem)}
.alone .name{margin-bottom:1.75rem}
"""

# A postern: a wall with its courses of stone, an arch, and a door left ajar.
GATE = (
    '<svg class="gate" viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
    '<path d="M3 29V7h4v3h4V7h4v3h2V7h4v3h4V7h4v22z"/>'
    '<path d="M11 29V20a5 5 0 0 1 10 0v9"/>'
    '<path d="M16 29V17l5 2v10" fill="currentColor" stroke="none" opacity=".55"/></svg>'
)
