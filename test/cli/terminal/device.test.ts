import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { Status } from "../../../agent/api/schema.ts";
import { findDevice, findLabDevice } from "../../../cli/terminal/device.ts";
import { makePageHandler, type PageKind } from "../../../dashboard/api/handler.ts";
import type { LabClient } from "../../../image/lab/supervisor/client.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";
import { eventually } from "../../eventually.ts";

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function serve(kind: PageKind): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-"));
  const handler = makePageHandler(makeStatusSource(), kind);
  const server = createServer(handler);
  const path = join(folder, "agent.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  ended.push(async () => {
    handler.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });
  return path;
}

/** Runs the command itself, out of reach of this computer's own lab or agent. */
function hamlet(...argv: string[]) {
  const bin = fileURLToPath(new URL("../../../cli/hamlet.ts", import.meta.url));
  const env = { ...process.env, XDG_STATE_HOME: join(tmpdir(), "hamlet-no-such-folder") };
  const child = spawn(process.execPath, [bin, ...argv], { env, stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  ended.push(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return { child, lines, errors, exit };
}
const until = (what: () => boolean) => eventually(what, { within: 15_000, every: 20 });

test("the command reads a device's status through its socket", async () => {
  const device = await findDevice({ device: await serve("full") });
  expect((await device.status()).members.map(({ name }) => name)).toEqual(["attic", "cellar", "kitchen"]);
});

test("b3-client: an endless answer is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-"));
  const server = createServer((_request, response) => {
    const go = () => {
      while (!response.destroyed && response.write(Buffer.alloc(1 << 20)));
    };
    response.on("drain", go).on("error", () => {});
    go();
  });
  const path = join(folder, "agent.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  ended.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });
  const device = await findDevice({ device: path });
  await expect(device.status()).rejects.toMatchObject({
    code: "device.noAnswer",
    cause: { message: "it is longer than 8388608 bytes" },
  });
});

test("a public page, a dead socket and a bad address give coded errors", async () => {
  const open = await findDevice({ device: await serve("public") });
  await expect(open.status()).rejects.toMatchObject({ code: "device.noAnswer", message: /public page/ });
  const dead = await findDevice({ device: "/nowhere/agent.sock" });
  await expect(dead.status()).rejects.toMatchObject({ code: "device.noAnswer" });
  const closed = await findDevice({ device: "127.0.0.1:1" });
  await expect(closed.status()).rejects.toMatchObject({ code: "device.noAnswer" });
});

test("status --json matches the published schema, and --watch prints it line by line", async () => {
  const path = await serve("full");
  const once = hamlet("status", "--json", "--device", path);
  expect(await once.exit).toBe(0);
  const status = Status.parse(JSON.parse(once.lines.join("\n")));
  for (const member of status.members) {
    expect(member).toMatchObject({ state: "alive", release: "0.1.0", address: expect.stringMatching(/^fd12:/) });
  }
  const watching = hamlet("status", "--json", "--watch", "--device", path);
  await until(() => watching.lines.length > 0);
  expect(Status.parse(JSON.parse(watching.lines[0]!))).toEqual(status);

  const schema = hamlet("status", "--schema");
  expect(await schema.exit).toBe(0);
  expect(JSON.parse(schema.lines.join("\n"))).toMatchObject({
    type: "object",
    required: expect.arrayContaining(["members"]),
  });
});

test("the hint of an error leads to the device that was named", async () => {
  const path = await serve("full");
  const { errors, exit } = hamlet("rollout", "status", "--device", path);
  expect(await exit).toBe(1);
  expect(errors.join()).toContain(`hamlet rollout start --device ${path} --release <version>`);
});

test("a watch ends with whoever reads it", async () => {
  const path = await serve("full");
  for (const words of [
    ["status", "--watch"],
    ["status", "--watch", "--json"],
  ]) {
    const { child, lines, exit } = hamlet(...words, "--device", path);
    await until(() => lines.length > 0);
    child.stdout.destroy();
    expect(await exit).toBe(0);
  }
});

test("open prints the address of the page, and Ctrl-C ends it", async () => {
  const opened = hamlet("open", "--no-browser", "--device", await serve("full"));
  await until(() => opened.lines.length > 0);
  const url = opened.lines[0]!;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#[\w-]{22}$/);
  const answer = await fetch(new URL("/v1/status", url));
  expect(Status.parse(await answer.json()).self.name).toBe("attic");
  const stream = await fetch(new URL("/v1/events", url)); // a page that is open does not hold it back
  opened.child.kill("SIGINT");
  expect(await opened.exit).toBe(0);
  await stream.text().catch(() => {});
});

test("without a device, the error says how to get one", async () => {
  const lost = hamlet("net", "explain", "cellar");
  expect(await lost.exit).toBe(1);
  expect(lost.errors.join("\n")).toMatch(/device\.notFound.*hamlet lab up --devices 3/);
});

test("in the lab a device that has just started is not asked while another is in touch with its neighbors", async () => {
  const labOf = (...states: string[]) =>
    ({
      status: async () => ({ devices: states.map((state, index) => ({ name: ["attic", "cellar"][index], state })) }),
      channel: () => Promise.reject(new Error("this test asks nothing")),
    }) as unknown as LabClient;
  const foundIn = async (...states: string[]) => (await findLabDevice(labOf(...states))).found;

  expect(await foundIn("joining", "alive")).toBe("cellar in the lab");
  expect(await foundIn("joining", "booting")).toBe("attic in the lab");
  expect(await foundIn("apart", "joining")).toBe("attic in the lab");
  await expect(foundIn("off", "booting")).rejects.toMatchObject({ code: "device.noAnswer" });
});
