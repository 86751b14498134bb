"""The verifier: what is known of certificates of CAs that are not ours, and how it is had.

It has no key and no listening socket: it fetches what other people's CAs publish, and whatever
comes is hostile until its signature and its place have been verified. Way of a list, from the
outside in:

- `addresses`  which URLs and which hosts are asked at all                  pure
- `fetching`   http, https and files, bounded in size, time and redirects   aiohttp
- `reading`    a list becomes an index, in a process of its own with limits
- `supply`     one list from one source: fetched, read, judged, put in force
- `shelf`      the lists in force and their files
- `sources`    where lists are had, and how it went; `schedule` when they are asked   pure
- `lists`      all of one trust: what arrives, what is answered; `list_words` in words  pure
- `files`      files that are written whole or not at all

Of an OCSP answer:

- `responder`  asks about each certificate, and again before the answer ends
- `kept`       answers on disk

Of a certificate that somebody shows:

- `findings`   whose it is, and whether its path holds                      pure
- `knowledge`  what lists and responders of one trust say of it
- `keeping`    keeps that up: nobody waits for a source that is not their own
- `desk`       all of them, when they are shown and whenever more is known; into the store
- `containment`  whatever fails at one of them is nobody else's trouble
"""
