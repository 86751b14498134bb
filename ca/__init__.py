"""Who is who: the certificate authority. It knows nothing of gateway or policies.

A map of the room, from pure to effectful:

profiles   what kinds of certificate there are, and their limits       pure
kinds      the kinds of key, and the digest that fits each             pure
identity   user and device <-> subject and SAN                         pure
serials    serial numbers: from random octets, as text, from text      pure
lint       what must hold of any certificate that is released          pure
issue      request + profile + issuer + time -> certificate            pure (signs)
scopes     the lists of one issuer, and what they are called           pure
requests   a request for an issuing CA's certificate, and the root's answer   pure (signs)
status     entries + number + time -> CRL                              pure (signs)
trust      dates + record + time -> good, revoked, unknown, stale ...  pure, standard library only
foreign    what CAs that are not ours have signed: paths, identities     pure
csr        a person's request -> the key it shows to be held           pure
targets    who opens a bundle -> how it is sealed                      pure
bundle     key + chain + passphrase -> PKCS#12                         pure
encryption keys at rest under a passphrase                           pure but for its salt
addresses  where in a token a key is                                   pure
token      keys in a PKCS#11 token                                     I/O
keys       key and certificate files, and the signer's lock            I/O
ledger     serials, certificates, revocations                          I/O, SQL
issuers    which issuing CA issues, and which only sign their lists    I/O, SQL
lists      CRLs: numbers, what they must say, which there are          I/O, SQL
ocsp       request + what is known + time -> OCSP answer               pure (signs, not with a CA's key)
renewals   what takes whose place, and when the old one ends      I/O, SQL
responders who may answer OCSP, and their certificates                 I/O, SQL
publishing which lists are due, and in what order                      shell
hierarchy  the files of a new CA                                       shell
succession the files of an issuing CA that follows another          shell
authority  enrol, take back: the order of effects                      shell
errors     what can be refused, one tree
"""
