"""What is allowed: pure decisions from plain values, with the standard library alone.

- `model`      Rule, AppPolicy, Subject, RequestFacts, and Decision = Allow | StepUp | Deny
- `match`      one tiny total function per criterion, and the table that lists them
- `plan`       the rules of an application, laid out so that a decision looks at few of them
- `decide`     `decide()` for the edge, `explain()` for people
- `openings`   `opens_at()` for who has to wait
- `calendar`   when a rule holds: hours, weekdays, dates, holidays, in the site's time zone
- `days`       holidays and calendars of them; Easter
- `paths`      patterns of paths, strict for what lets in, and on the safe side for what keeps out
- `parse`      rules as TOML says them → AppPolicy, or every problem with its place
- `times`      the part of it that is about times
- `calendars`  holidays/NAME.toml → Calendar
- `printing`   rules back to TOML
- `comparison` who gains or loses what when rules are exchanged for others
- `spells`     the times at which something changes, in words
- `cases`      what is expected of rules, and what becomes of it
- `review`     rules that can never match, and rules that contradict each other
- `prospect`   what somebody has of an application, told beforehand
- `reading`    the one reader of TOML mappings: typed takers that collect problems
- `values`     what one value of a setting may be; `reading` is made of these
- `durations`  `90s`, `30m`, `12h`, `30d`
- `holidays/`  calendars that are there without being written: `it`

Nothing in here does I/O or reads a clock: whoever asks brings the time.
"""
