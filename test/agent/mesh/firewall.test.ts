import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startFirewall } from "../../../agent/mesh/firewall.ts";
import { guardPart } from "../../../agent/mesh/guard.ts";
import { type Chain, type Part, tableText } from "../../../agent/mesh/table.ts";
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";

const guard = guardPart({
  ...{ interface: "hamlet0", prefix: "fd12:3456:789a::/48", agentUid: 1234 },
  ...{ privatePorts: [7946, 1883], pagePort: 80 },
});
const chain = (name: string, rules: string[] = []): Chain => ({
  ...{ name, comment: "for a test", type: "filter", hook: "forward", priority: "filter", rules },
});
const gateway: Part = { owner: "gateway", chains: [chain("arriving", ["oifname eth0 counter accept"])] };
const journal = { recordMade: async () => {} };
const chainsIn = (text: string) => [...text.matchAll(/chain (\w+) \{/g)].map(([, name]) => name);

test("the table is one transaction of all parts, and each owner's chains have its name", () => {
  const text = tableText([guard, gateway]);
  expect(text.startsWith("table inet hamlet {\n}\ndelete table inet hamlet\ntable inet hamlet {\n")).toBe(true);
  expect(chainsIn(text)).toEqual(["guard_arriving", "guard_leaving", "guard_opening", "gateway_arriving"]);
  expect(text).toContain("\t\ttype filter hook prerouting priority raw; policy accept;\n");
  expect(text).toContain('\t\tiifname { "hamlet0", "lo" } accept\n');
  expect(text).toContain("\t\tmeta skuid { 0, 1234 } accept\n");
});

test("parts of different owners never share a chain, whatever their names", () => {
  const word = fc.stringMatching(/^[a-z_0-9]{1,6}$/);
  const parts = fc.uniqueArray(
    fc.record({ owner: word, names: fc.uniqueArray(word, { minLength: 1, maxLength: 3 }) }),
    {
      selector: ({ owner }) => owner,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(parts, (made) => {
      let text: string;
      try {
        text = tableText(made.map(({ owner, names }) => ({ owner, chains: names.map((name) => chain(name)) })));
      } catch (error) {
        expect(error).toMatchObject({ code: "guard.failed" });
        return;
      }
      const names = chainsIn(text);
      expect(new Set(names).size).toBe(made.flatMap((part) => part.names).length);
    }),
  );
  // These two would meet in guard_a_b.
  const colliding = [
    { owner: "guard", chains: [chain("a_b")] },
    { owner: "guard_a", chains: [chain("b")] },
  ];
  for (const part of colliding) expect(() => tableText([part])).toThrow("has no place in the table hamlet");
});

test("one owner cannot come twice, and no rule leaves its chain", () => {
  expect(() => tableText([gateway, gateway])).toThrow("two chains of the table hamlet are called gateway_arriving");
  for (const rule of ["accept } chain guard_arriving {", "accept\n}", "accept; }", "{ accept", "accept # }", ""]) {
    expect(() => tableText([{ owner: "relay", chains: [chain("in", [rule])] }]), rule).toThrow("has no place");
  }
  expect(() => tableText([{ owner: "relay", chains: [{ ...chain("in"), comment: 'x" }' }] }])).toThrow("has no place");
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** nft that keeps the table which it was given last; `refuses` is a word that it does not know. */
function fakeNft() {
  const nft = { table: "", applied: 0, refuses: "" };
  const run: Run = async (argv, options) => {
    if (argv[1] === "list") {
      if (nft.table === "") throw new HamletError("command.failed", "No such file or directory");
      return nft.table;
    }
    const input = String(options?.input);
    if (nft.refuses !== "" && input.includes(nft.refuses)) throw new HamletError("command.failed", "syntax error");
    nft.table = input;
    nft.applied += 1;
    return "";
  };
  return { nft, run };
}

test("a table that something removed is restored with all its parts, and a whole one is left alone", async () => {
  const { nft, run } = fakeNft();
  const warned: string[] = [];
  const log = { ...silentLog, warn: (message: string) => warned.push(message) };
  const firewall = await startFirewall({ run, log, journal }, [guard]);
  await firewall.set(gateway);
  await vi.advanceTimersByTimeAsync(30_000);
  expect([nft.applied, warned]).toEqual([2, []]);
  nft.table = "";
  await vi.advanceTimersByTimeAsync(10_000);
  expect(nft.table).toBe(tableText([guard, gateway]));
  nft.table = tableText([guard]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(nft.table).toBe(tableText([guard, gateway]));
  expect(warned).toHaveLength(2);
  await firewall.remove("gateway");
  firewall.stop();
  nft.table = "";
  await vi.advanceTimersByTimeAsync(60_000);
  expect(nft.table).toBe("");
});

test("a part that the kernel refuses leaves the table and the other parts as they were", async () => {
  const { nft, run } = fakeNft();
  const firewall = await startFirewall({ run, log: silentLog, journal }, [guard]);
  nft.refuses = "gateway";
  await expect(firewall.set(gateway)).rejects.toMatchObject({ code: "guard.failed" });
  nft.table = "";
  await vi.advanceTimersByTimeAsync(10_000);
  expect(nft.table).toBe(tableText([guard]));
  firewall.stop();
});
