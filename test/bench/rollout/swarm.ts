// What one line of 2 Mbit/s carries for ten members that take one release: together over the mesh, together while the downloader is
// killed at half, and each for itself. Real agents in namespaces, with WireGuard in user space on two cores.
import { join } from "node:path";
import { ranked } from "../../../agent/swarm/lenders.ts";
import { eventually } from "../../eventually.ts";
import { type Home, makeNeighborhood } from "../../net/neighborhood.ts";
import { type TakeOptions, takeRelease } from "../../net/take-release.ts";
import { startWeb, type WebHost } from "../../net/web.ts";
import { makeRepository, type Repository } from "../../ota/updater/repository.ts";
import type { Figure } from "../figures.ts";

const count = 10;
const lineKbitPerS = 2_000;
/** Random bytes, which no compression makes shorter: 13 s on this line. In chunks of 8 KiB, an eighth of real ones. */
const rootBytes = 3 << 20;
const version = "1.0";

type Measured = { webBytes: number; seconds: number };

export async function swarmFigures(): Promise<Figure[]> {
  const repository = makeRepository();
  repository.publish(repository.makeRelease(version, { rootBytes }));
  const alone = await measure(repository, 1, {});
  const together = await measure(repository, count, {});
  const killed = await measure(repository, count, { isDownloaderKilled: true });
  const apart = await measure(repository, count, { isApart: true });
  const bytes = (name: string, { webBytes }: Measured): Figure => ({
    ...{ name: `bytes from the web, ${name}`, value: webBytes / 1e6, unit: "MB", runs: 1 },
    peer: { name: "one member", value: alone.webBytes / 1e6 },
  });
  const time = (name: string, { seconds }: Measured): Figure => ({
    ...{ name: `time until all have it, ${name}`, value: seconds, unit: "s", runs: 1 },
    peer: { name: "ten separate downloads", value: apart.seconds },
  });
  return [
    bytes("ten members", together),
    bytes("ten, downloader killed at half", killed),
    bytes("ten separate downloads", apart),
    time("one member", alone),
    time("ten members", together),
    time("ten, downloader killed at half", killed),
  ];
}

type Course = { isDownloaderKilled?: boolean; isApart?: boolean };

async function measure(
  repository: Repository,
  size: number,
  { isDownloaderKilled, isApart }: Course,
): Promise<Measured> {
  const names = Array.from({ length: size }, (_, index) => `member${index}`);
  await using home = await makeNeighborhood(names);
  const web = await startWeb(home);
  await web.put(repository);
  await web.limit(lineKbitPerS);
  const idOf = await start(home, names, web, isApart === true);
  const [downloader] = ranked(Object.keys(idOf), version);
  const victim = isDownloaderKilled ? idOf[downloader!] : undefined;
  await web.sentBytes();
  const startedAt = performance.now();
  const take = (name: string, how: Partial<TakeOptions> = {}) =>
    takeRelease(join(home.folder(name), "run/agent.sock"), { firstRoot: repository.firstRoot, ...how });
  let isKilled = false;
  const onStep = (doneBytes: number) => {
    if (isKilled || doneBytes < rootBytes / 2) return;
    isKilled = true;
    void home.agent(victim!).kill("SIGKILL");
  };
  // Nobody waits for the one that is killed.
  if (victim !== undefined) take(victim, { onStep }).catch(() => {});
  await Promise.all(names.filter((name) => name !== victim).map((name) => take(name)));
  const seconds = (performance.now() - startedAt) / 1000;
  return { webBytes: await web.sentBytes(), seconds };
}

/** Resolves to the members' names by id once all know each other. Apart, each is a neighborhood of its own. */
async function start(home: Home, names: string[], web: WebHost, isApart: boolean): Promise<Record<string, string>> {
  const idOf: Record<string, string> = {};
  for (const name of names) {
    await home.provision(name);
    // Nobody hears another whose ports differ.
    const port = 7780 + names.indexOf(name);
    const apart = { link: { helloPort: port, interfaces: [] }, mesh: { listenPort: 51_820 + names.indexOf(name) } };
    await home.startAgent(name, { update: { repositories: [web.url] }, ...(isApart && apart) });
  }
  for (const name of names) {
    await eventually(
      async () => {
        const { self, members } = await home.status(name);
        const alive = members.filter(({ state }) => state === "alive").length;
        if (alive !== (isApart ? 1 : names.length)) throw new Error(`${name} sees ${alive}`);
        idOf[self.id] = name;
      },
      { within: 60_000 },
    );
  }
  return idOf;
}
