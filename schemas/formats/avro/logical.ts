import { exact, fail } from "./avro-input.ts";

const msPerDay = 86_400_000;

/** UTC ms of a timestamp in another unit, rounded towards the past. */
export function timestampMs(value: number | bigint, perMs: number): number | bigint {
  if (perMs === 1) return value;
  if (typeof value === "number") return Math.floor(value / perMs);
  const unit = BigInt(perMs);
  const quotient = value / unit;
  return exact(value < 0n && quotient * unit !== value ? quotient - 1n : quotient);
}

/** Of UTC ms in another unit: what {@link timestampMs} makes `ms` of. */
export function timestampIn(ms: number | bigint, perMs: number): number | bigint {
  return perMs === 1 ? ms : exact(BigInt(ms) * BigInt(perMs));
}

/** The UTC midnight that begins a day, ms. */
export function dateMs(days: number): number {
  return days * msPerDay;
}

export function daysOf(ms: number): number {
  return Math.floor(ms / msPerDay);
}

/** What a decimal may have: a double ends at 128 bytes, and 300 places take as many again. */
const maxDecimalBytes = 256;

/** The double nearest to a decimal: big-endian two's complement of its digits. */
export function decimalNumber(digits: Buffer, scale: number): number {
  if (digits.length > maxDecimalBytes) fail(`a decimal has more than ${maxDecimalBytes} bytes`);
  let value = BigInt(digits.length === 0 ? 0 : `0x${digits.toString("hex")}`);
  if (((digits[0] ?? 0) & 0x80) !== 0) value -= 1n << BigInt(8 * digits.length);
  // Text to number rounds once; a division would round twice.
  return Number(`${value}e${-scale}`);
}

/** Digits of a decimal from the shortest text of a number; null where it has more places. */
export function decimalDigits(value: number, scale: number): Buffer | null {
  const [, sign = "", whole = "", places = "", power = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  const zeros = scale - places.length + Number(power);
  if (whole === "" || zeros < 0 || zeros > 700) return null;
  let rest = BigInt(`${sign}${whole}${places}${"0".repeat(zeros)}`);
  const bytes: number[] = [];
  for (;;) {
    const byte = Number(rest & 0xffn);
    bytes.unshift(byte);
    rest >>= 8n;
    if ((rest === 0n && byte < 0x80) || (rest === -1n && byte >= 0x80)) return Buffer.from(bytes);
  }
}

export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  const parts = [0, 8, 12, 16, 20].map((start, i) => hex.slice(start, [8, 12, 16, 20, 32][i]));
  return parts.join("-");
}

export function uuidBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll("-", ""), "hex");
}
