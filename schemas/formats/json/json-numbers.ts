import { fail } from "./json-input.ts";

const decimal = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Exact in a double. */
const shortWhole = /^-?\d{1,15}$/;

/** Digits behind which a whole number no longer fits into 64 bits, or a fraction into ns. */
const maxDigits = 60;

const least = -(2n ** 63n);
const most = 2n ** 63n - 1n;
const mostUnsigned = 2n ** 64n - 1n;

/** A double. What is larger than any is refused. */
export function double(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) fail(`${short(text)} is no number that a double can hold`);
  return value;
}

/** A decimal in quotes: digits as a number of JSON has them, and a sign. */
export function decimalText(text: string): number {
  const trimmed = text.replace(/^\+(?=\d)/, "");
  if (!decimal.test(trimmed)) fail(`"${short(text)}" is no decimal`);
  return double(trimmed);
}

/**
 * A whole number of 64 bits: a number where a double is exact, else a bigint. `1e3` and `5.0` are
 * whole.
 *
 * @param isUnsigned - whether it may lie beyond 2^63 − 1 too. @default false
 */
export function integer(text: string, isUnsigned = false): number | bigint {
  if (shortWhole.test(text)) return Number(text) + 0;
  const scaled = scaledBy(text, 0);
  if (scaled === null || scaled.rest) fail(`${short(text)} is no whole number`);
  return exact(scaled.whole, text, isUnsigned ? mostUnsigned : most);
}

/**
 * UTC ms of a timestamp.
 *
 * @param power - of ten that makes it ms: 3 of seconds, −6 of ns.
 */
export function timestampMs(text: string, power: number): number | bigint {
  if (power === 0 && shortWhole.test(text)) return Number(text) + 0;
  const scaled = scaledBy(text, power);
  if (scaled === null) {
    const unit = { 3: "s", 0: "ms", [-3]: "µs", [-6]: "ns" }[power];
    fail(`${short(text)} is no timestamp, a number in ${unit}`);
  }
  // Towards the past.
  const { whole, rest } = scaled;
  return exact(rest && text.startsWith("-") ? whole - 1n : whole, text, most);
}

/** `text · 10^power` without what stands behind the point, and whether anything does. */
function scaledBy(text: string, power: number): { whole: bigint; rest: boolean } | null {
  const match = decimal.exec(text);
  if (match === null) return null;
  const [, sign = "", whole = "", places = "", exponent = "0"] = match;
  const digits = `${whole}${places}`.replace(/^0+/, "");
  if (digits === "") return { whole: 0n, rest: false };
  const zeros = Number(exponent) + power - places.length;
  if (digits.length > 1_000 || zeros > maxDigits) return null;
  const kept = zeros >= 0 ? digits + "0".repeat(zeros) : digits.slice(0, zeros);
  const behind = zeros >= 0 ? "" : digits.slice(zeros);
  const value = BigInt(kept === "" ? 0 : kept);
  return { whole: sign === "-" ? -value : value, rest: /[1-9]/.test(behind) };
}

function exact(value: bigint, text: string, most: bigint): number | bigint {
  if (value < least || value > most) fail(`${short(text)} is beyond 64 bits`);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function short(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

const date = String.raw`(\d{4})-(\d\d)-(\d\d)`;
const time = String.raw`(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,30}))?)?`;
const offset = String.raw`(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?`;
const iso = new RegExp(`^${date}[Tt ]${time}${offset}$`);

/** UTC ms of a date and a time by ISO 8601, whose offset from UTC has to stand there. */
export function isoMs(text: string): number {
  const match = iso.exec(text);
  if (match === null) fail(`"${short(text)}" is no date and time by ISO 8601`);
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const second = Number(match[6] ?? 0);
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  const isDay = month >= 1 && month <= 12 && day >= 1 && midnight.getUTCDate() === day;
  if (!isDay || hour > 23 || minute > 59 || second > 59) {
    fail(`"${short(text)}" is no date and time that there is`);
  }
  if (match[8] === undefined && match[9] === undefined) {
    fail(`"${short(text)}" does not say its offset from UTC`);
  }
  const [hours, minutes] = [Number(match[10] ?? 0), Number(match[11] ?? 0)];
  if (hours > 18 || minutes > 59) fail(`"${short(text)}" has no offset that there is`);
  const ahead = (match[9] === "-" ? -1 : 1) * (hours * 60 + minutes) * 60_000;
  const ms = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  return midnight.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000 + ms - ahead;
}
