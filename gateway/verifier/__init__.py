"""The verifier: what is known of certificates of CAs that are not ours, and how it is had.

It has no key and no listening socket: it fetches what other people's CAs publish, and whatever
comes is hostile until its signature and its place have been verified. Way of a list, from the
outside in:

- `addresses`  which URLs and which hosts are asked at all                  pure
- `fetching`   http, https and files, bounded in size, time and redirects   aiohttp
- `files`      files that are written whole or not at all

Of an OCSP answer:

- `responder`  asks about each certificate, and again before the answer ends
- `kept`       answers on disk
"""
