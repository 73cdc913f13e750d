import { z } from "zod";
import { durationMs, isDuration } from "../../schemas/duration.ts";
import { Secret } from "./secret.ts";

/** What a setting accepts: text from a flag or the environment, or a JSON value from the file. */
export interface SettingType<T> {
  readonly schema: z.ZodType<T>;
  /** Shown in help after the flag, e.g. `<time>`; null for a flag without argument. */
  readonly argument: string | null;
  /** Whether the flag may be repeated; in the environment its values are parted by commas. */
  readonly repeatable: boolean;
  /** Whether a wrong value is repeated in the error: where a password could stand, never. */
  readonly echoed: boolean;
}

function type<T>(schema: z.ZodType<T>, argument: string | null, repeatable = false) {
  return { schema, argument, repeatable, echoed: true };
}

function unechoed<T>(schema: z.ZodType<T>, argument: string, repeatable = false) {
  return { schema, argument, repeatable, echoed: false };
}

/** One of a few words. */
export function word<const Words extends readonly [string, ...string[]]>(
  words: Words,
): SettingType<Words[number]> {
  return type(
    z.enum(words, { error: `write ${words.length === 1 ? "" : "one of "}${words.join(", ")}` }),
    `<${words.join("|")}>`,
  );
}

/** A path; relative ones are taken from the working directory. */
export const path = type(z.string().min(1, "write a path"), "<path>");
export const optionalPath = type(z.string().min(1, "write a path").nullable(), "<file>");

/** Yes or no: a bare flag, or true or false. */
export const toggle = type(
  z.union(
    [
      z.boolean(),
      z.enum(["true", "false", "1", "0"]).transform((text) => text === "true" || text === "1"),
    ],
    { error: "write true or false" },
  ),
  null,
);

export function integer(min: number, max: number) {
  const message = `write a whole number from ${min} to ${max}`;
  const number = z.number(message).int(message).min(min, message).max(max, message);
  const text = z
    .string()
    .regex(/^-?\d+$/, message)
    .transform(Number)
    .pipe(number);
  return type(z.union([number, text], { error: message }), "<number>");
}

const durationForm = "write a duration like 500ms, 5s or 10m";

/** A length of time like `5m`, as ms. */
export const duration = type(
  z.string(durationForm).transform((text, context) => {
    if (isDuration(text)) return durationMs(text);
    context.addIssue(durationForm);
    return z.NEVER;
  }),
  "<duration>",
);

/** A length of time; null when it is not said. */
export const optionalDuration = type(duration.schema.nullable(), "<duration>");

/** A TCP port, 0 for any free one, or `off` (null). */
export const port = type(
  z.union(
    [
      z.literal("off").transform(() => null),
      z.null(),
      z.number().int().min(0).max(65_535),
      z
        .string()
        .regex(/^\d{1,5}$/)
        .transform(Number)
        .pipe(z.number().max(65_535)),
    ],
    { error: "write a port from 0 (any) to 65535, or off" },
  ),
  "<port|off>",
);

const listenForm = "write a port of 127.0.0.1, host:port or off";

/** Where to listen: a port of loopback, `host:port` (IPv6 in brackets), or `off` (null). */
export const listenAddress = type(
  z.union([z.string(), z.number(), z.null()], { error: listenForm }).transform((value, context) => {
    if (value === "off" || value === null) return null;
    const [, host, ipv6, digits = ""] =
      /^(?:(?:([^\s:/@[\]]+)|\[([\da-f:.]+)\]):)?(\d{1,5})$/i.exec(String(value)) ?? [];
    const port = Number(digits);
    if (digits !== "" && port <= 65_535) return { host: host ?? ipv6 ?? "127.0.0.1", port };
    context.addIssue(listenForm);
    return z.NEVER;
  }),
  "<address>",
);

/** A TCP port of a server; null when it is not said. */
export const serverPort = type(
  z.union([z.null(), integer(1, 65_535).schema], { error: "write a port from 1 to 65535" }),
  "<port>",
);

const timePattern = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z?)?$/;

/** A day or an instant, always UTC, as ms. */
export const time = type(
  z.string("write a UTC time like 2026-01-15 or 2026-01-15T06:00").transform((text, context) => {
    const instant = parseTime(text);
    if (instant === null) {
      context.addIssue("write a UTC time like 2026-01-15 or 2026-01-15T06:00");
      return z.NEVER;
    }
    return instant;
  }),
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
  z
    .union([z.array(z.string()), z.string().transform((text) => [text])], {
      error: "write texts parted by commas",
    })
    .transform((all) =>
      all
        .flatMap((text) => text.split(","))
        .map((text) => text.trim())
        .filter((text) => text !== "" && text !== "none"),
    ),
  "<text>",
  true,
);

const factorPattern = /^([^=\s]+)=(\d+(?:\.\d+)?)$/;

/** Factors of at least 1 by topic, written `TOPIC=FACTOR`; the flag may be repeated. */
export const factors = type(
  texts.schema.transform((all, context) => {
    const factorOf = new Map<string, number>();
    for (const text of all) {
      const [, topic = "", factor = "0"] = factorPattern.exec(text) ?? [];
      if (Number(factor) < 1 || Number(factor) > 1e6) {
        context.addIssue("write TOPIC=FACTOR with a factor from 1 to 1000000");
        return z.NEVER;
      }
      factorOf.set(topic, Number(factor));
    }
    return factorOf as ReadonlyMap<string, number>;
  }),
  "<topic=factor>",
  true,
);

/** A name; null when it is not said. */
export const optionalText = type(
  z.string("write a name").min(1, "write a name").nullable(),
  "<name>",
);

const databaseAdvice =
  "write letters, digits, _ and -, e.g. millrace_{topology}; default and system are the server's";

/** Database of the offline store; `{topology}` in it stands for a name. */
export const databaseName = type(
  z
    .string(databaseAdvice)
    .regex(/^(?!(?:default|system|information_schema)$)(?:[\w-]|\{topology\})+$/i, databaseAdvice),
  "<name>",
);

/** Where artifacts stand: `clickhouse`, `s3://bucket/prefix`, or a path; null: not said. */
export const artifactsPlace = type(
  z
    .string("write clickhouse, s3://bucket/prefix or a path")
    .regex(
      /^(?:clickhouse|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[\w./-]*)?|(?!\w+:\/\/).+)$/,
      "write clickhouse, s3://bucket/prefix or a path",
    )
    .nullable(),
  "<place>",
);

/** A secret: neither shown nor echoed. */
export const secret = unechoed(
  z
    .string("write a text")
    .min(1, "write a text that is not empty")
    .transform((text) => new Secret(text))
    .nullable(),
  "<secret>",
);

/** `host:port` of some servers, parted by commas. */
export const hosts = unechoed(
  texts.schema.refine((all) => all.every(isHost), {
    error: "write host:port, several parted by commas, without a scheme or a user",
  }),
  "<host:port>",
  true,
);

/** One URL of the schemes; null when it is not said. */
export function url(...schemes: readonly [string, ...string[]]) {
  const error = urlProblem(schemes);
  return unechoed(z.string(error).refine(isAddress(schemes), { error }).nullable(), "<url>");
}

/** URLs of the schemes, parted by commas. */
export function urls(...schemes: readonly [string, ...string[]]) {
  const error = urlProblem(schemes);
  const schema = texts.schema.refine((all) => all.every(isAddress(schemes)), { error });
  return unechoed(schema, "<url>", true);
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
