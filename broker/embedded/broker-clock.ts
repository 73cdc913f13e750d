/** Time as the embedded broker needs it; tests move it by hand. */
export interface BrokerClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs an action once, later; returns what calls it off. */
  after(ms: number, action: () => void): () => void;
  /** The same, without keeping the process alive for it. */
  afterUnlessDone(ms: number, action: () => void): () => void;
}

export const systemClock: BrokerClock = {
  now: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  afterUnlessDone: (ms, action) => {
    const timer = setTimeout(action, ms).unref();
    return () => clearTimeout(timer);
  },
};
