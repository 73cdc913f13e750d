/* Why long: the one table of all errors; parted, a code could stand in it twice. */

/**
 * What whoever owns work (a worker, a pump) does when it fails with this code. An error that is
 * none of the table's is a defect: it stops what it happened in.
 */
export type ErrorPolicy = "retry" | "rejoin" | "restore" | "dead-letter" | "stop";

interface ErrorEntry {
  readonly policy: ErrorPolicy;
  /** What happened, where, and what to do; every `{name}` is taken from the context. */
  readonly message: string;
}

/** The one table of errors: code → policy and message. `docs/errors.md` is checked against it. */
export const errorTable = {
  BAD_DURATION: {
    policy: "stop",
    message:
      'The duration "{text}" is not understood: write a positive whole number and a unit (ms, s, m, h, d), e.g. "15m".',
  },
  PACKAGE_MISSING: {
    policy: "stop",
    message:
      "{what} is a package of its own, which is not installed: npm install --save-exact {name}@{version}",
  },
  EVENTS_UNORDERED: {
    policy: "stop",
    message:
      "The feeder gave an event of {topic} (number {index} from 0) at {at}, behind one at {before}: give the events in the order of their `at`. It is when an event is sent; to send one late, or out of order, put the earlier event time in its value alone.",
  },
  PROJECT_EXISTS: {
    policy: "stop",
    message: "{directory} has {files} already, and nothing is overwritten: name another folder.",
  },
  SCHEMA_FILE_INVALID: {
    policy: "stop",
    message: "{file} is no schema: {reason}",
  },
  REQUEST_INVALID: {
    policy: "stop",
    message: "{where}: {reason}",
  },
  REQUEST_TOO_LARGE: {
    policy: "stop",
    message: "The body is larger than {limitBytes} bytes, which --request-mb allows.",
  },
  REQUEST_UNSUPPORTED: {
    policy: "stop",
    message: "A body of {found} is not taken here, but {expected}.",
  },
  REQUEST_TIMEOUT: {
    policy: "stop",
    message: "The answer took longer than {timeoutMs} ms, which --request-timeout allows.",
  },
  REQUEST_ABANDONED: {
    policy: "stop",
    message: "Whoever asked left, or took no longer, before there was an answer.",
  },
  REQUEST_FAILED: {
    policy: "stop",
    message: "The request failed for a reason that is none of the request's.",
  },
  ROUTE_UNKNOWN: {
    policy: "stop",
    message: "There is no {method} {path}.",
  },
  METHOD_NOT_ALLOWED: {
    policy: "stop",
    message: "{path} takes {allowed}, not {method}.",
  },
  HOST_REFUSED: {
    policy: "stop",
    message:
      "Without keys the gateway answers programs of this machine alone, not {found} (a page in a browser could reach it).",
  },
  GATEWAY_AWAY: {
    policy: "stop",
    message:
      "There is no gateway to load at {url} ({reason}): start one, e.g. `millrace run app.ts --live --listen 8080`, or say with --gateway, and --key-file where it has keys, how it is asked.",
  },
  GATEWAY_BUSY: {
    policy: "stop",
    message: "The gateway has as much to do as it may take at a time: {what}.",
  },
  GATEWAY_DRAINING: {
    policy: "stop",
    message: "The gateway is ending and takes no more requests.",
  },
  GATEWAY_OPEN: {
    policy: "stop",
    message:
      "The gateway would listen on {address}, beyond this machine, without any key in {file}: make one with millrace keys add NAME, or listen on 127.0.0.1.",
  },
  EVENT_REFUSED: {
    policy: "stop",
    message: "{where} cannot be an event of {topic}: {reason}.",
  },
  STEP_UNKNOWN: {
    policy: "stop",
    message: "There is no scoring step {step}{near}; there are {known}.",
  },
  STEP_AMBIGUOUS: {
    policy: "stop",
    message: "Several topologies have a scoring step {step}: {topologies}.",
  },
  STEP_UNSERVED: {
    policy: "stop",
    message: "{step} gives predictions in the stream alone: {reason}.",
  },
  RECORD_REFUSED: {
    policy: "stop",
    message: "{where} cannot be scored by {step}: {reason}.",
  },
  RECORD_EXCLUDED: {
    policy: "stop",
    message: "{where} is a record that the stream of {step} leaves out, by a where().",
  },
  MODEL_UNKNOWN: {
    policy: "stop",
    message: "Request for unknown model: '{model}' is not found{near}; there are {known}.",
  },
  MODEL_FAILED: {
    policy: "stop",
    message: "{model} {version} gave no answer to some of the rows: {reason}.",
  },
  PREDICTION_LATE: {
    policy: "stop",
    message: "{step} had no answer within {deadlineMs} ms.",
  },
  EVENTS_CLOSED: {
    policy: "stop",
    message:
      "Events are taken in live mode alone, and this gateway serves a replay, whose sources are given.",
  },
  EVENT_TOPIC_UNKNOWN: {
    policy: "stop",
    message: "{topic} is no source of the application{near}; it has {known}.",
  },
  EVENT_TOPIC_MISSING: {
    policy: "retry",
    message:
      "The source topic {topic} does not stand: make it, or start the run with --create-sources.",
  },
  IDEMPOTENCY_CONFLICT: {
    policy: "stop",
    message: "The idempotency key was used for another request.",
  },
  KEY_MISSING: {
    policy: "stop",
    message: "The request has no API key.",
  },
  KEY_REFUSED: {
    policy: "stop",
    message: "The API key is none of this gateway's, or was revoked.",
  },
  KEY_SCOPE: {
    policy: "stop",
    message: "The API key {name} has not the scope {scope}.",
  },
  KEY_OVERUSED: {
    policy: "stop",
    message: "The API key {name} may ask {rate} times a second, and was used more often.",
  },
  KEY_UNKNOWN: {
    policy: "stop",
    message: "There is no API key {id} in {file}{near}.",
  },
  KEYS_FILE_INVALID: {
    policy: "stop",
    message: "{file} is no file of API keys: {reason}.",
  },
  TOPOLOGY_INVALID: {
    policy: "stop",
    message: 'The topology "{topology}" cannot be built; {count} to correct:\n{problems}',
  },
  STACK_MISSING_JAVA: {
    policy: "stop",
    message:
      "No Java {version} or newer was found through JAVA_HOME, the PATH or the usual folders: apt-get install openjdk-{version}-jre-headless (where your system has no such package, take Temurin from adoptium.net), or set JAVA_HOME.",
  },
  STACK_MISSING_MAVEN: {
    policy: "stop",
    message: "Maven (mvn), which fetches {name}, was not found: apt-get install maven.",
  },
  STACK_MISSING_REDIS: {
    policy: "stop",
    message: "redis-server was not found on the PATH: apt-get install redis-server.",
  },
  STACK_FETCH_FAILED: {
    policy: "stop",
    message:
      "{name} could not be fetched from Maven Central: {reason}. Check the network and run again.",
  },
  STACK_FETCH_DIFFERS: {
    policy: "stop",
    message:
      "{file} of {name} is not the file that is pinned (sha256 {found}, not {expected}), and nothing of it is kept: look at what stands between this machine and Maven Central, also in ~/.m2, and run again.",
  },
  STACK_NOT_READY: {
    policy: "stop",
    message: "The local stack cannot start; {count} to correct:\n{problems}",
  },
  STACK_PORT_BUSY: {
    policy: "stop",
    message:
      "Port {port} of 127.0.0.1, which {name} wants, is taken by another process: stop that, or give another port with {flag}.",
  },
  STACK_PORT_CHANGED: {
    policy: "stop",
    message:
      "{name} of {directory} runs on port {found}, not {asked}: leave {flag} out, or stop the servers first (millrace stack down).",
  },
  DATA_STACK_CHANGED: {
    policy: "stop",
    message:
      "The data directory {directory} was begun with --stack {found}, not {asked}: give --stack {found}, or name another --data directory.",
  },
  STACK_UNREACHABLE: {
    policy: "stop",
    message: "Servers of --stack {stack} cannot be used; {count} to correct:\n{problems}\n{remedy}",
  },
  FRESH_REFUSED: {
    policy: "stop",
    message:
      "--fresh deletes no data on the servers of --stack {stack}, which others may share: {remedy}",
  },
  STACK_START_FAILED: {
    policy: "stop",
    message: "The local server {name} did not start: {reason}",
  },
  K6_MISSING_GO: {
    policy: "stop",
    message:
      "No Go was found on the PATH or in /usr/local/go, and k6 has to be built with our extension: apt-get install golang-go (an old one fetches Go {version} by itself), or take it from go.dev/dl.",
  },
  K6_BUILD_FAILED: {
    policy: "stop",
    message:
      "k6 could not be built with our extension: {reason}\nIf a module could not be fetched, check the network and GOPROXY, and run again.",
  },
  LIVE_AT_LEAST_ONCE: {
    policy: "stop",
    message:
      'The topology "{topology}" is declared at-least-once, but live mode commits what the clock decided together with what follows from it: declare it exactly-once, or replay it.',
  },
  ANSWER_MISSING: {
    policy: "stop",
    message:
      "{scoring}: a record reached scoring with {answers} of {lookups} look-ups answered. Answers precede their record, so the log of an inbox or a changelog is damaged: restore it, or start over from the sources.",
  },
  INBOX_DAMAGED: {
    policy: "stop",
    message:
      "The inbox is damaged: {what} (input {input}, upstream task {writer}, offset {offset}). The topic was deleted, recreated or written by another program; start over from the sources.",
  },
  TOPIC_MISMATCH: {
    policy: "stop",
    message:
      'The topic "{topic}" exists with {what} {actual}, but {expected} is wanted: delete it or use another name.',
  },
  TOPIC_UNKNOWN: {
    policy: "stop",
    message:
      'The broker has no partition {partition} of the topic "{topic}": create the topic first.',
  },
  OFFSET_OUT_OF_RANGE: {
    policy: "stop",
    message:
      "Offset {offset} of {topic}/{partition} is not in the log, which starts at {logStart}: records were deleted before they were read.",
  },
  RECORD_TOO_LARGE: {
    policy: "stop",
    message:
      "The batch for {topic}/{partition} ({sizeBytes} bytes) is larger than the topic takes: raise max.message.bytes or send smaller records.",
  },
  TOPIC_INVALID: {
    policy: "stop",
    message: 'The topic "{topic}" cannot be made: {reason}.',
  },
  SEQUENCE_GAP: {
    policy: "stop",
    message:
      "Producer {producerId} sent sequence number {sequence} to {topic}/{partition} where {expected} was due: batches before it were lost. Close it and read the log again.",
  },
  DATA_LOCKED: {
    policy: "stop",
    message:
      "The data directory {directory} is in use by the process {pid}: stop it, or use another --data directory.",
  },
  DATA_READ_ONLY: {
    policy: "stop",
    message: "The data directory {directory} was opened for reading only.",
  },
  STORAGE_FULL: {
    policy: "stop",
    message:
      "What stands in {directory} cannot be written ({reason}): free some space and start again. Nothing that was committed is lost.",
  },
  STORAGE_FAILED: {
    policy: "stop",
    message:
      "The log in {directory} cannot be used ({reason}): check the disk and its permissions.",
  },
  STORAGE_DAMAGED: {
    policy: "stop",
    message:
      "The log in {directory} is damaged ({reason}): restore it from a copy, or start over with --fresh.",
  },
  RECORD_BATCH_CORRUPT: {
    policy: "stop",
    message:
      "The record batch at {topic}/{partition}, offset {offset}, is damaged ({reason}): restore the log, or delete the records up to there.",
  },
  RECORD_BATCH_UNSUPPORTED: {
    policy: "stop",
    message:
      "The record batch at {topic}/{partition}, offset {offset}, is packed with {codec}, which nothing here can unpack: set compression.type on the topic to a codec of Kafka and write to it again.",
  },
  PRODUCER_FENCED: {
    policy: "restore",
    message:
      'A newer producer has taken over the transactional id "{transactionalId}": close this one and read the committed offsets again.',
  },
  TRANSACTION_OUTCOME_UNKNOWN: {
    policy: "restore",
    message:
      'The outcome of the transaction of "{transactionalId}" is unknown ({reason}): close the producer, make a new one, read the committed offsets again.',
  },
  TRANSACTION_STATE: {
    policy: "stop",
    message: 'The producer of "{transactionalId}" cannot {action}: {reason}.',
  },
  ILLEGAL_GENERATION: {
    policy: "rejoin",
    message:
      'The group "{group}" has gone on to another generation than {generation}: give up what was owned and rejoin.',
  },
  UNKNOWN_MEMBER: {
    policy: "rejoin",
    message:
      'The group "{group}" does not know the member "{member}": give up what was owned and rejoin.',
  },
  METADATA_TOO_LARGE: {
    policy: "stop",
    message:
      "The metadata of the committed offset of {topic}/{partition} is longer than 4,096 bytes.",
  },
  BROKER_UNAVAILABLE: {
    policy: "retry",
    message:
      "The broker did not answer {request} within {timeoutMs} ms ({reason}): check {brokers}.",
  },
  BROKER_REFUSED: {
    policy: "stop",
    message: "The broker refused {request}: {error} ({code}) {detail}",
  },
  BROKER_AUTHORIZATION: {
    policy: "stop",
    message: "The broker does not allow {request}: {error} ({code}). Grant it to this user.",
  },
  BROKER_LOGIN: {
    policy: "stop",
    message:
      "Kafka at {broker} refuses the login ({reason}): check kafkaUser, its password and kafkaSasl.",
  },
  BROKER_ANSWER_OVERSIZE: {
    policy: "stop",
    message:
      "{broker} began an answer of {sizeBytes} bytes, more than the {limit} that any of Kafka's may have: check that it is a listener of Kafka, and that kafkaTls says how it speaks.",
  },
  BROKER_TOO_OLD: {
    policy: "stop",
    message:
      "The broker {broker} does not offer {request} version {version} (it has {offered}): Kafka 2.8 or newer is needed.",
  },
  BROKER_CLOSED: {
    policy: "stop",
    message: "The connection to the broker was closed by this process; {request} was not sent.",
  },
  OFFSETS_UNSTABLE: {
    policy: "retry",
    message:
      'A transaction on the offsets of the group "{group}" has been open for {waitedMs} ms: its owner hangs, or Kafka has lost its end; wait for its time-out, or end it (docs/operations.md, "A transaction that never ends").',
  },
  LOG_UNDECIDED: {
    policy: "retry",
    message:
      'A transaction in {topic}/{partition} has been open for {waitedMs} ms: its owner hangs, or Kafka has lost its end; wait for its time-out, or end it (docs/operations.md, "A transaction that never ends").',
  },
  KAFKAJS_UNEXPECTED: {
    policy: "stop",
    message: "kafkajs {version} was found where {expected} is patched and tested: run npm ci.",
  },
  PORT_IN_USE: {
    policy: "stop",
    message: "Port {port} on 127.0.0.1 is taken ({what}): choose another one or 0 for any.",
  },
  UNKNOWN_TOPIC: {
    policy: "stop",
    message: 'The topology "{plan}" has no {kind} "{topic}"{near}.',
  },
  UNKNOWN_TASK: {
    policy: "stop",
    message:
      "The group assigned tasks that this plan does not have ({task}): all members must run the same plan.",
  },
  DATA_FORMAT: {
    policy: "stop",
    message:
      "The data directory {directory} has format {found}; this version of Millrace reads format {expected}. Start over with --fresh, or use another --data directory.",
  },
  DATA_PARTS: {
    policy: "stop",
    message:
      "The data directory {directory} is not whole: {part} {what}, and {others} beside it were filled from what was there. Put that back, or start over with --fresh.",
  },
  CHANGELOG_LAYOUT: {
    policy: "stop",
    message:
      'The changelog {topic}/{partition} has layout {found}; this version of Millrace reads layout {expected}. Start over with --fresh; on servers that others share, as docs/operations.md says under "Starting over".',
  },
  CHANGELOG_DEFINITION: {
    policy: "stop",
    message:
      'The changelog {topic}/{partition} holds the state of another definition of its step ({found}, now {expected}), which is never read: give the topology another name, or start over with --fresh; on servers that others share, as docs/operations.md says under "Starting over".',
  },
  PLAN_CHANGED: {
    policy: "stop",
    message:
      "The topology {topology} runs here with another definition, and cannot go on with this one:\n{changes}\ndocs/changing.md says what may be changed.",
  },
  DATA_PLAN_CHANGED: {
    policy: "stop",
    message:
      'The data directory {directory} holds the topology "{plan}" as it was before a change of it ({change}). {remedy}',
  },
  TOPIC_READ_ONLY: {
    policy: "stop",
    message:
      "Topic {topic} belongs to the run that is read again, and nothing may change it: this is a defect of the re-reading; report it.",
  },
  DATA_MODE_CHANGED: {
    policy: "stop",
    message:
      "The data directory {directory} was begun {found}, not {asked}: its topics do not mix. Name another --data directory, or add --fresh to start over.",
  },
  DATA_RANGE_CHANGED: {
    policy: "stop",
    message:
      "The data directory {directory} was begun with {what} {found}, not {asked}. Go on with that, start over with --fresh, or use another --data directory.",
  },
  DATA_RANGE_SHORTER: {
    policy: "stop",
    message:
      "The data directory {directory} already covers time to {found}, beyond {what} {asked}. {remedy}, start over with --fresh, or use another --data directory.",
  },
  OFFLINE_CLOSED: {
    policy: "stop",
    message:
      "The HTTP interface of chDB does not take {what}: it reaches beyond the tables, to files, other servers or the state of the engine.",
  },
  OFFLINE_TOO_LARGE: {
    policy: "stop",
    message:
      "A request to the HTTP interface of chDB may hold {limit} bytes, unpacked: send the rows in several.",
  },
  PASSWORD_FILE_UNSAFE: {
    policy: "stop",
    message:
      "The password file {file} is a link, is not whole, or can be read or changed by other users: delete it, and stop and start the stack; another password is made.",
  },
  OFFLINE_UNAVAILABLE: {
    policy: "retry",
    message: "The offline store at {where} does not answer ({reason}): check that it runs.",
  },
  OFFLINE_REFUSED: {
    policy: "retry",
    message:
      "ClickHouse at {where} refuses this client ({reason}): check clickhouseUser and its password, and what that user may do.",
  },
  OFFLINE_QUERY_FAILED: {
    policy: "stop",
    message: "The offline store refused a statement ({code}): {reason}",
  },
  QUERY_REFUSED: {
    policy: "stop",
    message:
      "ClickHouse cannot answer {where}: {reason} (its error {code}). Correct the SQL: `millrace sql 'SHOW TABLES'` says what there is, `DESCRIBE TABLE name` which columns.",
  },
  OFFLINE_SEVERAL_STATEMENTS: {
    policy: "stop",
    message:
      "One statement a request: more follows after the semicolon at character {position}. Send it by itself.",
  },
  OFFLINE_READ_ONLY: {
    policy: "stop",
    message:
      'Statements only read here (SELECT, WITH, SHOW, DESCRIBE, EXISTS, EXPLAIN), and "{word}" is none of these or may write: rows belong to a run, whose checks would find the change. Write through ClickHouse\'s own interface if you must.',
  },
  OFFLINE_FORMAT: {
    policy: "stop",
    message:
      'There is no output format "{format}": write the name of one of ClickHouse\'s, e.g. JSONEachRow.',
  },
  OFFLINE_INLINE_DATA: {
    policy: "stop",
    message:
      "Data behind INSERT … FORMAT is not read from the statement: send it as the body of the request, or write VALUES or SELECT.",
  },
  OFFLINE_TABLE_MISMATCH: {
    policy: "stop",
    message:
      "The table {table} has {what} {actual} where {expected} is wanted: rename or drop the table, or use another database.",
  },
  OFFLINE_DATABASE_TAKEN: {
    policy: "stop",
    message:
      "The database {database} of the offline store holds the tables of the topology {owner}, and cannot hold those of {topology}: give it one of its own with the setting clickhouseDatabase.",
  },
  OFFLINE_START_FAILED: {
    policy: "stop",
    message: "chDB could not open {directory}: {reason}",
  },
  ONLINE_UNAVAILABLE: {
    policy: "retry",
    message: "The online store at {where} does not answer ({reason}): check that it runs.",
  },
  ONLINE_REFUSED: {
    policy: "retry",
    message:
      "Redis at {where} refuses this client ({reason}): check redisUser and its password, and what that user may do.",
  },
  ONLINE_LAYOUT: {
    policy: "stop",
    message:
      "The online store at {where} holds a row of layout {found}; this version of Millrace reads layout {expected}. Rebuild it from the row topics.",
  },
  SOURCE_GAP: {
    policy: "stop",
    message:
      "The records {first} to {last} of {topic}/{partition} were deleted before they were read. Restore them, or go on without them with --accept-gaps: they are counted, and verify names them.",
  },
  SOURCE_RECREATED: {
    policy: "stop",
    message:
      "The topic {topic} was deleted and made again: what was read of {topic}/{partition} up to {position} is of another topic. Start over (--fresh), or go on at the beginning of the new topic with --accept-gaps.",
  },
  SOURCE_PARTITIONS: {
    policy: "stop",
    message:
      "The topic {topic} has {actual} partitions now, and {read} were read. More are taken up by `millrace run` itself; one with fewer was made again: make it with {read}, or start over (--fresh).",
  },
  PUMP_SILENT: {
    policy: "retry",
    message:
      "The sink {sink} was given rows of {topic} and has said nothing for {silentMs} ms; it is waited for: check that it runs.",
  },
  PUMP_GAP: {
    policy: "stop",
    message:
      "The records {first} to {last} of {topic}/{partition} are gone, and the sink {sink} never stored them. Restore the topic, or go on without them with --accept-gaps: they are counted, and verify names them.",
  },
  OFFLINE_OTHER_TOPIC: {
    policy: "stop",
    message:
      "The offline store has {rows} rows of {topic}/{partition} as it was before the topic was deleted and made again; what is in this topic now would stand beside them. Start over (--fresh, or other tables), or keep both with --accept-gaps: verify names them.",
  },
  PUMP_FAILED: {
    policy: "stop",
    message:
      "The pump of {topic} into {sink} ended: {reason}. This is a defect of Millrace or of the sink; what is stored stands, and a start goes on behind it.",
  },
  PUMP_RECORD: {
    policy: "stop",
    message:
      "The sink {sink} cannot read the record at {topic}/{partition}, offset {offset}: {reason}. Only Millrace may write this topic.",
  },
  ARTIFACT_MISSING: {
    policy: "stop",
    message:
      "The model artifact {sha256} is not in {where}: copy it there from a backup, or start over with --fresh.",
  },
  ARTIFACT_DAMAGED: {
    policy: "stop",
    message:
      "The model artifact {sha256} in {where} has other bytes than its name says: replace it from a backup, or start over with --fresh.",
  },
  ARTIFACTS_UNREACHABLE: {
    policy: "retry",
    message:
      "The store of model artifacts, {where}, does not answer: {reason}. Check the artifacts settings and that the store is up.",
  },
  TRAINING_OVERSIZE: {
    policy: "stop",
    message:
      "What the training {training} says of its model takes {sizeBytes} bytes, more than the {limitBytes} that fit a record, most of it the histograms of its features: score by fewer of them. The model before it stays in force.",
  },
  MODEL_REFUSED: {
    policy: "stop",
    message: "The model cannot be served: {reason}.",
  },
  SCORE_REFUSED: {
    policy: "stop",
    message: "Nothing is scored: {reason}.",
  },
  MODEL_VERSION_UNKNOWN: {
    policy: "stop",
    message:
      "The model {model} has no version {version}; it has: {known}. Say `millrace models history {model}` for what became of each.",
  },
  MODEL_NO_CHAMPION: {
    policy: "stop",
    message:
      "The model {model} has no champion yet; its versions: {known}. Name one with `millrace models promote {model} VERSION`, or register one with --alias champion.",
  },
  MODEL_NO_PREVIOUS: {
    policy: "stop",
    message:
      "The model {model} has no champion to go back to: it had {champions}. Name another version with `millrace models promote {model} VERSION`.",
  },
  MODEL_AMBIGUOUS: {
    policy: "stop",
    message:
      "Several topologies score by a model {model}: name one of {topologies} with --topology.",
  },
  MODEL_CHANGE_LOST: {
    policy: "stop",
    message:
      "The model {model} was changed by {by} meanwhile ({change}), so this change does not count: look at `millrace models history {model}`, then repeat it.",
  },
  MODEL_UNROUTED: {
    policy: "stop",
    message:
      "No step that scores by {model} can be routed so: add `{wanted}` to its scoredBy(), which gives its predictions columns that tell who answered.",
  },
  MODEL_UNJUDGED: {
    policy: "stop",
    message:
      "No outcomes tell how versions of {model} did: its step {step} is routed, and nothing labels its predictions. Add `labelledBy(…)` behind it.",
  },
  MODEL_ROUTE_TO_CHAMPION: {
    policy: "stop",
    message:
      "{version} is the champion of {model}, which answers whatever nobody else does: name another version, or another champion beside it (--champion).",
  },
  TRACKING_INVALID: {
    policy: "stop",
    message: "It cannot be logged or registered so: {reason}.",
  },
  TRACKING_UNKNOWN: {
    policy: "stop",
    message: "There is no {what} {name}.",
  },
  TRACKING_EXISTS: {
    policy: "stop",
    message: "There is a {what} {name} already{note}.",
  },
  TRACKING_FULL: {
    policy: "stop",
    message:
      "The log of experiments and models has {sizeBytes} bytes, and may have {limitBytes}: log less often, or to another application.",
  },
  TRACKING_UNREADABLE: {
    policy: "stop",
    message:
      "The log of experiments and models, {topic}, begins at offset {from}, and what stood before cannot be read: {reason}. Ask a gateway of the version that wrote it, or bring back the records that were deleted.",
  },
  TRACKING_OUTCOME_UNKNOWN: {
    policy: "retry",
    message:
      "It was written to the log of experiments and models, but what became of it could not be read before a snapshot took its place: look whether it is there, and ask again if it is not.",
  },
  TRACKING_CLOSED: {
    policy: "stop",
    message:
      "No step of the application scores by a model, so there is no log of experiments and models.",
  },
  SCORING_CLOSED: {
    policy: "stop",
    message: "Rows were sent to a scorer that is closed: score before closing it.",
  },
  SCORING_THREAD_LOST: {
    policy: "stop",
    message:
      "No thread of the scoring pool can be started: {reason}. Start again, which scores them; if memory was what was missing, give more of it, or fewer --scoring-threads.",
  },
  STATE_BUDGET: {
    policy: "stop",
    message:
      "The state of the task {task} has {bytes} bytes, for {keys} keys, beyond its budget of {budgetBytes}. Nothing that was committed is lost: give more (--state-budget-mb, and memory of some times as much), more partitions, shorter windows or within, or keys of fewer values.",
  },
  SCHEMA_INCOMPATIBLE: {
    policy: "stop",
    message:
      'The new schema of the subject "{subject}" cannot read what its latest version wrote: field "{field}": {reason}. Give new fields a default, or use another topic.',
  },
  REGISTRY_UNAVAILABLE: {
    policy: "retry",
    message: "The schema registry {url} did not answer {request}: {reason}. Check that it runs.",
  },
  REGISTRY_REFUSED: {
    policy: "stop",
    message: "The schema registry {url} refused {request} (HTTP {status}): {reason}",
  },
  REGISTERED_SCHEMA_MISSING: {
    policy: "stop",
    message:
      "The schema registry {url} has no Avro schema as {what} of {subject}: check the subject's name (<topic>-value, mostly) and its versions.",
  },
  REGISTRY_LOGIN: {
    policy: "stop",
    message:
      "The schema registry {url} does not allow {request} (HTTP {status}, {reason}): check registryUser and its password, and what that user may do.",
  },
  SCHEMA_INVALID: {
    policy: "stop",
    message: 'The schema for the subject "{subject}" cannot be used: {reason}.',
  },
  VALUE_INVALID: {
    policy: "stop",
    message: "A value does not fit {format}: {reason}.",
  },
  VALUE_UNREADABLE: {
    policy: "stop",
    message: "A value of {format} cannot be read: {reason}.",
  },
  CONFIG_INVALID: {
    policy: "stop",
    message: "The configuration has {count} to correct:\n{problems}",
  },
  WORKER_DIED: {
    policy: "stop",
    message:
      "Worker {worker} died {deaths} times in a row before it committed anything; the last process {how}. See what it wrote above, correct that and run again: the run goes on where it stands.",
  },
  APPLICATION_REFUSED: {
    policy: "stop",
    message: "{reason}",
  },
  APPLICATION_INVALID: {
    policy: "stop",
    message: "The application {application} cannot be run:\n{problems}",
  },
  APPLICATION_MISSING: {
    policy: "stop",
    message: "There is no module {module}: name the file that exports the application.",
  },
  APPLICATION_UNREADABLE: {
    policy: "stop",
    message: "The module {module} cannot be loaded: {reason}",
  },
  APPLICATION_UNNAMED: {
    policy: "stop",
    message:
      "Nothing says which application is meant, and no module of one is known in {directory}: name it, e.g. millrace run app.ts.",
  },
  DATA_APPLICATION_CHANGED: {
    policy: "stop",
    message:
      "The data directory {directory} belongs to the application {found} (topologies {foundPlans}), not to {application} ({plans}). Use another --data directory, or start over with --fresh.",
  },
  DATA_UNSAFE: {
    policy: "stop",
    message:
      "The directory {directory} {reason}, who could read or change what a run keeps there, or plant links: look at what is in it, make it yours alone (chown, chmod 700), or name another --data directory.",
  },
  DATA_UNWRITABLE: {
    policy: "stop",
    message:
      "The data directory {directory} cannot be written: {reason}. Name another one with --data.",
  },
  SOURCE_MISSING: {
    policy: "stop",
    message:
      "There is no topic {topics}. Correct the name, or make the topic: its producers do, or --create-sources.",
  },
  SOURCES_EMPTY: {
    policy: "stop",
    message:
      "There is nothing to replay: no record that can be read stands in {topics}. Send some first, or run with --live.",
  },
  LOOK_UNKNOWN: {
    policy: "stop",
    message: 'There is no {what} "{name}"{near}.',
  },
  INSPECT_REFUSED: {
    policy: "stop",
    message: "The run could not be asked: {reason}.",
  },
  DATA_MISSING: {
    policy: "stop",
    message:
      "There is no data in {directory} yet: run millrace run first, or name another --data directory.",
  },
  VIEW_UNKNOWN: {
    policy: "stop",
    message: 'There is no feature view "{view}"{near}. There are: {known}.',
  },
  VIEW_AMBIGUOUS: {
    policy: "stop",
    message: 'The topologies {topologies} each have a feature view "{view}": name one, --topology.',
  },
  VIEW_KEY_INVALID: {
    policy: "stop",
    message: "A key of {view} has the fields {fields}; {given} given.",
  },
  ARTIFACTS_APART: {
    policy: "stop",
    message:
      "{other}, which runs {plan} too, keeps its models in {there}, and this run would in {here}: what one trains the other would not find. Give all runs the same --artifacts, e.g. clickhouse, or a directory that all machines mount.",
  },
  DATA_MEMBER: {
    policy: "stop",
    message:
      "{path} holds no name of a member (1 to 64 letters, digits, dots, dashes, underscores): remove the file to have one made, or write one that no other data directory has.",
  },
  DATA_FOREIGN: {
    policy: "stop",
    message:
      'The directory {directory} holds "{name}", which no run of Millrace left there; --fresh would delete it. Name another --data directory.',
  },
  NULL_KEY: {
    policy: "dead-letter",
    message: "the record has no key; the key must be the text of the partition field",
  },
  KEY_MISMATCH: {
    policy: "dead-letter",
    message: "the record key is not the text of the partition field of its value",
  },
  WRONG_PARTITION: {
    policy: "dead-letter",
    message:
      "the record stands in another partition than murmur2 of its key names; librdkafka clients set partitioner=murmur2_random",
  },
  EVENT_TIME_MISSING: {
    policy: "dead-letter",
    message: "the event time is missing, zero, or not a time in milliseconds since 1970",
  },
  EVENT_TIME_AHEAD: {
    policy: "dead-letter",
    message:
      "the event time {eventTime} lies too far ahead, and would make what follows late: {why}",
  },
  KEY_OVERSIZE: {
    policy: "dead-letter",
    message: "a key, or the text of fields that make one, takes more than {keyLimitBytes} bytes",
  },
  ID_BEYOND_LONG: {
    policy: "dead-letter",
    message:
      "the id of a prediction is a whole number beyond 2^63 − 1, which no long holds: name a text by identifiedBy()",
  },
  TEXT_OVERSIZE: {
    policy: "dead-letter",
    message:
      "a text takes more than {textLimitBytes} bytes in what is derived from the record, or all of them more than {allTextsLimitBytes}",
  },
  RECORD_OVERSIZE: {
    policy: "dead-letter",
    message: "the value and the key together are larger than {recordLimitBytes} bytes",
  },
  DERIVED_OVERSIZE: {
    policy: "dead-letter",
    message:
      "{sizeBytes} bytes were derived where {topic} takes {limitBytes}; the first {keptBytes} are kept",
  },
  CLOSURE_FAILED: {
    policy: "dead-letter",
    message: "the custom test {name} {reason}",
  },
  UNKNOWN_SCHEMA: {
    policy: "dead-letter",
    message: "the schema registry gives no schema {id}{of}",
  },
  MALFORMED_AVRO: {
    policy: "dead-letter",
    message: "{reason}",
  },
  MALFORMED_JSON: {
    policy: "dead-letter",
    message: "{reason}",
  },
  MALFORMED_RECORD: {
    policy: "dead-letter",
    message: "{reason}",
  },
  MALFORMED_PROTOBUF: {
    policy: "dead-letter",
    message: "{reason}",
  },
} as const satisfies Record<string, ErrorEntry>;

/** A stable code: match on it, never on the message. */
export type ErrorCode = keyof typeof errorTable;

/** Codes of records that cannot be taken: outcomes, written to the dead letters, never thrown. */
export type DeadLetterCode = CodeOf<"dead-letter">;

type CodeOf<Policy extends ErrorPolicy> = {
  [Code in ErrorCode]: (typeof errorTable)[Code]["policy"] extends Policy ? Code : never;
}[ErrorCode];

type Fact = string | number | boolean | null;

/** Facts about one failure, by name; never a secret. */
export type ErrorContext = Readonly<Record<string, Fact>>;

/** The names in braces of a message. */
type PlaceholderOf<Message extends string> = Message extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PlaceholderOf<Rest>
  : never;

/** What an error of a code is made of: every fact that its message names, and others at will. */
type ContextOf<Code extends ErrorCode> = Readonly<
  Record<PlaceholderOf<(typeof errorTable)[Code]["message"]>, Fact>
> &
  ErrorContext;

type ThrownCode = Exclude<ErrorCode, DeadLetterCode>;

type ErrorArguments = {
  [Code in ThrownCode]: [PlaceholderOf<(typeof errorTable)[Code]["message"]>] extends [never]
    ? readonly [code: Code, context?: ErrorContext, options?: ErrorOptions]
    : readonly [code: Code, context: ContextOf<Code>, options?: ErrorOptions];
}[ThrownCode];

/**
 * The one error class of Millrace. `code` decides the policy; `context` says where; `cause` is
 * kept.
 */
export class MillraceError extends Error {
  override readonly name = "MillraceError";
  readonly code: ErrorCode;
  readonly policy: ErrorPolicy;
  readonly context: ErrorContext;

  constructor(...[code, context = {}, options]: ErrorArguments) {
    super(errorMessage(code, context), options);
    this.code = code;
    this.policy = errorTable[code].policy;
    this.context = context;
  }
}

/** An error whose code is known while the program runs: of another process, of a server's table. */
export function errorOf(
  code: ErrorCode,
  context: ErrorContext,
  options?: ErrorOptions,
): MillraceError {
  return new MillraceError(...([code, context, options] as unknown as ErrorArguments));
}

/** The message of a code with its facts; one that is missing stays in braces. */
export function errorMessage(code: ErrorCode, context: ErrorContext): string {
  const { message }: ErrorEntry = errorTable[code];
  return message.replace(/\{(\w+)\}/g, (_, key: string) => String(context[key] ?? `{${key}}`));
}

/** What the table says to do about an error; null: it is none of the table's, but a defect. */
export function policyOf(error: unknown): ErrorPolicy | null {
  return error instanceof MillraceError ? error.policy : null;
}
