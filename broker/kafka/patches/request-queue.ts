/*
 * Derived from kafkajs 2.2.4, src/network/requestQueue/index.js.
 * Copyright (c) 2018 Túlio Ornelas (ornelas.tulio@gmail.com). MIT License: the permission notice
 * is reproduced in the file NOTICE of this repository.
 */

/** What the patch needs of kafkajs's own queue. */
export interface RequestQueueInternals {
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
}

type QueueConstructor = new (...args: readonly unknown[]) => RequestQueueInternals;

const pendingCheckMs = 10;

/**
 * kafkajs's request queue without its endless 1 ms timer: a check is armed only while a request
 * waits. The original arms itself again after every check, with a delay below zero when nothing
 * is throttled (about 800 wake-ups a second and connection).
 */
export function patchedRequestQueue(Original: QueueConstructor): QueueConstructor {
  return class PatchedRequestQueue extends Original {
    scheduleCheckPendingRequests(): void {
      if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) {
        return;
      }
      const throttledMs = this.throttledUntil - Date.now();
      this.throttleCheckTimeoutId = setTimeout(
        () => {
          this.throttleCheckTimeoutId = null;
          this.checkPendingRequests();
        },
        throttledMs > 0 ? throttledMs : pendingCheckMs,
      );
    }
  };
}
