import { isUtf8 } from "node:buffer";

/** Objects and arrays within each other. */
const maxDepth = 256;

/** Why a value is no JSON of the declared fields. */
export class JsonValueError extends Error {}

export function fail(reason: string): never {
  throw new JsonValueError(reason);
}

/** Why the bytes are no JSON at all, whatever their fields. */
function noJson(reason: string): never {
  fail(`it is no JSON: ${reason}`);
}

const quote = 0x22;
const backslash = 0x5c;
const plainEscapes: Readonly<Record<number, string>> = {
  34: '"',
  47: "/",
  92: "\\",
  98: "\b",
  102: "\f",
  110: "\n",
  114: "\r",
  116: "\t",
};

/** Characters of what is no JSON that a message shows. */
const excerptMax = 12;

/** What may follow a value within an object or an array. */
const closing: ReadonlySet<number> = new Set([0x2c, 0x5d, 0x7d]);

/** Letters, digits and `_`: a word with one of them behind it is another word. */
function isWordByte(byte: number): boolean {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f;
}

/**
 * JSON by RFC 8259 under a position, read byte by byte. All that is passed over is checked too:
 * what is no JSON is refused, wherever it stands.
 */
export class JsonInput {
  buffer: Buffer = Buffer.alloc(0);
  position = 0;
  #start = 0;
  #end = 0;
  #depth = 0;

  open(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.#start = start;
    this.#end = end;
    this.#depth = 0;
    const hasMark =
      end - start >= 3 &&
      buffer[start] === 0xef &&
      buffer[start + 1] === 0xbb &&
      buffer[start + 2] === 0xbf;
    this.position = hasMark ? start + 3 : start;
    if (!isUtf8(buffer.subarray(start, end))) fail("it is no UTF-8");
  }

  /** The next byte behind white space, which stays; −1 at the end. */
  peek(): number {
    const { buffer } = this;
    while (this.position < this.#end) {
      const byte = buffer[this.position] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.position++;
    }
    return -1;
  }

  /** Takes a byte of punctuation. */
  take(byte: number): void {
    if (this.peek() !== byte) this.unexpected(`"${String.fromCharCode(byte)}"`);
    this.position++;
  }

  /** Takes the byte if it is the next. */
  takeIf(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.position++;
    return true;
  }

  end(): void {
    if (this.peek() !== -1) noJson(`${this.#excerpt()}, behind its end`);
  }

  /** Whether exactly these bytes stand here; takes them. */
  takeBytes(bytes: Buffer): boolean {
    const { buffer, position } = this;
    const next = position + bytes.length;
    if (next > this.#end) return false;
    for (let i = 0; i < bytes.length; i++) if (buffer[position + i] !== bytes[i]) return false;
    this.position = next;
    return true;
  }

  /** Whether this word stands here, and no longer one; takes it. */
  word(text: "true" | "false" | "null"): boolean {
    const { buffer, position } = this;
    const next = position + text.length;
    if (next > this.#end) return false;
    for (let i = 0; i < text.length; i++) {
      if (buffer[position + i] !== text.charCodeAt(i)) return false;
    }
    if (next < this.#end && isWordByte(buffer[next] as number)) return false;
    this.position = next;
    return true;
  }

  text(): string {
    this.take(quote);
    const { buffer } = this;
    const start = this.position;
    let at = start;
    let ascii = 0;
    for (;;) {
      if (at >= this.#end) this.#endsWithinText();
      const byte = buffer[at] as number;
      if (byte === quote) break;
      if (byte === backslash) return this.#escaped(start, at);
      if (byte < 0x20) this.#control(at);
      ascii |= byte;
      at++;
    }
    this.position = at + 1;
    return ascii < 0x80 ? buffer.toString("latin1", start, at) : buffer.toString("utf8", start, at);
  }

  /** A number, as it is written. */
  number(): string {
    this.peek();
    const start = this.position;
    if (this.buffer[this.position] === 0x2d) this.position++;
    if (this.buffer[this.position] === 0x30 && this.position < this.#end) this.position++;
    else this.#digits();
    if (this.#is(0x2e)) {
      this.position++;
      this.#digits();
    }
    if (this.#is(0x65) || this.#is(0x45)) {
      this.position++;
      if (this.#is(0x2b) || this.#is(0x2d)) this.position++;
      this.#digits();
    }
    return this.buffer.toString("latin1", start, this.position);
  }

  /** Into an object or an array. */
  descend(): void {
    if (++this.#depth > maxDepth) fail(`it nests deeper than ${maxDepth}`);
  }

  ascend(): void {
    this.#depth--;
  }

  /** Passes over one value of any kind. */
  skip(): void {
    const byte = this.peek();
    if (byte === quote) this.text();
    else if (byte === 0x7b) this.#skipObject();
    else if (byte === 0x5b) this.#skipArray();
    else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) this.number();
    else if (!this.word("true") && !this.word("false") && !this.word("null")) {
      this.unexpected("a value");
    }
  }

  /** What stands here instead of what should, by the grammar of JSON. */
  unexpected(wanted: string): never {
    if (this.peek() === -1) {
      noJson(`it ends at byte ${this.position - this.#start}, where ${wanted} should stand`);
    }
    noJson(`${this.#excerpt()}, not ${wanted}`);
  }

  /**
   * The kind of the next value, for messages: it is passed over, so that what only begins like a
   * value is told as what it is.
   */
  found(): string {
    const byte = this.peek();
    this.skip();
    const next = this.peek();
    const isWhole = this.#depth === 0 ? next === -1 : closing.has(next);
    if (!isWhole) this.unexpected(this.#depth === 0 ? "its end" : '"," or an end');
    if (byte === quote) return "text";
    if (byte === 0x7b) return "an object";
    if (byte === 0x5b) return "an array";
    if (byte === 0x74 || byte === 0x66) return "a boolean";
    return byte === 0x6e ? "null" : "a number";
  }

  /** The first characters from here, and where they stand. */
  #excerpt(): string {
    const { buffer, position } = this;
    // As many bytes as the characters can have, however long the value is.
    const bytes = buffer.subarray(position, Math.min(this.#end, position + 4 * excerptMax));
    const found = bytes.toString("utf8").slice(0, excerptMax);
    return `${JSON.stringify(found)} stands at byte ${position - this.#start}`;
  }

  #endsWithinText(): never {
    noJson(`it ends at byte ${this.#end - this.#start}, within a text`);
  }

  #control(at: number): never {
    const code = this.buffer[at] as number;
    noJson(`a text has the control character ${code} in it, at byte ${at - this.#start}`);
  }

  /** @param at - of the backslash. */
  #unknownEscape(at: number): never {
    noJson(`a text has an unknown escape in it, at byte ${at - this.#start}`);
  }

  #is(byte: number): boolean {
    return this.position < this.#end && this.buffer[this.position] === byte;
  }

  #digits(): void {
    const start = this.position;
    while (this.position < this.#end) {
      const byte = this.buffer[this.position] as number;
      if (byte < 0x30 || byte > 0x39) break;
      this.position++;
    }
    if (this.position === start) this.unexpected("a digit");
  }

  #skipObject(): void {
    this.descend();
    this.take(0x7b);
    if (!this.takeIf(0x7d)) {
      do {
        this.text();
        this.take(0x3a);
        this.skip();
      } while (this.takeIf(0x2c));
      this.take(0x7d);
    }
    this.ascend();
  }

  #skipArray(): void {
    this.descend();
    this.take(0x5b);
    if (!this.takeIf(0x5d)) {
      do this.skip();
      while (this.takeIf(0x2c));
      this.take(0x5d);
    }
    this.ascend();
  }

  /** A text that begins at `start` and has its first escape at `from`. */
  #escaped(start: number, from: number): string {
    const { buffer } = this;
    let text = buffer.toString("utf8", start, from);
    let at = from;
    for (;;) {
      if (at >= this.#end) this.#endsWithinText();
      const byte = buffer[at] as number;
      if (byte === quote) break;
      if (byte < 0x20) this.#control(at);
      if (byte === backslash) {
        if (at + 1 >= this.#end) this.#endsWithinText();
        const letter = buffer[at + 1] as number;
        if (letter === 0x75) {
          text += String.fromCharCode(this.#hex(at + 2));
          at += 6;
        } else {
          text += plainEscapes[letter] ?? this.#unknownEscape(at);
          at += 2;
        }
        continue;
      }
      const run = at;
      while (at < this.#end && buffer[at] !== quote && buffer[at] !== backslash) {
        if ((buffer[at] as number) < 0x20) break;
        at++;
      }
      text += buffer.toString("utf8", run, at);
    }
    this.position = at + 1;
    // A half of a pair has no UTF-8: two such texts would become one key.
    if (/\p{Surrogate}/u.test(text)) fail("a text has half of a surrogate pair in it");
    return text;
  }

  #hex(at: number): number {
    const digits = at + 4 <= this.#end ? this.buffer.toString("latin1", at, at + 4) : "";
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#unknownEscape(at - 2);
    return Number.parseInt(digits, 16);
  }
}
