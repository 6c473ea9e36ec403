// Reader of what a broker's host tells the members that are next in line: its sessions, and what waits in them.
import { brokerLimits } from "../../ota/fleet/access.ts";
import { doorOf } from "../../ota/fleet/inherit.ts";
import { Sessions } from "../../ota/fleet/sessions.ts";
import { sessionsTopic, topicOf } from "../../ota/fleet/topics.ts";
import { HamletError } from "../../system/error.ts";
import { mutateText } from "./mutate.ts";
import type { Reader } from "./reader.ts";

const [neighborhood, attic, cellar] = ["n", "a", "c"].map((letter) => letter.repeat(26)) as [string, string, string];
const client = `${attic}.homeassistant`;
const now = 1_000_000;
const isMember = (device: string) => device === attic || device === cellar;
const door = doorOf({ neighborhood, isMember, limits: brokerLimits });
const message = (key: string, from: string) => {
  const payload = { v: 1, warnings: [{ code: "member.dead", message: "it is away", hint: "look", since: 5 }] };
  return { key, topic: topicOf(neighborhood, from, "warnings"), payload: Buffer.from(JSON.stringify(payload)), at: 7 };
};

/** A session that has been away since, and one message that waits for it. */
function begun(): Sessions {
  const sessions = new Sessions();
  sessions.subscribe(client, [[`hamlet/${neighborhood}/+/warnings`, 1]]);
  sessions.attend(client, false, 5);
  sessions.put(client, message("b:1", cellar));
  return sessions;
}
const known = begun().all(now);

/** One packet of each kind. */
function told(): Buffer[] {
  const host = begun();
  host.news(now);
  host.put(client, message("b:2", attic));
  host.sent(client, "b:1", 9);
  host.acknowledged(client, 9);
  host.subscribe(client, [["homeassistant/#", 0]]);
  const news = host.news(now);
  host.end(client);
  return [...news, ...host.news(now)];
}

const contentOf = (sessions: Sessions) => [
  sessions.filtersOf(client),
  sessions
    .waiting(client)
    .map(({ key, topic, payload }) => `${key} ${topic} ${payload.toString("base64")}`)
    .sort(),
];
/** A PUBLISH holds its topic and that one's length too. */
const mostBytes = brokerLimits.packetBytes - sessionsTopic.length - 2;

const sessions: Reader = {
  name: "broker-sessions",
  inputs: 8_000,
  samples: async () => told(),
  change: mutateText,
  async read(input) {
    const next = new Sessions();
    for (const packet of known) next.hear(packet, door, now);
    next.hear(input, door, now);
    const all = next.all(now);
    if (Buffer.concat(all).equals(Buffer.concat(known))) throw new HamletError("usage.invalid", "this is no news");
    // Whoever follows it in turn ends the connection at a packet that is too long, and must learn the same.
    const last = new Sessions();
    for (const packet of all) {
      if (packet.length > mostBytes) throw new Error(`it tells ${packet.length} bytes at once`);
      last.hear(packet, door, now);
    }
    if (JSON.stringify(contentOf(last)) !== JSON.stringify(contentOf(next))) throw new Error("it tells something else");
    return next.news(now);
  },
};

export const brokerReaders: Reader[] = [sessions];
