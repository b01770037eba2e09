-- The store of a project: `.self-harness/state.db`, version 2.

CREATE TABLE store (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Numbers are never used again.
CREATE TABLE run (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    created INTEGER NOT NULL,             -- milliseconds since 1970
    state   TEXT    NOT NULL,             -- queued running paused interrupted ended
    body    TEXT    NOT NULL              -- the run as it was started
) STRICT;

-- What happened, in order. Only ever added to.
CREATE TABLE event (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    run  INTEGER NOT NULL REFERENCES run (number),
    at   INTEGER NOT NULL,                -- milliseconds that the run was at work
    wall INTEGER NOT NULL,                -- milliseconds since 1970, for people
    body TEXT    NOT NULL
) STRICT;
CREATE INDEX event_of_run ON event (run, seq);

CREATE TABLE trial (
    id      TEXT PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES run (number),
    slot    INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    key     BLOB    NOT NULL,
    verdict TEXT    NOT NULL,             -- pass fail void
    split   TEXT    NOT NULL,
    tokens  INTEGER NOT NULL,
    cost    REAL,                         -- US dollars; null if unknown
    body    TEXT    NOT NULL,
    UNIQUE (run, slot, attempt)
) STRICT;
-- A trial that was measured is measured once.
CREATE UNIQUE INDEX measured ON trial (key) WHERE verdict IN ('pass', 'fail');

-- What trials that run now have taken so far: it is paid even if nobody sees them end.
CREATE TABLE running (
    id      TEXT PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES run (number),
    slot    INTEGER NOT NULL,
    tokens  INTEGER NOT NULL,
    cost    REAL
) STRICT;

-- The one worker of this project.
CREATE TABLE lease (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    token   TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    started INTEGER NOT NULL,             -- of the process, in ticks since the boot
    boot    TEXT    NOT NULL,
    beat    INTEGER NOT NULL              -- milliseconds since the boot
) STRICT;

-- What followers ask of the worker.
CREATE TABLE wish (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    run  INTEGER NOT NULL REFERENCES run (number),
    what TEXT    NOT NULL                 -- cancel
) STRICT;

-- What was found out about a task, by the digest of the task and of what it was tried under.
CREATE TABLE admission (
    task BLOB PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- Numbers are never used again.
CREATE TABLE proposal (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    run       INTEGER NOT NULL REFERENCES run (number),
    created   INTEGER NOT NULL,           -- milliseconds since 1970
    dismissed INTEGER NOT NULL,           -- 1 if somebody does not want to see it
    body      TEXT    NOT NULL
) STRICT;
