"""`pusterla demo`: a throwaway site with real applications behind it.

- `run`           makes it, runs it, and leaves nothing behind
- `site`          the site, with one person and one stick, made with the command's functions
- `applications`  the applications, each kept like a process of ours
- `sheet`         what is printed: all that one needs to get in
- `files/`        what is written into the folder of a demo
"""
