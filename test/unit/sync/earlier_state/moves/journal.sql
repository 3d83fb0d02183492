BEGIN TRANSACTION;
CREATE TABLE begins (
    id INTEGER PRIMARY KEY, mapping TEXT NOT NULL, name TEXT NOT NULL, noted REAL NOT NULL);
CREATE TABLE completions (
    mapping TEXT NOT NULL, upload_id TEXT NOT NULL, asked REAL NOT NULL,
    PRIMARY KEY (mapping, upload_id)) WITHOUT ROWID;
CREATE TABLE departures (
    mapping TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, gone INTEGER NOT NULL,
    segments TEXT NOT NULL, PRIMARY KEY (mapping, name, version));
CREATE TABLE expiries (
    mapping TEXT NOT NULL, name TEXT NOT NULL, delete_at INTEGER NOT NULL, version TEXT NOT NULL,
    copy TEXT NOT NULL, attempts INTEGER NOT NULL, next_try REAL NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, PRIMARY KEY (mapping, name)) WITHOUT ROWID;
INSERT INTO "expiries" VALUES('AUTH_a/c#5d490032b6ee2522','expires',1700005000,'1700000000.00003','1700000000.00003',0,0.0,'','');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('uploads listed of AUTH_a/c#5d490032b6ee2522','1700000000.0');
INSERT INTO "meta" VALUES('uuid','2e19e68ef1cc41408b200ab55c18fcad');
CREATE TABLE ranges (
    mapping TEXT NOT NULL, database TEXT NOT NULL, kind TEXT NOT NULL,
    first_row INTEGER NOT NULL, last_row INTEGER NOT NULL, due REAL NOT NULL,
    PRIMARY KEY (mapping, database, kind, first_row)) WITHOUT ROWID;
CREATE TABLE resets (
    mapping TEXT NOT NULL, database TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, prefix TEXT NOT NULL,
    since REAL NOT NULL, next_row INTEGER NOT NULL, last_row INTEGER NOT NULL, due REAL NOT NULL,
    PRIMARY KEY (mapping, database, id, kind)) WITHOUT ROWID;
CREATE TABLE resets_taken (
    mapping TEXT NOT NULL, database TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (mapping, database)) WITHOUT ROWID;
CREATE TABLE unsettled (
    mapping TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, policy INTEGER NOT NULL,
    deleted INTEGER NOT NULL, data_timestamp TEXT NOT NULL, timestamp TEXT NOT NULL, size INTEGER NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL, attempts INTEGER NOT NULL,
    first_failure REAL NOT NULL, last_failure REAL NOT NULL, next_try REAL NOT NULL,
    PRIMARY KEY (mapping, name)) WITHOUT ROWID;
CREATE TABLE uploads (
    mapping TEXT NOT NULL, upload_id TEXT NOT NULL, name TEXT NOT NULL, begun REAL NOT NULL,
    PRIMARY KEY (mapping, upload_id)) WITHOUT ROWID;
CREATE TABLE windows (
    mapping TEXT NOT NULL, database TEXT NOT NULL, last_row INTEGER NOT NULL,
    PRIMARY KEY (mapping, database)) WITHOUT ROWID;
INSERT INTO "windows" VALUES('AUTH_a/c#5d490032b6ee2522','db',8);
CREATE INDEX unsettled_next ON unsettled (mapping, state, next_try);
CREATE INDEX expiries_due ON expiries (mapping, delete_at);
COMMIT;
