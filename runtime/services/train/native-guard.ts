const idle = 0;
const running = 1;
const stopped = 2;

/**
 * Keeps a thread from being stopped while it runs native code: onnxruntime aborts the process then.
 * Both threads hold the same four shared bytes; whoever is first to move them wins.
 */
export class NativeGuard {
  readonly shared: SharedArrayBuffer;
  readonly #state: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.shared = shared;
    this.#state = new Int32Array(shared);
  }

  /** Runs native work; refuses with RangeError once the thread may be stopped at any moment. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (Atomics.compareExchange(this.#state, 0, idle, running) !== idle) {
      throw new RangeError("the training was stopped");
    }
    try {
      return await work();
    } finally {
      Atomics.store(this.#state, 0, idle);
    }
  }

  /** Whether the thread is safe to stop from now on; ask again later when it is not. */
  tryStop(): boolean {
    return Atomics.compareExchange(this.#state, 0, idle, stopped) !== running;
  }
}
