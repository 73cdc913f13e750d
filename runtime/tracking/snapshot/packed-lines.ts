import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";

/** Lines as pieces of one gzip. */
export interface PackedLines {
  readonly pieces: readonly Buffer[];
  /** Of the pieces one after the other. */
  readonly sha256: string;
  /** Of the lines with their ends. */
  readonly bytes: number;
}

/** Bytes that are handed to gzip at a time: between two the process does other work. */
const sliceBytes = 64 * 1024;

/** @param pieceBytes - of each piece but the last. */
export async function packLines(lines: Iterable<string>, pieceBytes: number): Promise<PackedLines> {
  const pieces: Buffer[] = [];
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let bytes = 0;
  const cut = (size: number) => {
    const all = Buffer.concat(waiting);
    pieces.push(all.subarray(0, size));
    waiting = [all.subarray(size)];
    waitingBytes = all.length - size;
  };
  const slices = Readable.from(slicesOf(lines, (size) => (bytes += size)));
  // A start unpacks it; the time to pack it is what readers wait for.
  await pipeline(slices, createGzip({ level: 1 }), async (packed: AsyncIterable<Buffer>) => {
    for await (const some of packed) {
      waiting.push(some);
      waitingBytes += some.length;
      while (waitingBytes >= pieceBytes) cut(pieceBytes);
    }
  });
  if (waitingBytes > 0) cut(waitingBytes);
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return { pieces, sha256: hash.digest("hex"), bytes };
}

/**
 * Calls `onLine` for each line of pieces.
 *
 * @throws {Error} when they are not those, or a line is none; what the pieces fail with.
 */
export async function unpackLines(
  pieces: AsyncIterable<Buffer>,
  { sha256, bytes }: Omit<PackedLines, "pieces">,
  onLine: (line: string) => void,
): Promise<void> {
  const hash = createHash("sha256");
  const hashed = async function* () {
    for await (const piece of pieces) {
      hash.update(piece);
      yield piece;
    }
  };
  let unpacked = 0;
  let begun: Buffer[] = [];
  await pipeline(hashed, createGunzip(), async (slices: AsyncIterable<Buffer>) => {
    for await (const slice of slices) {
      unpacked += slice.length;
      if (unpacked > bytes) throw new Error(`it unpacks to more than its ${bytes} bytes`);
      let from = 0;
      for (let end = slice.indexOf(0x0a); end >= 0; end = slice.indexOf(0x0a, from)) {
        begun.push(slice.subarray(from, end));
        onLine(Buffer.concat(begun).toString("utf8"));
        begun = [];
        from = end + 1;
      }
      begun.push(slice.subarray(from));
    }
  });
  if (unpacked < bytes) throw new Error(`it unpacks to ${unpacked} bytes, not ${bytes}`);
  if (hash.digest("hex") !== sha256) throw new Error("its bytes are not those of its sha256");
}

function* slicesOf(lines: Iterable<string>, count: (bytes: number) => void): Generator<Buffer> {
  let slice = "";
  const taken = () => {
    const bytes = Buffer.from(slice, "utf8");
    count(bytes.length);
    slice = "";
    return bytes;
  };
  for (const line of lines) {
    slice += `${line}\n`;
    if (slice.length >= sliceBytes) yield taken();
  }
  if (slice !== "") yield taken();
}
