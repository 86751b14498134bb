"""The edge: the hot path, raw asyncio protocols with httptools on both sides.

In the order in which a request meets them:

- `hello`       reads the server name of a ClientHello, so that the TLS context can be chosen
- `proxy_protocol` who the client is, in the words of a balancer
- `openssl`     two settings that Python's ssl module does not reach
- `judging`     handshakes that stop at the certificate until it has been judged
- `tls`         contexts, and a thin layer over `ssl.MemoryBIO` that sends alerts
- `fields`      header fields, one line each, read once and remembered
- `heads`       request and response heads: parsed strictly, refused when ambiguous
- `bodies`      bodies in the chunked coding
- `arrival`     a connection until its handshake is over, bounded in number and time
- `keepalive`   probes on connections that nothing moves on
- `stream`      the bytes of a client's connection: encrypted, held back, ended
- `downstream`  requests off those bytes, one at a time, and an answer to each
- `memo`        header blocks of one connection that were judged before
- `admission`   certificate, session and policy: what may pass, remembered until it changes
- `verdicts`    who asks, and what becomes of a request
- `ruling`      what the gate makes of an answer of the policy
- `gate`        the order of the questions, from a request to a verdict
- `rewriting`   heads for an application that insists on a name of its own
- `forwarding`  the head that goes upstream: client's identity claims out, ours in
- `shape`       what requests with the same fields have in common
- `sending`     the way of a request to its application, and its body
- `uploads`     that body: framed, counted, paced
- `exchange`    the way of the response back
- `downloads`   its body, where its end is not counted in octets
- `tunnel`      what an exchange is after 101
- `buffering`   requests that go out when their body is whole
- `upstream`    connections to applications, pooled
- `balancing`   which of several upstreams gets the next request
- `service`     an application as it is reached: its pools, and how patient we are
- `services`    all of them, kept as far as their settings stay
- `health`      checks of upstreams, made without a request
- `upstream_tls` whom we believe in TLS to applications, and what we show
- `meter`       what one connection has moved, and the ids of its requests
- `telemetry`   the end of every exchange: counted, and written down
- `figures`     what is counted
- `access_log`  one JSON object a line, one line a request
- `answers`     what the edge itself says
- `edge`        what all connections of one worker share
- `connections` all live connections, and the cutting of those whose right has ended
- `cut_reasons` why, by name
- `follower`    the change feed: forgets what has changed, cuts what may no longer be
- `worker`      puts it together in one process
"""
