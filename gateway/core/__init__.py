"""Pure rules and values of the gateway: no sockets, no files, no clock.

- `site`        what a site and its applications are
- `trusts`      which CAs that are not ours the site believes, and how far
- `people`      persons and the holders of certificates
- `sessions`    what a sign-in leaves behind
- `cookies`     session cookies and hand-over tickets: minted and read here only
- `credentials` passwords (argon2id) and one-time codes (RFC 6238)
- `addresses`   addresses of mail
- `agreements`  texts that people accept, and who has accepted what
- `requests`    access that people ask for, and who decides; `spans` its days
- `lost`        reporting a lost stick
- `renewals`    what people ask to have renewed, and when they are reminded
- `days`        days of quotas that are used
- `devices`     what somebody sees of their own certificates
- `languages`   which language somebody reads
- `pacing`      how often strangers may try
- `recovery`    recovery codes on paper
- `lockout`     how long a guesser waits
- `sealing`     secrets at rest
- `routes`      host and path, normalised once
- `headers`     which headers of a client never pass, and which of ours go instead
- `assertion`   the signed statement of who is calling (JWT)
- `changes`     the change feed's rows
- `audit`       security events and their chain
- `ports`       what the edge needs of a store
"""
