"""Where processes begin: the clock, the files and the wiring, for one process each.

- `folder`     where everything in a site folder lies, and reading keys from it
- `command`    what the `pusterla` command opens
- `creation`   a new site, out of nothing
- `portal`     the portal's process
- `authority`  the authority's process
- `edge`       one worker of the edge
- `demo`       a throwaway site with real applications behind it
"""
