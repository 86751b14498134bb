"""Mail: what is written to people, and how it gets to their mail server.

- `letters`  what a letter says, in both languages, and its form      pure
- `request_letters` those about access that is asked for                pure
- `posting`  one letter, one conversation with the mail server
- `postman`  a short queue, and another try where the server is away
"""
