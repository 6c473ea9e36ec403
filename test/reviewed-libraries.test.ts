// Libraries that we reach inside of: the file that does so says why, and which version it was read against. An update fails here
// until somebody has looked whether the inside is still the same and has changed the version beside the reason.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Bonjour from "bonjour-service";
import { writeToStream } from "mqtt-packet";
import { expect, onTestFinished, test } from "vitest";

const root = join(import.meta.dirname, "..");
const reviewed = /^\/\/ Reviewed with (.*)\.$/gm;

/** `["bonjour-service 1.4.4", ...]` of a file's line `// Reviewed with <name> <version>, <name> <version>.` */
const reviewedIn = (file: string): string[] =>
  [...readFileSync(join(root, file), "utf8").matchAll(reviewed)].flatMap(([, list = ""]) => list.split(/, | and /));
const installed = (name: string): string => {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
  return `${name} ${version}`;
};

test.each([
  ["agent/discovery/multicast.ts", ["bonjour-service", "multicast-dns"]],
  ["ota/fleet/packets.ts", ["aedes", "mqtt", "mqtt-packet"]],
  ["ota/fleet/session-persistence.ts", ["aedes", "aedes-persistence"]],
])("%s was reviewed with the installed versions of what it reaches into", (file, names) => {
  expect(reviewedIn(file)).toEqual(names.map(installed));
});

test("no other file claims a review, which nothing would check", () => {
  const found = execFileSync("git", ["grep", "-l", "^// Reviewed with ", "--", "*.ts"], { cwd: root }).toString();
  expect(found.trim().split("\n")).toEqual([
    "agent/discovery/multicast.ts",
    "ota/fleet/packets.ts",
    "ota/fleet/session-persistence.ts",
  ]);
});

test("bonjour-service announces with an array and answers with an object, through `server.mdns.respond`", async () => {
  const bonjour = new Bonjour({ interface: "127.0.0.1", bind: "0.0.0.0" } as never, () => {});
  onTestFinished(() => new Promise<void>((done) => bonjour.destroy(done)));
  const { mdns } = (bonjour as unknown as { server: { mdns: NodeJS.EventEmitter & { respond: unknown } } }).server;
  const shapes: string[] = [];
  const announced = Promise.withResolvers<void>();
  mdns.respond = (response: unknown, done?: unknown) => {
    shapes.push(Array.isArray(response) ? "array" : Object.keys(response as object).join());
    announced.resolve();
    if (typeof done === "function") done();
  };
  bonjour.publish({ name: "attic", type: "hamlet", protocol: "udp", port: 1, probe: false });
  await announced.promise;
  mdns.emit("query", { questions: [{ name: "_hamlet._udp.local", type: "PTR" }] });
  expect(new Set(shapes)).toEqual(new Set(["array", "answers,additionals"]));
});

test("mqtt-packet still has the switch for its table of numbers", () => {
  const { set } = Object.getOwnPropertyDescriptor(writeToStream, "cacheNumbers") ?? {};
  expect(set).toBeTypeOf("function");
});
