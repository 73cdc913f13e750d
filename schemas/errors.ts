/** What a task does when a step fails with an error of this code. */
export type ErrorPolicy = "retry" | "dead-letter" | "stop";

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
  TOPOLOGY_INVALID: {
    policy: "stop",
    message: 'The topology "{topology}" cannot be built; {count} to correct:\n{problems}',
  },
  STACK_MISSING_JAVA: {
    policy: "stop",
    message:
      "No Java {version} or newer was found through JAVA_HOME, the PATH or the usual folders: install one (apt-get install openjdk-17-jdk-headless, or a newer one) or set JAVA_HOME.",
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
  STACK_START_FAILED: {
    policy: "stop",
    message: "The local server {name} did not start: {reason}",
  },
  ANSWER_MISSING: {
    policy: "stop",
    message:
      "{scoring}: a record reached scoring with {answers} of {lookups} look-ups answered. Answers precede their record, so the log of an inbox or a changelog is damaged: restore it, or start over from the sources.",
  },
} as const satisfies Record<string, ErrorEntry>;

/** A stable code: match on it, never on the message. */
export type ErrorCode = keyof typeof errorTable;

/** Facts about one failure, by name; never a secret. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null>>;

/** The one error class of Millrace. `code` decides the policy; `context` says where; `cause` is kept. */
export class MillraceError extends Error {
  override readonly name = "MillraceError";
  readonly code: ErrorCode;
  readonly policy: ErrorPolicy;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, context: ErrorContext = {}, options?: ErrorOptions) {
    const entry: ErrorEntry = errorTable[code];
    super(
      entry.message.replace(/\{(\w+)\}/g, (_, key: string) => String(context[key] ?? `{${key}}`)),
      options,
    );
    this.code = code;
    this.policy = entry.policy;
    this.context = context;
  }
}
