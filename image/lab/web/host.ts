// The lab's web: a host of its own on the LAN that serves a folder and logs who took which bytes. It is started again if it ends.
import { appendFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { sleep } from "../../../system/clock.ts";
import { describeError } from "../../../system/error.ts";
import type { Log } from "../../../system/log.ts";
import { programFile } from "../../../system/package.ts";
import { startProgram } from "../../../system/program.ts";
import { makeQueue } from "../../../system/queue.ts";
import { hostArgv, type JoinPort } from "../network/join.ts";
import { listening } from "./requests.ts";

export type WebHost = {
  /** `problem`: why it is down. */
  state(): { state: "starting" | "up" } | { state: "down"; problem: string };
  stop(): Promise<void>;
};

/** Doubled from try to try: what keeps a host from starting, such as a missing permission, seldom goes away by itself. */
const [firstPauseMs, longestPauseMs] = [2_000, 60_000];

/** Serves `folder` on the hub's `port`; appends requests to the file `requests`. */
export function startWebHost(
  { folder, requests, port }: { folder: string; requests: string; port: JoinPort },
  log: Log,
): WebHost {
  let state: ReturnType<WebHost["state"]> = { state: "starting" };
  let stopHost = () => {};
  let pauseMs = firstPauseMs / 2;
  const stopping = new AbortController();
  const inOrder = makeQueue();
  const argv = hostArgv(port, [process.execPath, programFile("lab-web.mjs", "image/lab/web/main.ts"), folder]);

  const runOnce = async () => {
    const host = startProgram(argv, { stdout: "pipe", onOurDeath: "KILL" });
    // A waiting unshare blocks SIGTERM; its host ends with it.
    stopHost = () => host.kill("SIGKILL");
    const lines = createInterface({ input: host.stdout });
    lines.on("line", (line) => {
      if (line === listening) state = { state: "up" };
      else inOrder(() => appendFile(requests, `${line}\n`)).catch((error) => log.warn(`web: ${describeError(error)}`));
    });
    const how = await host.end.then(({ code }) => `exit code ${code} ${host.lastWords()}`.trim(), describeError);
    if (stopping.signal.aborted) return;
    pauseMs = state.state === "up" ? firstPauseMs : Math.min(2 * pauseMs, longestPauseMs);
    log.warn(`the web ended: ${how}`);
    state = { state: "down", problem: how };
  };
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await runOnce();
      await sleep(pauseMs, stopping.signal).catch(() => {});
    }
  })();
  return {
    state: () => state,
    async stop() {
      stopping.abort();
      stopHost();
      await running;
      await inOrder(() => {});
    },
  };
}
