import { type ErrorCode, MillraceError } from "../schemas/errors.ts";
import { jsonText, plainLines } from "../schemas/plain-text.ts";

/** What the shell is told. */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Errors that the command line itself caused. */
const usageErrors: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CONFIG_INVALID",
  "APPLICATION_INVALID",
  "APPLICATION_MISSING",
  "APPLICATION_REFUSED",
  "APPLICATION_UNNAMED",
  "APPLICATION_UNREADABLE",
  "DATA_APPLICATION_CHANGED",
  "DATA_UNSAFE",
  "DATA_UNWRITABLE",
  "SOURCE_MISSING",
  "SOURCES_EMPTY",
  "LOOK_UNKNOWN",
  "MODEL_AMBIGUOUS",
  "MODEL_NO_CHAMPION",
  "MODEL_NO_PREVIOUS",
  "MODEL_VERSION_UNKNOWN",
  "SCORE_REFUSED",
  "GATEWAY_OPEN",
  "KEYS_FILE_INVALID",
  "KEY_UNKNOWN",
  "DATA_MODE_CHANGED",
  "DATA_RANGE_CHANGED",
  "DATA_RANGE_SHORTER",
  "DATA_STACK_CHANGED",
  "DATA_FOREIGN",
  "OFFLINE_SEVERAL_STATEMENTS",
  "PROJECT_EXISTS",
  "SCHEMA_FILE_INVALID",
  "STACK_PORT_CHANGED",
  "OFFLINE_READ_ONLY",
  "QUERY_REFUSED",
  "VIEW_UNKNOWN",
  "VIEW_KEY_INVALID",
  "STEP_UNKNOWN",
  "STEP_UNSERVED",
  "EVENT_TOPIC_UNKNOWN",
]);

/**
 * Prints an error on standard error, for people or as one JSON object, and returns the exit code.
 *
 * @param asJson - `{"error":{"code","message","causes"}}`; `code` is null for what is no error of
 * Millrace.
 */
export function reportError(error: unknown, asJson = false): number {
  const code = error instanceof MillraceError ? error.code : null;
  const exit = code !== null && usageErrors.has(code) ? exitCodes.usage : exitCodes.failed;
  if (asJson) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(jsonText({ error: { code, message, causes: causesOf(error) } }));
  } else if (error instanceof MillraceError) {
    tell(`${error.code}: ${error.message}`);
    // A message that has its cause in it has said it.
    const untold = causesOf(error).filter((cause) => !error.message.includes(cause));
    for (const cause of untold) tell(`  because of ${cause}`);
  } else if (isAboutPath(error)) {
    tell(`${error.message}: name another path, or change what stands there.`);
  } else tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return exit;
}

/** What comes from a record or a server must not reach a terminal as it is. */
function tell(text: string): void {
  console.error(plainLines(text));
}

function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  for (; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  return causes;
}

/** How the file system refuses a path. */
const pathCodes: ReadonlySet<string | undefined> = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOTDIR",
  "EISDIR",
  "ENOSPC",
]);

/** Whether a path is refused: its name says all, the stack nothing. */
function isAboutPath(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code, path } = error as NodeJS.ErrnoException;
  return path !== undefined && pathCodes.has(code);
}

/** What a Ctrl-C does to a command. */
export interface Interrupt {
  /** Aborts on a Ctrl-C once the work has begun. */
  readonly signal: AbortSignal;
  /**
   * The work begins. Before, while servers start and tasks are restored, a Ctrl-C ends the process
   * at once: nothing is under way that a kill could spoil, and waiting for the start would be long.
   */
  begin(): void;
  /**
   * From here on a stop is not held up by servers that are away: some seconds after a Ctrl-C, while
   * any is waited for, the process ends as with a second one, and says so.
   *
   * @param waitingFor - names of servers that are waited for now.
   */
  insist(waitingFor: () => readonly string[]): void;
  release(): void;
}

/** How long a stop waits for a server that is away, ms. */
const awayMs = 5_000;

/** Listens for Ctrl-C; while the work is brought to its end, a second one ends at once. */
export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  let begun = false;
  let waitingFor: () => readonly string[] = () => [];
  let timer: NodeJS.Timeout | undefined;
  const giveUp = () => {
    const away = waitingFor();
    if (away.length === 0) return;
    console.error(
      `Gave up waiting for ${away.join(" and ")}: what is not committed is done again by the next start.`,
    );
    process.exit(exitCodes.interrupted);
  };
  const stop = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    if (!begun) {
      console.error("\nStopped before the work began; run again to continue.");
      process.exit(exitCodes.interrupted);
    }
    console.error("\nStopping; a second Ctrl-C ends at once.");
    controller.abort();
    timer = setTimeout(() => {
      giveUp();
      // One that goes away while the rest comes to its end.
      timer = setInterval(giveUp, 1_000);
    }, awayMs);
  };
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    begin: () => {
      begun = true;
    },
    insist: (servers) => {
      waitingFor = servers;
    },
    release: () => {
      clearTimeout(timer);
      for (const name of names) process.off(name, stop);
    },
  };
}
