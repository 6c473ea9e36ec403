// The journal on a real kernel: a killed agent leaves its table and route behind, and the journal knows how to undo them.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Warnings } from "../../agent/health/warnings.ts";
import { Journal } from "../../agent/kernel/journal.ts";
import { openKernel } from "../../agent/kernel/kernel.ts";
import { silentLog } from "../../system/log.ts";
import { lacks } from "../lacks.ts";
import { makeLan } from "./lan.ts";
import type { HostPlan } from "./mesh-host.ts";

const skip = lacks("namespaces", "wireguard", "nft");
const prefix = "fd12:3456:789a::/48";
const privateKey = Buffer.from(generateKeyPairSync("x25519").privateKey.export({ format: "jwk" }).d!, "base64url");

test.skipIf(skip)("what a killed agent leaves in the kernel is undone by the journal, and nothing else", async () => {
  await using lan = await makeLan(["attic"]);
  const attic = lan.on("attic");
  await attic(["ip", "-6", "route", "add", "unreachable", "fd99::/48", "metric", "4096"]);
  await attic(["nft", "add", "table", "inet", "foreign"]);
  const state = async () =>
    (await Promise.all([attic(["nft", "list", "ruleset"]), attic(["ip", "-6", "route"]), attic(["ip", "-br", "link"])]))
      .join("\n")
      .replaceAll(/ expires \d+sec/g, "");
  const before = await state();

  const stateFolder = await mkdtemp(join(tmpdir(), "hamlet-journal-"));
  const mesh = { privateKey: privateKey.toString("base64"), address: "fd12:3456:789a::7", peers: [] };
  const plan: HostPlan = { prefix, guard: true, mesh, stateFolder };
  const host = lan.spawn("attic", [process.execPath, join(import.meta.dirname, "mesh-host.ts"), JSON.stringify(plan)]);
  await host.says(/due: nothing/);
  await host.kill("SIGKILL");
  // As after a crash on a kernel with WireGuard, whose interface stays; this one may have been wireguard-go's.
  await attic(["ip", "link", "del", "hamlet0"]).catch(() => {});
  await attic(["ip", "link", "add", "hamlet0", "type", "veth", "peer", "name", "other0"]);
  expect(await state()).toMatch(/table inet hamlet \{[\s\S]*unreachable fd12:3456:789a::\/48/);

  const warnings = new Warnings({ now: () => 0, monotonic: () => 0 }, silentLog);
  const journal = await Journal.open(join(stateFolder, "kernel.json"), openKernel(attic), warnings, silentLog);
  const kinds = ["firewall", "mesh"].flatMap((owner) => journal.changes(owner).map(({ kind }) => kind));
  expect(kinds.sort()).toEqual(["interface", "route", "table"]);
  for (const owner of ["firewall", "mesh"]) expect(await journal.release(owner)).toEqual([]);
  expect(await state()).toBe(before);
  expect(await readdir(stateFolder)).toEqual([]);
  await rm(stateFolder, { recursive: true });
});
