import { durationMs, isDuration } from "../../schemas/duration.ts";
import { Secret } from "./secret.ts";

/** What a setting accepts: text from a flag or the environment, or a JSON value from the file. */
export interface SettingType<T> {
  /**
   * What was written, read.
   *
   * @throws {WrongSetting} when it is none of what may be written.
   */
  readonly read: (written: unknown) => T;
  /** Shown in help after the flag, e.g. `<time>`; null for a flag without argument. */
  readonly argument: string | null;
  /** Whether the flag may be repeated; in the environment its values are parted by commas. */
  readonly repeatable: boolean;
  /** Whether a wrong value is repeated in the error: where a password could stand, never. */
  readonly echoed: boolean;
}

/** A value that a setting does not take; the message says what to write instead. */
export class WrongSetting extends Error {}

function type<T>(read: (written: unknown) => T, argument: string | null, repeatable = false) {
  return { read, argument, repeatable, echoed: true };
}

function unechoed<T>(read: (written: unknown) => T, argument: string, repeatable = false) {
  return { read, argument, repeatable, echoed: false };
}

/** A text of which `read` makes a value; undefined: it is none, and `advice` says what would be. */
function textOf<T>(advice: string, read: (text: string) => T | undefined) {
  return (written: unknown): T => {
    const value = typeof written === "string" ? read(written) : undefined;
    if (value === undefined) throw new WrongSetting(advice);
    return value;
  };
}

/** The same, or null. */
function orNull<T>(read: (written: unknown) => T): (written: unknown) => T | null {
  return (written) => (written === null ? null : read(written));
}

function matching(advice: string, pattern: RegExp) {
  return textOf(advice, (text) => (pattern.test(text) ? text : undefined));
}

/** One of a few words. */
export function word<const Words extends readonly [string, ...string[]]>(
  words: Words,
): SettingType<Words[number]> {
  return type(
    textOf(`write ${words.length === 1 ? "" : "one of "}${words.join(", ")}`, (text) =>
      words.find((each) => each === text),
    ),
    `<${words.join("|")}>`,
  );
}

/** A path; relative ones are taken from the working directory. */
export const path = type(matching("write a path", /./s), "<path>");
export const optionalPath = type(orNull(path.read), "<file>");

const words = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

/** Yes or no: a bare flag, or true or false. */
export const toggle = type((written): boolean => {
  if (typeof written === "boolean") return written;
  return textOf("write true or false", (text) => words.get(text))(written);
}, null);

export function integer(min: number, max: number) {
  const advice = `write a whole number from ${min} to ${max}`;
  const read = (written: unknown): number => {
    const number = typeof written === "string" && /^-?\d+$/.test(written) ? +written : written;
    if (!Number.isSafeInteger(number) || Number(number) < min || Number(number) > max) {
      throw new WrongSetting(advice);
    }
    return number as number;
  };
  return type(read, "<number>");
}

/** A length of time like `5m`, as ms. */
export const duration = type(
  textOf("write a duration like 500ms, 5s or 10m", (text) =>
    isDuration(text) ? durationMs(text) : undefined,
  ),
  "<duration>",
);

/** A length of time; null when it is not said. */
export const optionalDuration = type(orNull(duration.read), "<duration>");

/** A TCP port, 0 for any free one, or `off` (null). */
export const port = type((written): number | null => {
  if (written === "off" || written === null) return null;
  const number = typeof written === "string" && /^\d{1,5}$/.test(written) ? +written : written;
  if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new WrongSetting("write a port from 0 (any) to 65535, or off");
  }
  return number;
}, "<port|off>");

/** Where to listen: a port of loopback, `host:port` (IPv6 in brackets), or `off` (null). */
export const listenAddress = type((written): { host: string; port: number } | null => {
  if (written === "off" || written === null) return null;
  const text = typeof written === "number" ? String(written) : written;
  return textOf("write a port of 127.0.0.1, host:port or off", (text) => {
    const [, host, ipv6, digits = ""] =
      /^(?:(?:([^\s:/@[\]]+)|\[([\da-f:.]+)\]):)?(\d{1,5})$/i.exec(text) ?? [];
    const port = Number(digits);
    if (digits === "" || port > 65_535) return undefined;
    return { host: host ?? ipv6 ?? "127.0.0.1", port };
  })(text);
}, "<address>");

/** A TCP port of a server; null when it is not said. */
export const serverPort = type(orNull(integer(1, 65_535).read), "<port>");

const timePattern = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z?)?$/;

/** A day or an instant, always UTC, as ms. */
export const time = type(
  textOf(
    "write a UTC time like 2026-01-15 or 2026-01-15T06:00",
    (text) => parseTime(text) ?? undefined,
  ),
  "<time>",
);

/** UTC ms of a day or an instant as people write it; null when it is none. */
export function parseTime(text: string): number | null {
  if (!timePattern.test(text)) return null;
  const instant = Date.parse(text.includes("T") && !text.endsWith("Z") ? `${text}Z` : text);
  // Date.parse rolls 31 February over; the day must come back as it was written.
  if (Number.isNaN(instant) || !new Date(instant).toISOString().startsWith(text.slice(0, 10))) {
    return null;
  }
  return instant;
}

/** Texts, parted by commas; the flag may be repeated, `none` empties the list. */
export const texts = type(
  (written): string[] => {
    const all: readonly unknown[] = Array.isArray(written) ? written : [written];
    return all
      .map(textOf("write texts parted by commas", (text) => text))
      .flatMap((text) => text.split(","))
      .map((text) => text.trim())
      .filter((text) => text !== "" && text !== "none");
  },
  "<text>",
  true,
);

const factorPattern = /^([^=\s]+)=(\d+(?:\.\d+)?)$/;

/** Factors of at least 1 by topic, written `TOPIC=FACTOR`; the flag may be repeated. */
export const factors = type(
  (written): ReadonlyMap<string, number> => {
    const factorOf = new Map<string, number>();
    for (const text of texts.read(written)) {
      const [, topic = "", factor = "0"] = factorPattern.exec(text) ?? [];
      if (Number(factor) < 1 || Number(factor) > 1e6) {
        throw new WrongSetting("write TOPIC=FACTOR with a factor from 1 to 1000000");
      }
      factorOf.set(topic, Number(factor));
    }
    return factorOf;
  },
  "<topic=factor>",
  true,
);

/** A name; null when it is not said. */
export const optionalText = type(orNull(matching("write a name", /./s)), "<name>");

/** Database of the offline store; `{topology}` in it stands for a name. */
export const databaseName = type(
  matching(
    "write letters, digits, _ and -, e.g. millrace_{topology}; default and system are the server's",
    /^(?!(?:default|system|information_schema)$)(?:[\w-]|\{topology\})+$/i,
  ),
  "<name>",
);

/** Where artifacts stand: `clickhouse`, `s3://bucket/prefix`, or a path; null: not said. */
export const artifactsPlace = type(
  orNull(
    matching(
      "write clickhouse, s3://bucket/prefix or a path",
      /^(?:clickhouse|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[\w./-]*)?|(?!\w+:\/\/).+)$/,
    ),
  ),
  "<place>",
);

/** A secret: neither shown nor echoed. */
export const secret = unechoed(
  orNull((written) => {
    if (written === "") throw new WrongSetting("write a text that is not empty");
    return textOf("write a text", (text) => new Secret(text))(written);
  }),
  "<secret>",
);

/** Texts that are all of a kind. */
function allOf(advice: string, isOne: (text: string) => boolean) {
  return (written: unknown): string[] => {
    const all = texts.read(written);
    if (!all.every(isOne)) throw new WrongSetting(advice);
    return all;
  };
}

/** `host:port` of some servers, parted by commas. */
export const hosts = unechoed(
  allOf("write host:port, several parted by commas, without a scheme or a user", isHost),
  "<host:port>",
  true,
);

/** One URL of the schemes; null when it is not said. */
export function url(...schemes: readonly [string, ...string[]]) {
  const isOne = isAddress(schemes);
  const read = textOf(urlProblem(schemes), (text) => (isOne(text) ? text : undefined));
  return unechoed(orNull(read), "<url>");
}

/** URLs of the schemes, parted by commas. */
export function urls(...schemes: readonly [string, ...string[]]) {
  return unechoed(allOf(urlProblem(schemes), isAddress(schemes)), "<url>", true);
}

function isHost(text: string): boolean {
  const port = Number(/^[^\s:/@?#]+:(\d{1,5})$/.exec(text)?.[1] ?? 0);
  return port > 0 && port <= 65_535;
}

/** An address alone: whatever a password could hide in is refused. */
function isAddress(schemes: readonly string[]): (text: string) => boolean {
  return (text) => {
    if (!URL.canParse(text)) return false;
    const { protocol, hostname, username, password, search, hash } = new URL(text);
    const bare = username === "" && password === "" && search === "" && hash === "";
    return schemes.includes(protocol.slice(0, -1)) && hostname !== "" && bare;
  };
}

function urlProblem(schemes: readonly string[]): string {
  const forms = schemes.map((scheme) => `${scheme}://host:port`).join(" or ");
  return `write ${forms} alone; user and password are settings of their own`;
}
