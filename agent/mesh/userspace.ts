// wireguard-go, where the kernel has no WireGuard: a child process that is the interface, and dies with the agent.
import { access } from "node:fs/promises";
import { sleep } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";

export type Userspace = { stop(): Promise<void> };

// It is up in 20-100 ms here; a loaded single-board computer may take a few seconds.
const startDeadlineMs = 10_000;
// The longest that a timer can hold, 24 days; it is started again then.
const longestMs = 2 ** 31 - 1;

export async function startUserspace(link: string, log: Log): Promise<Userspace> {
  const ending = new AbortController();
  let ended: unknown;
  // setpriv: the kernel ends the child when the agent ends, however that comes about.
  const running = run(["setpriv", "--pdeathsig", "KILL", "wireguard-go", "--foreground", link], {
    timeoutMs: longestMs,
    signal: ending.signal,
    onStderrLine: (line) => log.debug(`wireguard-go: ${line}`),
  }).then(
    () => {
      ended = "it exited";
    },
    (error) => {
      ended = error;
      if (!ending.signal.aborted) log.warn(`wireguard-go ended: ${describeError(error)}`);
    },
  );
  const stop = async () => {
    ending.abort();
    await running;
    // The interface goes when the process has closed it; whoever makes it anew must not meet the old one.
    for (let tries = 0; tries < 100 && (await isThere(link)); tries++) await sleep(20);
  };
  const deadline = performance.now() + startDeadlineMs;
  while (!(await isReady(link))) {
    if (ended !== undefined || performance.now() > deadline) {
      await stop();
      throw new HamletError("mesh.failed", "wireguard-go did not bring up the interface", {
        hint: "install wireguard-go, and see that /dev/net/tun and /run/wireguard are writable for the agent",
        cause: ended,
      });
    }
    await sleep(20);
  }
  return { stop };
}

const isReady = async (link: string) => (await isThere(link)) && (await exists(`/run/wireguard/${link}.sock`));
// Not by /sys: in a network namespace that may still show another one's interfaces.
const isThere = (link: string) =>
  run(["ip", "link", "show", "dev", link]).then(
    () => true,
    () => false,
  );

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
