"""What is allowed: pure decisions from plain values, with the standard library alone.

- `model`      Rule, AppPolicy, Subject, RequestFacts, and Decision = Allow | StepUp | Deny
- `match`      one tiny total function per criterion, and the table that lists them
- `decide`     `decide()` for the edge and `explain()` for people, from the same matchers
- `parse`      rules as TOML says them → AppPolicy, or every problem with its place
- `reading`    the one reader of TOML mappings: typed takers that collect problems
- `values`     what one value of a setting may be; `reading` is made of these
- `durations`  `90s`, `30m`, `12h`, `30d`

Nothing in here does I/O or reads a clock: whoever asks brings the time.
"""
