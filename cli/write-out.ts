import { writeSync } from "node:fs";

/** Writes a text and a line end to standard output, whole, even when the process ends at once. */
export function writeOut(text: string): void {
  writeBytes(Buffer.from(text.endsWith("\n") ? text : `${text}\n`));
}

/** Writes bytes to the standard output as they are. */
export function writeBytes(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The reader has gone, as with `| head`: there is nobody left to tell.
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}
