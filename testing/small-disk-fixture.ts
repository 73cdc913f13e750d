import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** A disk of its own, in memory, that can be full. */
export interface SmallDisk {
  readonly path: string;
  /** Leaves no byte of room. */
  fill(): void;
  /** Room again. */
  free(): void;
  resize(megabytes: number): void;
  unmount(): void;
}

/** Mounts one at a path, which is made. Only where `requirement("mount")` says false. */
export function mountSmallDisk(path: string, megabytes: number): SmallDisk {
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path]);
  const ballast = join(path, "ballast");
  return {
    path,
    fill: () => {
      const file = openSync(ballast, "a");
      try {
        for (const size of [1 << 20, 4_096, 1]) writeUntilFull(file, Buffer.alloc(size));
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    resize: (size) => {
      execFileSync("mount", ["-o", `remount,size=${size}m`, path]);
    },
    unmount: () => {
      execFileSync("umount", ["-l", path]);
    },
  };
}

function writeUntilFull(file: number, piece: Buffer): void {
  try {
    for (;;) writeSync(file, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
