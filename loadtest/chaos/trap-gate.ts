import type { HeldBatch, Point, Trap } from "./messages.ts";

/** Told that a worker stands at its trap; the promise it returns ends when it may go on. */
export type OnReached = (point: Point, where: string, held: HeldBatch | null) => void;

/**
 * The named points of one process. All are passed freely but the one that is armed: whoever comes
 * there is held, alone, until `release`; the rest of the process goes on.
 */
export class TrapGate {
  readonly #onReached: OnReached;
  #trap: Trap | null = null;
  #left = 0;
  #release: () => void = () => {};

  constructor(onReached: OnReached) {
    this.#onReached = onReached;
  }

  /** One trap at a time: a new one takes the place of one that nobody has reached. */
  arm(trap: Trap): void {
    this.#trap = trap;
    this.#left = trap.passes;
  }

  release(): void {
    this.#release();
  }

  /**
   * To be awaited at a point. True when the caller was held and let go.
   *
   * @param store - of a write. @default the point is no write
   */
  async pass(
    point: Point,
    where: string,
    store: Trap["store"] | null = null,
    held: HeldBatch | null = null,
  ): Promise<boolean> {
    const trap = this.#trap;
    if (trap === null || trap.point !== point) return false;
    if (store !== null && store !== trap.store) return false;
    if (this.#left-- > 0) return false;
    this.#trap = null;
    const released = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.#onReached(point, where, held);
    await released;
    return true;
  }
}
