-- Times are milliseconds since the Unix epoch. The view `mail` shows the messages in readable form.

-- One row for each queue in this file, with the numbers of messages in each state.
CREATE TABLE queue (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  scheduled INTEGER NOT NULL DEFAULT 0,
  ready INTEGER NOT NULL DEFAULT 0,
  leased INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0,
  dead INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  unfinished_bytes INTEGER NOT NULL DEFAULT 0,
  ambiguous INTEGER NOT NULL DEFAULT 0,
  -- How often a control was changed.
  controls_version INTEGER NOT NULL DEFAULT 0,
  -- The log of changes: how many read it, the number of the last one, up to which number nobody needs them, and up to
  -- which number they were removed.
  consumers INTEGER NOT NULL DEFAULT 0,
  last_change INTEGER NOT NULL DEFAULT 0,
  passed_change INTEGER NOT NULL DEFAULT 0,
  removed_change INTEGER NOT NULL DEFAULT 0
);

-- A ready bucket has the messages of one priority, tenant and route; `ready` is the number of ready ones.
CREATE TABLE ready_bucket (
  id INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  tenant TEXT,
  route TEXT,
  ready INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX ready_bucket_by_name ON ready_bucket (queue, priority, tenant, route);
CREATE INDEX ready_bucket_with_mail ON ready_bucket (queue, priority, tenant) WHERE ready > 0;

-- The state of a message. All columns that change are here, so that the rows are short.
-- state: 0 scheduled, 1 ready, 2 leased, 3 sent, 4 dead, 5 held, 6 cancelled.
CREATE TABLE message (
  seq INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  id TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  state INTEGER NOT NULL,
  due INTEGER NOT NULL,
  expires_at INTEGER,
  fence INTEGER NOT NULL DEFAULT 0,
  leased_until INTEGER,
  commit_point INTEGER NOT NULL DEFAULT 0,
  hold INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  open_since INTEGER NOT NULL,
  finished_at INTEGER,
  size INTEGER NOT NULL,
  recipients TEXT NOT NULL
);
CREATE UNIQUE INDEX message_by_id ON message (queue, id);
CREATE INDEX message_scheduled ON message (queue, due) WHERE state = 0;
CREATE INDEX message_ready ON message (bucket, due) WHERE state = 1;
CREATE INDEX message_leased ON message (queue, leased_until) WHERE state = 2;
CREATE INDEX message_expiring ON message (queue, expires_at) WHERE expires_at IS NOT NULL AND state < 2;
CREATE INDEX message_finished ON message (queue, state, finished_at) WHERE finished_at IS NOT NULL;

-- The details of a message, which do not change. A large content is in chunks instead; `crc` is the CRC-32 of the content.
CREATE TABLE message_body (
  seq INTEGER PRIMARY KEY,
  sender TEXT NOT NULL,
  message_id TEXT,
  subject TEXT,
  tags TEXT,
  delivery TEXT,
  idempotency_key TEXT,
  traceparent TEXT,
  crc INTEGER NOT NULL,
  chunks INTEGER,
  content BLOB
);

-- The attempts to deliver a message, each under the fencing token of its lease.
CREATE TABLE attempt (
  seq INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  route TEXT NOT NULL,
  outcome TEXT NOT NULL,
  class TEXT,
  text TEXT NOT NULL,
  recipients TEXT NOT NULL,
  PRIMARY KEY (seq, number)
) WITHOUT ROWID;

-- The chunks of large contents. Those in `staging` are being written and belong to no message yet.
CREATE TABLE chunk (
  content INTEGER NOT NULL,
  number INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (content, number)
);
CREATE TABLE staging (
  content INTEGER PRIMARY KEY AUTOINCREMENT,
  touched_at INTEGER NOT NULL
);

-- Idempotency keys and the messages that they stand for.
CREATE TABLE idempotency (
  queue INTEGER NOT NULL,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  id TEXT NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (queue, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (queue, used_at);

-- The amounts that were acquired from limits, by buckets of time.
CREATE TABLE limit_usage (
  queue INTEGER NOT NULL,
  key TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (queue, key, bucket)
) WITHOUT ROWID;

-- Small values that all who use the queue share, changed by compare-and-set.
CREATE TABLE control (
  queue INTEGER NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  version INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (queue, key)
);
CREATE INDEX control_expiring ON control (queue, expires_at) WHERE expires_at IS NOT NULL;

-- Who reads the changes of state, and up to which one.
CREATE TABLE consumer (
  queue INTEGER NOT NULL,
  name TEXT NOT NULL,
  cursor INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (queue, name)
) WITHOUT ROWID;

-- The changes of state, logged while there is a consumer and kept until all consumers have passed them. Numbers are given
-- within the transaction that writes, and one writes at a time: their order is that of the commits.
CREATE TABLE state_change (
  queue INTEGER NOT NULL,
  number INTEGER NOT NULL,
  id TEXT NOT NULL,
  previous INTEGER,
  state INTEGER NOT NULL,
  at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  route TEXT,
  outcome TEXT,
  class TEXT,
  PRIMARY KEY (queue, number)
) WITHOUT ROWID;

CREATE VIEW mail AS
SELECT queue.name AS queue, message.id, message_body.subject, message_body.sender,
  (SELECT group_concat(json_extract(value, '$.address'), ', ') FROM json_each(message.recipients)) AS recipients,
  CASE message.state WHEN 0 THEN 'scheduled' WHEN 1 THEN 'ready' WHEN 2 THEN 'leased' WHEN 3 THEN 'sent'
    WHEN 4 THEN 'dead' WHEN 5 THEN 'held' ELSE 'cancelled' END AS state,
  CASE ready_bucket.priority WHEN 0 THEN 'high' WHEN 1 THEN 'normal' ELSE 'low' END AS priority,
  ready_bucket.route, ready_bucket.tenant, message.attempts, message.size,
  datetime(message.created_at / 1000, 'unixepoch') AS created_at,
  datetime(message.due / 1000, 'unixepoch') AS due,
  datetime(message.finished_at / 1000, 'unixepoch') AS finished_at,
  message_body.message_id, message_body.idempotency_key
FROM message
JOIN queue ON queue.id = message.queue
JOIN ready_bucket ON ready_bucket.id = message.bucket
JOIN message_body ON message_body.seq = message.seq;
