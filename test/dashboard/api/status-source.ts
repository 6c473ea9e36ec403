// A stateful status source for tests of pages: a neighborhood of three whose members a test can change.
import { type MemberStatus, type Metrics, type PublicStatus, Status } from "../../../agent/api/schema.ts";

export function makeStatusSource(now = Date.now()) {
  const status: Status = {
    v: 1,
    phase: "member",
    neighborhood: { id: "n".repeat(26), name: "Elm Street" },
    self: {
      id: "a".repeat(26),
      name: "attic",
      board: "nuc",
      release: "0.1.0",
      address: "fd12:3456:789a::a1",
      code: "abcd-efgh-2345",
      uptimeS: 4_321,
    },
    members: [
      member("attic", "a", { isSelf: true, peers: [peer("c", 14, 0.7), peer("k", 71, 12.4)] }),
      member("cellar", "c", {
        handshakeAgeS: 14,
        rttMs: 0.7,
        endpoint: "192.168.1.17:51820",
        peers: [peer("a", 14, 0.8), peer("k", 33, 11.9)],
      }),
      member("kitchen", "k", {
        handshakeAgeS: 71,
        rttMs: 12.4,
        endpoint: "[fe80::5054:ff:fe12:3456]:51820",
        peers: [peer("a", 71, 12.6), peer("c", 33, 12)],
      }),
    ],
    pending: [],
    neighbors: [],
    broker: "a".repeat(26),
    tuning: [],
    warnings: [],
  };
  return {
    state: status,
    measure(name: string, metrics: Partial<Metrics>) {
      const found = status.members.find((one) => one.name === name);
      if (found?.metrics) found.metrics = { ...found.metrics, ...metrics };
    },
    member: (name: string): MemberStatus => status.members.find((one) => one.name === name)!,
    /** Parsed by the schema, like a real device's answer, so that a test cannot show an impossible status. */
    status: async (): Promise<Status> => Status.parse(status),
    publicStatus: (): PublicStatus => ({
      v: 1,
      phase: status.phase,
      name: status.self.name,
      board: status.self.board,
      release: status.self.release,
      code: status.self.code,
      warnings: status.warnings
        .filter(({ code }) => !code.startsWith("member."))
        .map(({ code, message, hint }) => ({ code, message, hint })),
    }),
  };

  function member(name: string, letter: string, more: Partial<MemberStatus>): MemberStatus {
    return {
      id: letter.repeat(26),
      name,
      state: "alive",
      address: `fd12:3456:789a:0:5c1e:77${letter.charCodeAt(0).toString(16)}:90ab:cdef`,
      board: "nuc",
      release: "0.1.0",
      isSelf: false,
      metrics: metricsAt(now),
      ...(!more.isSelf && { rxBytes: 148_213, txBytes: 152_118 }),
      ...more,
    };
  }
}

const peer = (letter: string, handshakeAgeS: number, rttMs: number) => ({
  id: letter.repeat(26),
  path: "sameLink",
  handshakeAgeS,
  rttMs,
});

const metricsAt = (at: number): Metrics => ({
  at,
  cpu: 0.04,
  load1: 0.1,
  uptimeS: 4_000,
  memoryTotal: 8_000_000_000,
  memoryAvailable: 6_400_000_000,
  agentRss: 71_000_000,
  dataTotal: 60_000_000_000,
  dataFree: 51_000_000_000,
  temperatureC: 47.5,
  linkRx: 12_000_000,
  linkTx: 9_000_000,
  meshRx: 300_000,
  meshTx: 310_000,
});
