// wireguard-go, where the kernel has no WireGuard: a child process that is the interface, and dies with the agent.
import { sleep } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { startDaemon } from "../../system/program.ts";
import { isListening } from "../../system/unix-socket.ts";

export type Userspace = { stop(): Promise<void> };

export async function startUserspace(link: string, log: Log): Promise<Userspace> {
  const daemon = await startDaemon(["wireguard-go", "--foreground", link], {
    isReady: () => isReady(link),
    onOurDeath: "KILL",
    onStderrLine: (line) => log.debug(`wireguard-go: ${line}`),
  }).catch(async (cause) => {
    await untilGone(link);
    throw new HamletError("mesh.failed", "wireguard-go did not bring up the interface", {
      hint:
        hintIfMissing(cause) ??
        "install wireguard-go, and see that /dev/net/tun and /run/wireguard are writable for the agent",
      cause,
    });
  });
  let isStopping = false;
  daemon.end.then(({ code }) => {
    if (!isStopping) log.warn(`wireguard-go ended with ${code}: ${daemon.lastWords()}`);
  });
  return {
    async stop() {
      isStopping = true;
      await daemon.stop();
      await untilGone(link);
    },
  };
}

/** The program that is missing may be setpriv, which starts wireguard-go. */
const hintIfMissing = ({ cause }: Error): string | undefined =>
  cause instanceof HamletError && cause.code === "command.missing" ? cause.hint : undefined;

/** The interface goes after its process; a new one must not meet the old. */
async function untilGone(link: string): Promise<void> {
  for (let tries = 0; tries < 100 && (await isThere(link)); tries++) await sleep(20);
}

const isReady = async (link: string) => (await isThere(link)) && (await isListening(`/run/wireguard/${link}.sock`));
// Not by /sys: in a network namespace that may still show another one's interfaces.
const isThere = (link: string) =>
  run(["ip", "link", "show", "dev", link]).then(
    () => true,
    () => false,
  );
