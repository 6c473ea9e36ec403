// A stopped build removes its programs and temporary folders, however it is stopped. It hangs where people give up most often:
// at a mirror that accepts the connection but does not answer.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../eventually.ts";
import { lacks } from "../../lacks.ts";

const hamlet = fileURLToPath(new URL("../../../cli/hamlet.ts", import.meta.url));
const skips = lacks("apt-get", "setpriv");

let folder: string;
let mirror: Server;
let calls: Set<Socket>;
let started: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-stop-"));
  calls = new Set();
  started = [];
  mirror = createServer((socket) => {
    calls.add(socket.on("close", () => calls.delete(socket)).on("error", () => {}));
    socket.resume();
  });
  mirror.listen(0, "127.0.0.1");
  await once(mirror, "listening");
});

afterEach(async () => {
  for (const child of started) child.kill("SIGKILL");
  for (const socket of calls) socket.destroy();
  mirror.close();
  // A killed process may still be writing its last file.
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** Starts the command and waits until its builder has connected to the mirror. */
async function startedUntilFetching(...words: string[]): Promise<{ child: ChildProcess; told: () => string }> {
  // Ignore this computer's proxy, if it has one.
  const apt = join(folder, "apt.conf");
  await writeFile(apt, 'Acquire::http::Proxy "DIRECT";\n');
  const env = {
    ...process.env,
    APT_CONFIG: apt,
    HAMLET_DEBIAN_MIRROR: `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`,
    no_proxy: "127.0.0.1",
    TMPDIR: folder,
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_RUNTIME_DIR: join(folder, "runtime"),
    XDG_STATE_HOME: join(folder, "state"),
  };
  const child = spawn(process.execPath, [hamlet, ...words], { env, stdio: ["ignore", "ignore", "pipe"] });
  started.push(child);
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  await eventually(
    () => {
      if (child.exitCode !== null) throw new Error(`ended early: ${told}`);
      return calls.size > 0;
    },
    { within: 20_000 },
  );
  return { child, told: () => told };
}

const nothingIsLeft = () =>
  eventually(async () => {
    expect(calls.size).toBe(0);
    expect((await readdir(folder)).filter((name) => name.startsWith("hamlet-"))).toEqual([]);
  });

test.skipIf(skips)("Ctrl-C ends image build and its programs, removes its folders, and prints one line", async () => {
  const { child, told } = await startedUntilFetching("image", "build", "--board", "nuc", "-o", join(folder, "out"));
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await once(child, "close")).toEqual([130, null]);
  expect(told().trimEnd().split("\n").at(-1)).toBe("stopped: the image was not built");
  await nothingIsLeft();
});

test.skipIf(skips)("Ctrl-C during the build of lab up ends the builder", async () => {
  const { child, told } = await startedUntilFetching("lab", "up");
  child.kill("SIGTERM");
  expect(await once(child, "close")).toEqual([143, null]);
  expect(told().trimEnd().split("\n").at(-1)).toBe("stopped: no lab was started");
  await nothingIsLeft();
});

test.skipIf(skips)("killing lab up ends its builder", async () => {
  const { child } = await startedUntilFetching("lab", "up");
  child.kill("SIGKILL");
  await once(child, "exit");
  await nothingIsLeft();
});
