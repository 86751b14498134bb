"""The portal: the first application behind the edge, served by aiohttp on a unix socket.

It believes what the edge says of a caller and nothing that the caller says, and looks
up the rest itself. Way of a request, from top to bottom:

- `app`         the aiohttp application, and the `Services` it stands on
- `refuse`      the one place that turns a refusal or an error into an answer
- `doors`       which pages stand behind which door, as tables
- `callers`     who calls: the edge's words, the certificate's holder, the session
- `provenance`  whether a request that changes something came from our own page   pure
- `proving`     password and one-time code, in their order, counted everywhere alike
- `repeats`     one form, one answer
- `signing_in`  from what was proved to a session
- `sign_in`     the pages of signing in, going on and signing out
- `arriving`    from a form to where somebody wanted to be
- `failures`    what did not hold, in words
- `enrolling`   setting up what somebody signs in with, in one step or not at all
- `enrol`       the pages of the first sign-in, with a ticket
- `authenticator` the pages with QR code and recovery codes
- `drawing`     the QR code itself                                                 pure
- `changing`    what somebody changes of their account
- `account`     the pages of one's account
- `reporting`   who reports a lost stick, and what strangers may try
- `lanes`       a queue with an end, for passwords to be hashed
- `lost`        the pages of a lost stick, on the public host
- `forms`       forms as browsers send them
- `home`        the start page
- `days`        days of quotas that they have used, and have left                   pure
- `tiles`       what there is for a person, and why not everything of it opens
- `icons`       pictures of applications
- `agreeing`    which texts concern somebody; `agreements` the pages where they accept them
- `markdown`    those texts as HTML                                                pure
- `requests`    what somebody has asked for; `request_form` and `month` by which they do
- `deciding`    where a manager answers; `managing` what waits for one, `telling` by mail
- `devices`     where this person is signed in, and with which certificates
- `renewing`    renewals that people ask for; `renewal` their pages, `reminding` by mail
- `public`      help, CRLs, CA certificates and keys, for everybody
- `languages`   choosing the language of all pages
- `navigation`  the way between the pages for those who are signed in            pure
- `targets`     where somebody goes after signing in: to this site only           pure
- `pages`       templates, style sheet and header fields
- `messages`    every sentence, in English and Italian; `*_messages` some         pure
- `moments`     dates and spans of time in words                                  pure
"""
