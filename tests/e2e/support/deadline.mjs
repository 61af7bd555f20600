// Waiting for conditions under a deadline. Nothing in these tests sleeps for luck.

import { setTimeout as delay } from "node:timers/promises";

// Sanitizers and two busy cores make everything slower; a condition that holds is seen at once all the same.
export const PATIENCE_MS = 30000;

/**
 * Resolves with the first truthy result of `condition` (which may be async); throws after `timeoutMs`.
 * `what` says what was waited for: a string, or a function that looks at the state then.
 */
export async function until(condition, what, timeoutMs = PATIENCE_MS) {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() >= end) {
      throw new Error(`not within ${timeoutMs} ms: ${typeof what === "function" ? what() : what}`);
    }
    await delay(5);
  }
}

/** The promise's own outcome, or an error after `timeoutMs`. */
export async function within(promise, what, timeoutMs = PATIENCE_MS) {
  const gone = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: gone.signal }).then(
    () => {
      throw new Error(`not within ${timeoutMs} ms: ${what}`);
    },
    () => {},
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    gone.abort();
  }
}
