import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import dns from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerNames, startNames } from "../../../agent/mesh/names.ts";
import { silentLog } from "../../../system/log.ts";

const lookup = (name: string) => (name === "attic" ? "fd12:3456:789a::7" : undefined);
const wantsRecursion = 1 << 8;
const question = (name: string, type = "AAAA", kind = "IN") =>
  dns.encode({ type: "query", id: 4711, flags: wantsRecursion, questions: [{ name, type, class: kind }] });
const ask = (name: string, type?: string, kind?: string) => {
  const answer = answerNames(question(name, type, kind), lookup);
  if (!answer) throw new Error("no answer");
  const packet = dns.decode(answer);
  return { ...packet, rcode: packet.flags & 15, isAuthoritative: (packet.flags & (1 << 10)) !== 0 };
};

test("a member's name resolves to its mesh address, in upper or lower case", () => {
  const { id, answers, rcode, isAuthoritative } = ask("Attic.Hamlet.internal");
  expect({ id, rcode, isAuthoritative }).toEqual({ id: 4711, rcode: 0, isAuthoritative: true });
  expect(answers).toMatchObject([{ type: "AAAA", name: "Attic.Hamlet.internal", data: "fd12:3456:789a::7", ttl: 10 }]);
});

test("a known name without an address of the requested type gives an empty answer, an unknown name NXDOMAIN", () => {
  const noData = ask("attic.hamlet.internal", "A");
  expect(noData).toMatchObject({ rcode: 0, answers: [], authorities: [{ type: "SOA" }] });
  expect(ask("cellar.hamlet.internal")).toMatchObject({ rcode: 3, answers: [], authorities: [{ type: "SOA" }] });
  expect(ask("a.attic.hamlet.internal")).toMatchObject({ rcode: 3, answers: [] });
  expect(ask("hamlet.internal")).toMatchObject({ rcode: 0, answers: [] });
  expect(ask("hamlet.internal", "SOA")).toMatchObject({ rcode: 0, answers: [{ type: "SOA" }] });
});

test("other domains and classes are refused", () => {
  for (const answer of [ask("example.com"), ask("nothamlet.internal"), ask("attic.hamlet.internal", "AAAA", "CH")]) {
    expect(answer).toMatchObject({ rcode: 5, answers: [], authorities: [] });
  }
});

test("a query with EDNS is answered with EDNS", () => {
  const query = dns.encode({
    type: "query",
    id: 1,
    flags: 0,
    questions: [{ name: "attic.hamlet.internal", type: "AAAA", class: "IN" }],
    additionals: [{ type: "OPT", name: ".", udpPayloadSize: 512, flags: 0, options: [] } as { type: string }],
  });
  expect(dns.decode(answerNames(query, lookup)!)).toMatchObject({ additionals: [{ type: "OPT" }] });
});

test("responses get no answer; other operations and several questions are rejected", () => {
  const asked = question("attic.hamlet.internal");
  const answer = answerNames(asked, lookup)!;
  expect(answerNames(answer, lookup)).toBeUndefined();
  const changed = (at: number, value: number) => Buffer.from(asked.map((byte, index) => (index === at ? value : byte)));
  expect(dns.decode(answerNames(changed(2, 2 << 3), lookup)!).flags & 15).toBe(4);
  expect(dns.decode(answerNames(changed(5, 2), lookup)!).flags & 15).toBe(1);
});

test("no bytes crash the server, and no answer exceeds a small datagram", () => {
  const start = question("attic.hamlet.internal");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(start.length), (noise, keep) => {
      for (const message of [noise, Buffer.concat([start.subarray(0, keep), noise])]) {
        expect(answerNames(message, lookup)?.length ?? 0).toBeLessThan(1232);
      }
    }),
  );
});

test("the server answers over UDP and TCP, survives garbage, and reports a taken port", async () => {
  const port = 20_000 + (process.pid % 20_000);
  const names = await startNames({ port, lookup, log: silentLog });
  const udp = createSocket("udp4");
  udp.send(Buffer.from("garbage that is no DNS at all"), port, "127.0.0.1");
  udp.send(question("attic.hamlet.internal"), port, "127.0.0.1");
  const answers: Buffer[] = [];
  while (!answers.some((answer) => answer.readUInt16BE(0) === 4711)) answers.push((await once(udp, "message"))[0]);
  expect(dns.decode(answers.at(-1)!).answers).toMatchObject([{ data: "fd12:3456:789a::7" }]);
  udp.close();

  const tcp = connect(port, "127.0.0.1");
  const asked = question("attic.hamlet.internal");
  const length = Buffer.from([0, asked.length]);
  tcp.write(length);
  tcp.write(asked);
  const [framed] = (await once(tcp, "data")) as [Buffer];
  expect(dns.decode(framed.subarray(2)).answers).toMatchObject([{ data: "fd12:3456:789a::7" }]);
  tcp.destroy();

  await expect(startNames({ port, lookup, log: silentLog })).rejects.toMatchObject({ code: "port.taken" });
  await names.stop();
});
