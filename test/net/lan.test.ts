// The virtual LAN that the other net tests use.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeLan } from "./lan.ts";

const skip = lacks("namespaces", "ping");

test.skipIf(skip)("hosts reach each other over IPv4 and link-local IPv6 until the cable is cut", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  const ping = (to: string) => lan.on("attic")(["ping", "-c1", "-W1", to]);
  await ping(lan.address("cellar"));
  await ping(await lan.linkLocal("cellar"));
  await lan.cut("cellar");
  await expect(ping(lan.address("cellar"))).rejects.toThrow();
  await lan.restore("cellar");
  await eventually(() => ping(lan.address("cellar")));
});

test.skipIf(skip)("no process and no folder of a LAN outlives it, even if the test fails", async () => {
  let folder = "";
  let pid = 0;
  await expect(async () => {
    await using lan = await makeLan(["attic"]);
    folder = lan.folder("attic");
    // A daemon that detached from its parent and ignores SIGTERM and SIGHUP.
    const daemon = lan.spawn("attic", ["sh", "-c", "trap '' TERM HUP; (sleep 1000 &) ; echo up; sleep 1000"]);
    await daemon.says(/up/);
    pid = daemon.pid();
    throw new Error("the test failed");
  }).rejects.toThrow("the test failed");
  expect(existsSync(folder)).toBe(false);
  await expect(readFile(`/proc/${pid}/comm`)).rejects.toThrow();
});

test.skipIf(skip)(
  "a program that is ended as soon as it was started gets the signal itself, and does not run on unseen",
  async () => {
    await using lan = await makeLan(["attic"]);
    const program = lan.spawn("attic", ["sleep", "1000"]);
    await program.kill("SIGTERM");
    expect(await program.ended).toEqual({ code: null, signal: "SIGTERM" });
  },
);

test.skipIf(skip)("a timeout outside the namespaces ends the program inside", async () => {
  await using lan = await makeLan(["attic"]);
  await expect(lan.on("attic")(["sleep", "1000"], { timeoutMs: 200 })).rejects.toMatchObject({
    code: "command.timeout",
  });
  expect(await lan.on("attic")(["sh", "-c", "cat /proc/[0-9]*/stat"])).not.toMatch(/\(sleep\) [^Z]/);
});

test.skipIf(skip)("each host has its own /run, and a host made without a default route has none", async () => {
  await using lan = await makeLan(["attic", "cellar"], { defaultRoute: false });
  await lan.on("attic")(["touch", "/run/mark"]);
  await expect(lan.on("cellar")(["cat", "/run/mark"])).rejects.toThrow();
  expect(await lan.on("attic")(["ip", "route", "show", "default"])).toBe("");
});
