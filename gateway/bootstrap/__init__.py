"""Where processes begin: the clock, the files and the wiring, for one process each.

Every process:

- `folder`       where everything in a site folder lies, and reading keys from it
- `process`      log lines, signals, and the pipes of a process's life
- `keeper`       one program that is kept running
- `listeners`    the sockets that are opened for the workers of the edge, and unix sockets
- `reload`       the configuration in force while the files change
- `outcome`      what came of a reload
- `in_force`     the settings that a process is handed when it is started
- `control`      asking a process for a reload, and `control_socket` the supervisor
- `reloading`    a reload as the supervisor does it
- `stores`       the site's store, for a process that cannot do without it

One process each:

- `edge`         one worker of the edge; `renewal` and `server_files` are its reload
- `portal`       the portal; `renewal_files` what it makes for sticks
- `authority`    the authority; `renewal_desk` what people ask of it

The `pusterla` command:

- `command`      what it opens
- `asking`       asking a running site for a reload
- `creation`     a new site, out of nothing
- `accounts`     people and their sign-ins
- `applications` the files in apps/
- `days`         days of quotas that people have used
- `signing`      the CA's key, wired to the site (the authority's process too)
- `passphrases`  where those of the CA's keys are had, and `protection` putting keys under them
- `certificates` issuing, revoking, publishing; `server_certificate` the server's own
- `renewing`, `renewal_orders`, `superseding` renewals, and the end of the old ones; `holding`, `bulk`
- `succession`   issuing CAs that follow one another; `offline` what the root's machine does
- `requests`     access that people ask for
- `access`       who may reach what; `comparing` under other rules
- `doctor`       all that is looked at: `examination` and `keypairs`
"""
