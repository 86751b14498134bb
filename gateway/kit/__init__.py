"""The kit: a folder for a stick, with a browser's profile that opens one site and nothing else.

Pure: everything is bytes or text, made of values. `gateway.bootstrap.kits` issues the certificate
and writes the folder.

- `store`       the profile's certificate store (NSS): key, certificate, root, primary password
- `sealing`     how that store protects keys and trust
- `choices`     which certificate goes to which host, so that the browser need not ask
- `preferences` user.js, bookmarks and the policy of a bundled browser
- `renewal`     what a person saves on their stick to renew it
- `launchers`   what is started, on Windows, Linux and macOS
- `letters`     what the person reads, in Italian and English
- `names`       names that every file system takes
- `browsers`    what a folder or an archive must be to be bundled
- `manifest`    what a kit consists of, with checksums
- `contents`    all of it together
"""
