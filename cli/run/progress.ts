import { createRequire } from "node:module";
import type { SingleBar } from "cli-progress";

/** How far a run is. */
export interface ProgressState {
  /** Event time that is processed, UTC ms; −Infinity before the first record. */
  readonly eventTime: number;
  /** Share of the range that is processed, 0 to 1; null where it has no end. */
  readonly share: number | null;
  /** Live: time until its end by the clock, ms; null: it has no end, or records bring it there. */
  readonly leftMs: number | null;
  /** Records handled by this start. */
  readonly records: number;
  /** AUC of the last day's predictions, null while unknown. */
  readonly auc: number | null;
  /** What is going on, e.g. `replaying`. */
  readonly phase: string;
}

/** A bar on a terminal, a line now and then elsewhere. */
export interface Progress {
  /** Of work over event time. */
  update(state: ProgressState): void;
  /** Of other work: the share that is done, 0 to 1, and what is being done. */
  step(share: number, text: string): void;
  /** A line of its own, above the bar. */
  say(line: string): void;
  stop(): void;
}

/** Time between two plain lines, ms. */
const lineEveryMs = 5_000;

export function createProgress(
  stream: NodeJS.WriteStream,
  now = () => performance.now(),
): Progress {
  return stream.isTTY ? bar(stream, now) : lines(stream, now);
}

/**
 * `2026-01-04 06:00  31 %  12,345 records/s  ETA 41 s  AUC 0.774  replaying`; live, where time
 * passes without records, `event time 2026-01-04 06:00  31 %  0 records/s  6m 54s left  live`.
 */
export function progressText(state: ProgressState, pace: Pace): string {
  const isLive = state.share === null || state.leftMs !== null;
  const parts = [
    eventTimeText(state.eventTime, isLive),
    state.share === null ? "" : `${Math.floor(state.share * 100)} %`,
    `${Math.round(pace.rate).toLocaleString("en-US")} records/s`,
    timeLeft(state, pace),
    state.auc === null ? "" : `AUC ${state.auc.toFixed(3)}`,
    state.phase,
  ];
  return parts.filter((part) => part !== "").join("  ");
}

/** Where the clock of the wall is near, it says which one it is. */
function eventTimeText(eventTime: number, isLive: boolean): string {
  if (!Number.isFinite(eventTime)) return "starting";
  const minute = new Date(eventTime).toISOString().slice(0, 16).replace("T", " ");
  return isLive ? `event time ${minute}` : minute;
}

/** By the clock where that ends the run; else as the last seconds went. */
function timeLeft({ leftMs }: ProgressState, { etaSeconds }: Pace): string {
  if (leftMs !== null) return `${clockText(Math.ceil(Math.max(0, leftMs) / 1000))} left`;
  return etaSeconds === null ? "" : `ETA ${Math.ceil(etaSeconds)} s`;
}

/** `54s`, `6m 54s`, `2h 6m`. */
function clockText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds}s`;
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

export interface Pace {
  /** Records a second over the last ten seconds. */
  readonly rate: number;
  readonly etaSeconds: number | null;
}

const paceWindowMs = 10_000;

/** Rate and time left from the states of the last ten seconds. */
export function createPace(): (state: ProgressState, nowMs: number) => Pace {
  const seen: { at: number; records: number; share: number }[] = [];
  return ({ records: told, share: known }, at) => {
    const share = known ?? 0;
    // Workers that have just been started have told of no records yet.
    const records = Math.max(told, seen.at(-1)?.records ?? 0);
    seen.push({ at, records, share });
    while (seen.length > 2 && at - (seen[0]?.at ?? at) > paceWindowMs) seen.shift();
    const first = seen[0] ?? { at, records, share };
    const seconds = (at - first.at) / 1000;
    if (seconds <= 0) return { rate: 0, etaSeconds: null };
    const shareRate = (share - first.share) / seconds;
    return {
      rate: (records - first.records) / seconds,
      etaSeconds: shareRate > 0 ? (1 - share) / shareRate : null,
    };
  };
}

function bar(stream: NodeJS.WriteStream, now: () => number): Progress {
  const progress = createRequire(import.meta.url)("cli-progress") as typeof import("cli-progress");
  const pace = createPace();
  const create = (): SingleBar =>
    new progress.SingleBar(
      {
        format: "[{bar}] {text}",
        stream,
        hideCursor: true,
        clearOnComplete: true,
        barsize: 24,
        fps: 10,
        gracefulExit: false,
      },
      progress.Presets.rect,
    );
  let single: SingleBar | null = null;
  // The bar hides the cursor: it comes back however the process ends, a second Ctrl-C included.
  const stop = () => {
    process.off("exit", stop);
    single?.stop();
    single = null;
  };
  const step = (share: number, text: string) => {
    if (single === null) {
      single = create();
      process.once("exit", stop);
      single.start(1000, 0, { text });
    }
    single.update(Math.round(share * 1000), { text });
  };
  return {
    update: (state) => step(state.share ?? 0, progressText(state, pace(state, now()))),
    step,
    say(line) {
      stop();
      stream.write(`${line}\n`);
    },
    stop,
  };
}

function lines(stream: NodeJS.WriteStream, now: () => number): Progress {
  const pace = createPace();
  const begunAt = now();
  let spokenAt = Number.NEGATIVE_INFINITY;
  const speak = (text: () => string) => {
    const at = now();
    if (at - spokenAt < lineEveryMs) return;
    spokenAt = at;
    stream.write(`${text()}\n`);
  };
  return {
    update(state) {
      const current = pace(state, now());
      speak(() => progressText(state, current));
    },
    step(share, text) {
      // What is over soon needs no word.
      spokenAt = Math.max(spokenAt, begunAt);
      speak(() => `${Math.floor(share * 100)} %  ${text}`);
    },
    say(line) {
      stream.write(`${line}\n`);
    },
    stop() {},
  };
}
