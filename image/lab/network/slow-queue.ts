// Hands on frames at their times, in order.

export type SlowQueue = {
  /** `atMs` must not lie before that of an earlier frame. */
  add(atMs: number, deliver: () => void): void;
  /** Drops what is still in it. */
  close(): void;
};

export function makeSlowQueue(now: () => number): SlowQueue {
  const waiting: { atMs: number; deliver: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const deliverDue = () => {
    timer = undefined;
    while (waiting[0] && waiting[0].atMs <= now()) waiting.shift()?.deliver();
    if (waiting[0]) timer = setTimeout(deliverDue, Math.ceil(waiting[0].atMs - now()));
  };
  return {
    add(atMs, deliver) {
      if (waiting.length === 0 && atMs <= now()) return deliver();
      waiting.push({ atMs, deliver });
      timer ??= setTimeout(deliverDue, Math.ceil(Math.max(0, atMs - now())));
    },
    close() {
      clearTimeout(timer);
      waiting.length = 0;
    },
  };
}
