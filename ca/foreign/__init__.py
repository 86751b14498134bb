"""What other CAs sign: whether we believe it, and what it says. Pure, but for what says otherwise.

paths       a person's certificate + a trust's CAs + time -> a path, or what is wrong with it
identities  certificate + what names people there -> who holds it
ocsp        certificate + issuer -> OCSP request; answer + time -> revoked or not, until when
delegates   who may answer OCSP for a CA
signatures  which signatures are believed
"""
