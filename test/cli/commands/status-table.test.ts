import { expect, test } from "vitest";
import { explain } from "../../../cli/commands/device/net-explain.ts";
import { statusText } from "../../../cli/commands/device/status-table.ts";
import { filledTable } from "../../../cli/terminal/table.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";

const now = 1_700_000_000_000;

test("a status is printed as a table, with warnings and next steps", async () => {
  const source = makeStatusSource(now);
  source.member("kitchen").state = "dead";
  source.state.warnings = [
    {
      ...{ code: "network.down", severity: "error", message: "no network", hint: "check the cable" },
      ...{ since: now - 90_000, follows: "wifi.refused" },
    },
    {
      ...{ code: "member.dead", severity: "error", message: "kitchen does not answer", hint: "look at its power" },
      ...{ since: now - 60_000, follows: "network.down" },
    },
    { code: "wifi.refused", severity: "error", message: "no Wi-Fi", hint: "check the filter", since: now - 90_000 },
  ];
  source.state.pending = [
    { id: "s", name: "shed", deviceKey: "k".repeat(43), code: "k7m2-qx4t-abcd", because: "tokenExpired" },
  ];
  expect(statusText(await source.status(), now).join("\n")).toBe(
    `
Elm Street, seen from attic (nuc, release 0.1.0, agent up 1 h 12 min)

  name     state  handshake  round trip  received  sent    cpu  memory  temp   system     address
  attic *  alive  -          -           -         -       4 %  20 %    48 °C  nuc 0.1.0  fd12:3456:789a:0:5c1e:7761:90ab:cdef
  cellar   alive  14 s ago   0.7 ms      148 kB    152 kB  4 %  20 %    48 °C  nuc 0.1.0  fd12:3456:789a:0:5c1e:7763:90ab:cdef
  kitchen  dead   1 min ago  12 ms       148 kB    152 kB  4 %  20 %    48 °C  nuc 0.1.0  fd12:3456:789a:0:5c1e:776b:90ab:cdef

telemetry broker: attic; 0 other devices on the link; 0 kernel settings tuned

waiting for adoption:
  shed  k7m2-qx4t-abcd  tokenExpired

1 warning:
  error wifi.refused: no Wi-Fi (for 1 min)
    hence: no network
    hence: kitchen does not answer
    next: check the filter`.trim(),
  );
});

test("a device that is seen at several addresses is one device", async () => {
  const source = makeStatusSource(now);
  const at = (address: string, id?: string) => ({ ...(id && { id }), address, port: 7780, via: "mdns" as const });
  source.state.neighbors = [at("10.77.0.12", "x"), at("fe80::2%enp0s3", "x"), at("10.77.0.13", "y"), at("192.0.2.9")];
  expect(statusText(await source.status(), now).join("\n")).toContain("3 other devices on the link");
});

test("a status says who holds the lease, and how many decide that", async () => {
  const source = makeStatusSource(now);
  const { id } = source.member("kitchen");
  Object.assign(source.state, { lease: { holder: id, since: now - 180_000, voters: [id, "b".repeat(26)] } });
  expect(statusText(await source.status(), now)).toContain("restarts: kitchen holds the lease (for 3 min); 2 voters");
  Object.assign(source.state, { lease: { voters: [id] } });
  expect(statusText(await source.status(), now)).toContain("restarts: nobody holds the lease; 1 voter");
});

test("a device without a neighborhood shows its adoption code and what it waits for", async () => {
  const source = makeStatusSource(now);
  Object.assign(source.state, { phase: "pending", members: [] });
  expect(statusText(await source.status(), now).join("\n")).toMatch(
    /waits for its owner\nadoption code: abcd-efgh-2345/,
  );
});

test("an empty column is omitted", () => {
  expect(
    filledTable(
      ["a", "b", "c"],
      [
        ["1", "", "3"],
        ["10", "", ""],
      ],
    ),
  ).toEqual(["  a   c", "  1   3", "  10  -"]);
});

test("net explain says in one sentence how a member is reached, then lists everything that was tried", async () => {
  const source = makeStatusSource(now);
  source.member("cellar").path = {
    inUse: { endpoint: "192.168.1.17:51820", since: now - 600_000 },
    isFailing: false,
    candidates: [
      {
        ...{ endpoint: "192.168.1.17:51820", class: "sameLink", source: "hello", heardAt: now - 900_000 },
        last: { result: "works", at: now - 600_000, tookMs: 12 },
      },
      {
        ...{ endpoint: "[2001:db8::17]:51820", class: "globalIpv6", source: "record", heardAt: now - 800_000 },
        last: { result: "noHandshake", at: now - 60_000 },
      },
    ],
  };
  const text = explain(await source.status(), source.member("cellar"), now).join("\n");
  expect(text).toMatch(/^cellar is alive, reached over the same link\.\n/);
  expect(text).toMatch(
    /192\.168\.1\.17:51820 +the same link +its hello, 15 min ago +answered in 12 ms, 10 min ago +in use/,
  );
  expect(text).toMatch(/\[2001:db8::17\]:51820 +global IPv6 +its record, 13 min ago +no handshake, 1 min ago/);
});

test.each([
  ["has never answered a handshake, and this device knows no endpoint of it", { handshakeAgeS: undefined }],
  ["is dead to the cluster", { state: "dead" as const }],
  ["its last handshake is old", { handshakeAgeS: 400 }],
  ["no longer answers on 192.168.1.17:51820", { path: { isFailing: true, candidates: [] } }],
])("explain: %s", async (words, change) => {
  const source = makeStatusSource(now);
  Object.assign(source.member("cellar"), change);
  expect(explain(await source.status(), source.member("cellar"), now).join("\n")).toContain(words);
});
