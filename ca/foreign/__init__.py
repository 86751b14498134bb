"""What other CAs sign: whether we believe it, and what it says. Pure, but for what says otherwise.

paths       a person's certificate + a trust's CAs + time -> a path, or what is wrong with it
identities  certificate + what names people there -> who holds it
"""
