"""What other CAs sign: whether we believe it, and what it says. Pure, but for what says otherwise.

certificates  DER -> what stands in it, within bounds; keys and signatures of no worth
authorities   the file of a trust -> the CAs in it, or why they are not believed
paths         a person's certificate + a trust's CAs + time -> a path, or what is wrong with it
constraints   name constraints of a CA + a certificate below it -> may it bear its names
policies      a path -> does a certificate policy hold for it where one must
identities    certificate + what names people there -> who holds it
ocsp          certificate + issuer -> OCSP request; answer + time -> revoked or not, until when
delegates     who may answer OCSP for a CA
signatures    which keys and signatures are believed
facts         what a revocation list says of itself
crls          a list as it was received + CAs -> facts and entries, or what is wrong with it
revoked       its entries as a file in which serials are looked up
ordering      which list may follow which
coverage      which lists speak for a certificate, and what they say together
"""
