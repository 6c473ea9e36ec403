// The line that a long job keeps up to date: stage, percent, rate and time left.
// On a terminal it is redrawn in place; elsewhere a stage is printed once when it starts and once when it ends.

export type Progress = {
  /** A new stage; the one before it is done. `total` and later `at` are in `unit` (default bytes). */
  stage(name: string, total?: number): void;
  at(done: number): void;
  end(): void;
};

type Sink = { write(text: string): unknown; isTTY?: boolean; columns?: number };

export function makeProgress(sink: Sink = process.stderr, now: () => number = () => performance.now()): Progress {
  let current: { name: string; total: number | undefined; startedMs: number; drawnMs: number } | undefined;
  const finish = () => {
    if (!current) return;
    const tookS = (now() - current.startedMs) / 1000;
    const line = `${current.name}: ${tookS.toFixed(1)} s`;
    sink.write(sink.isTTY ? `\r\x1b[K${line}\n` : `${line}\n`);
    current = undefined;
  };
  return {
    stage(name, total) {
      finish();
      current = { name, total, startedMs: now(), drawnMs: 0 };
      sink.write(sink.isTTY ? `\r\x1b[K${name} ...` : `${name} ...\n`);
    },
    at(done) {
      if (!current?.total || !sink.isTTY || now() - current.drawnMs < 200) return;
      current.drawnMs = now();
      sink.write(
        `\r\x1b[K${progressText(current.name, done, current.total, (now() - current.startedMs) / 1000)}`.slice(
          0,
          (sink.columns ?? 80) + 4,
        ),
      );
    },
    end: finish,
  };
}

export const silentProgress: Progress = { stage() {}, at() {}, end() {} };

/** `writing root: 42 %  93 MB/s  3 s left`; `done` and `total` in bytes. */
export function progressText(name: string, done: number, total: number, elapsedS: number): string {
  const rate = elapsedS > 0 ? done / elapsedS : 0;
  const left = rate > 0 ? `  ${Math.ceil((total - done) / rate)} s left` : "";
  return `${name}: ${Math.floor((100 * done) / total)} %  ${(rate / 1e6).toFixed(0)} MB/s${left}`;
}
