/** What the scripts use of k6, and our own module in it (loadtest/k6/extension/module). */

declare const __ENV: Readonly<Record<string, string | undefined>>;

declare const console: { error(text: string): void };

/** Reads a file beside the script; only while k6 reads the script. */
declare function open(path: string): string;

declare module "k6" {
  export function sleep(seconds: number): void;
}

declare module "k6/data" {
  interface SharedArray<Value> extends ReadonlyArray<Value> {}
  export const SharedArray: new <Value>(name: string, make: () => Value[]) => SharedArray<Value>;
}

declare module "k6/execution" {
  const execution: { readonly scenario: { readonly iterationInTest: number } };
  // biome-ignore lint/style/noDefaultExport: k6 exports it so.
  export default execution;
}

declare module "k6/http" {
  interface Answer {
    /** 0: there was none. */
    readonly status: number;
    readonly body: string;
    readonly error: string;
    /** ms, from the first byte sent to the last one received. */
    readonly timings: { readonly duration: number };
  }
  interface Options {
    readonly headers?: Readonly<Record<string, string>>;
    readonly tags?: Readonly<Record<string, string>>;
  }
  const http: {
    get(url: string, options?: Options): Answer;
    post(url: string, body: string, options?: Options): Answer;
  };
  // biome-ignore lint/style/noDefaultExport: k6 exports it so.
  export default http;
}

declare module "k6/metrics" {
  class Metric {
    readonly name: string;
    constructor(name: string, isTime?: boolean);
    add(value: number | boolean, tags?: Readonly<Record<string, string>>): void;
  }
  export class Counter extends Metric {}
  export class Gauge extends Metric {}
  export class Rate extends Metric {}
  export class Trend extends Metric {}
}

declare module "k6/x/millrace" {
  export interface Servers {
    readonly brokers: readonly string[];
    /** URL of a schema registry with Confluent's interface. */
    readonly registry: string;
  }

  export interface Sending {
    readonly topic: string;
    /** Text of the id. */
    readonly key: string;
    readonly value: Readonly<Record<string, unknown>>;
    /** Whether exactly one record with this key is due in the topic that is followed. */
    readonly answered: boolean;
  }

  /** A client that all VUs share: acks=all, idempotent. It connects with its first record. */
  export class Producer {
    /** @param schemas - Avro, by topic: registered under `<topic>-value` on first use. */
    constructor(servers: Servers, schemas: Readonly<Record<string, string>>);
    /**
     * Returns once all replicas have all records.
     *
     * @returns milliseconds that it took.
     * @throws when a record was not acknowledged; others may have been.
     */
    send(records: readonly Sending[]): number;
  }

  /** Notes that a record with this key is about to be sent by other means than a Producer. */
  export function expectAnswer(key: string): void;

  /** Notes how that ended: false leaves open whether it was taken. */
  export function settle(key: string, acknowledged: boolean): void;

  /** In setup: from here on `look` reads what is committed to the topic, once for all VUs. */
  export function follow(servers: Servers, topic: string): void;

  export interface Seen {
    /** Records that came, first answers or not. */
    readonly records: number;
    /** Milliseconds from sending to reading, of first answers to what was sent. */
    readonly latencies: readonly number[];
    /** Of these, answered by a fallback. */
    readonly fallbacks: number;
    /** Of these, predicted without a feature that would have been waited for too long. */
    readonly incomplete: number;
  }

  /** Waits at most that long, ms, for records that are committed. */
  export function look(ms: number): Seen;

  export interface Account {
    /** Keys that all replicas acknowledged. */
    readonly sent: number;
    /** Keys whose send failed: they may be answered once or not at all. */
    readonly unsure: number;
    /** Keys answered at least once. */
    readonly answered: number;
    /** Acknowledged and not answered. */
    readonly missing: number;
    /** Answers beyond the first of their key. */
    readonly doubled: number;
    /** Answers to keys that were not sent from here. */
    readonly foreign: number;
    /** Ten of them at most. */
    readonly missingKeys: readonly string[];
    readonly doubledKeys: readonly string[];
  }

  /** Of every key sent by any VU, whether it was answered once. */
  export function account(): Account;
}
