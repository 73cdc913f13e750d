import type { Scalar } from "../schemas/expression.ts";
import type { FeatureViewSpec } from "../schemas/feature-view.ts";
import { type Event, naiveAggregate, type Row, rounded, valuesAt } from "./naive-view-fixture.ts";
import { compareKeys } from "./view/key-order.ts";
import { type Step, timeOf } from "./view-run-fixture.ts";

interface Held {
  readonly event: Event;
  /** By window whether the event is in it. */
  readonly isIn: boolean[];
}

interface Key {
  held: Held[];
  isTiled: boolean;
  /** While tiled: the events not longer told apart, and the newest, which are. */
  dropped: Event[];
  recent: Event[];
}

export interface NaiveOutput {
  readonly rows: { readonly served: number; readonly row: Row }[];
  readonly answers: Scalar[][];
}

/**
 * Rows and answers of a view with a limit, event by event from the rules: an event enters window w
 * if t + w is ahead; it leaves at t + w while the key is exact, and at (last ms of its tile) + w
 * while it is tiled. Above the limit a key is tiled. At an expiry it is exact again if no dropped
 * event would be in a window.
 *
 * @param sizes - tile length in ms, by window.
 */
export class NaiveTiles {
  readonly #view: FeatureViewSpec;
  readonly #sizes: readonly number[];
  readonly #lengths: readonly number[];
  readonly #longest: number;
  readonly #keys = new Map<string, Key>();
  readonly #seqOf = new Map<string, number>();
  readonly #out: NaiveOutput = { rows: [], answers: [] };

  constructor(view: FeatureViewSpec, sizes: readonly number[]) {
    this.#view = view;
    this.#sizes = sizes;
    this.#lengths = view.windows.map(({ lengthMs }) => lengthMs);
    this.#longest = Math.max(...this.#lengths);
  }

  run(steps: readonly Step[], end: number): NaiveOutput {
    for (const step of steps) {
      const instant = timeOf(step);
      if (step.kind === "lookup") {
        this.#expireTo(instant - 1);
        this.#out.answers.push(valuesAt(this.#view, this.#values(step.key), instant));
      } else {
        this.#expireTo(instant);
        this.#update(step.event);
      }
    }
    this.#expireTo(end);
    return this.#out;
  }

  #update(event: Event): void {
    const now = event.knownAt;
    if (event.eventTime + this.#longest <= now) return;
    const fresh = { held: [], isTiled: false, dropped: [], recent: [] };
    const key = this.#keys.get(event.key) ?? fresh;
    this.#keys.set(event.key, key);
    const isIn = this.#lengths.map((length) => event.eventTime + length > now);
    key.held.push({ event, isIn });
    if (key.isTiled) key.recent.push(event);
    else if (key.held.length > this.#view.exactLimit) {
      key.isTiled = true;
      key.dropped = [];
      key.recent = key.held.map((each) => each.event).sort((a, b) => a.eventTime - b.eventTime);
    }
    const kept = Math.max(1, Math.floor(this.#view.exactLimit / 2));
    if (key.isTiled) key.dropped.push(...key.recent.splice(0, key.recent.length - kept));
    this.#emit(event.key, key, now);
  }

  #expireTo(until: number): void {
    for (;;) {
      const next = Math.min(...[...this.#keys.values()].map((key) => this.#nextOf(key)));
      if (!(next <= until)) return;
      const due = [...this.#keys].filter(([, key]) => this.#nextOf(key) === next);
      for (const [name, key] of due.sort((a, b) => compareKeys(a[0], b[0]))) {
        this.#expire(key, next);
        this.#emit(name, key, next);
      }
    }
  }

  #expire(key: Key, now: number): void {
    if (key.isTiled && key.dropped.every((event) => event.eventTime + this.#longest <= now)) {
      // The times in the exact windows are those of before: what had left stays out.
      this.#drop(key, false, now);
      key.isTiled = false;
    } else this.#drop(key, key.isTiled, now);
  }

  #drop(key: Key, isTiled: boolean, now: number): void {
    for (const { event, isIn } of key.held) {
      for (const window of isIn.keys()) {
        if (this.#leavesAt(event, window, isTiled) <= now) isIn[window] = false;
      }
    }
    key.held = key.held.filter(({ isIn }) => isIn.includes(true));
  }

  #leavesAt(event: Event, window: number, isTiled: boolean): number {
    const size = isTiled ? (this.#sizes[window] as number) : 1;
    const tile = Math.floor(event.eventTime / size) * size;
    return tile + size - 1 + (this.#lengths[window] as number);
  }

  #nextOf(key: Key): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { event, isIn } of key.held) {
      for (const window of isIn.keys()) {
        if (isIn[window]) next = Math.min(next, this.#leavesAt(event, window, key.isTiled));
      }
    }
    return next;
  }

  #values(name: string): number[] {
    const held = this.#keys.get(name)?.held ?? [];
    return this.#view.aggregates.flatMap((aggregate) =>
      this.#lengths.map((_, window) => {
        const events = held.filter(({ isIn }) => isIn[window]).map(({ event }) => event);
        return rounded(Number(naiveAggregate(aggregate, events)));
      }),
    );
  }

  #emit(key: string, state: Key, asOf: number): void {
    const seq = (this.#seqOf.get(`${key} ${asOf}`) ?? -1) + 1;
    this.#seqOf.set(`${key} ${asOf}`, seq);
    const next = this.#nextOf(state);
    const validUntil = next === Number.POSITIVE_INFINITY ? Number.NaN : next;
    const row = { key, asOf, seq, validUntil, values: this.#values(key) };
    this.#out.rows.push({ served: Number(state.isTiled), row });
  }
}
