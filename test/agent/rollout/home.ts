// A home of devices that run the real driver of rollouts. Leases, gossip and updaters are doubles that keep state, and time passes 60
// times as fast: any faster, and a computer that is busy for a third of a second makes a device give its restart up.
import { Results } from "../../../agent/rollout/results.ts";
import { Rollouts, type RolloutsOptions } from "../../../agent/rollout/rollouts.ts";
import type { KeptRollouts } from "../../../agent/rollout/store.ts";
import { withAuto } from "../../../ota/rollout/auto.ts";
import { type Hold, type KnownOrder, listenMs, type Order } from "../../../ota/rollout/view.ts";
import type { UpdateReport, UpdateRequest } from "../../../provisioning/handover/update.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";

const speed = 60;
const startedAt = performance.now();
const clock = {
  now: () => 1_700_000_000_000 + clock.monotonic(),
  monotonic: () => (performance.now() - startedAt) * speed,
};
const pause = (ms: number, signal?: AbortSignal) => sleep(ms / speed, signal);
const neighborhood = deviceIdOf(generateSigningKey().publicKey);
export const [before, after] = ["1.0.0", "1.1.0"];
export const rolloutId = "r".repeat(22);

type Device = {
  key: ReturnType<typeof generateSigningKey>;
  id: string;
  release: string;
  activity: UpdateReport["activity"];
  history: UpdateReport["history"];
  kept: KeptRollouts;
  results?: Results;
  rollouts?: Rollouts;
  /** What its updater has verified of the newest release since it started. */
  found: Pick<UpdateReport, "newest" | "auto">;
  isRefusing: boolean;
  /** While it restarts nobody runs here. */
  isUp: boolean;
};

export class Home {
  readonly devices: Device[];
  readonly asked: string[] = [];
  readonly problems: string[] = [];
  /** Nothing more can be written. */
  isFull = false;
  /** How many holders of the lease each question allowed. */
  readonly allowed: number[] = [];
  /** Which lease is granted, and what happens before the device that has it hears the news. */
  slot = 0;
  meanwhile: (id: string) => void = () => {};
  /** What happens when a device tells of its word; and whether every lease has ended, as after a long sleep. */
  onWord: (id: string) => void = () => {};
  hasLeaseEnded = false;
  holds: Hold[] = [];
  #orders: readonly KnownOrder[] = [];
  #holder: string | undefined;
  readonly #fails: (id: string) => boolean;
  /** What one missed comes with the next full exchange, as members make it every 30 s. */
  readonly #exchanging = setInterval(() => {
    for (const device of this.devices) if (device.isUp) void this.#gossip(device);
  }, 30_000 / speed);

  constructor(size: number, fails: (id: string) => boolean = () => false) {
    this.#fails = fails;
    this.devices = Array.from({ length: size }, () => {
      const key = generateSigningKey();
      const kept = { view: { progress: [], results: [] }, results: [] };
      return {
        key,
        id: deviceIdOf(key.publicKey),
        release: before,
        activity: { phase: "idle" },
        history: [],
        kept,
        found: {},
        isRefusing: false,
        isUp: false,
      };
    });
    for (const device of this.devices) this.#start(device);
  }

  order(change: Partial<Order> = {}, earlier: Partial<Order>[] = []): void {
    const order: Order = {
      ...{
        rollout: rolloutId,
        number: 1,
        state: "running",
        promoted: 0,
        release: after,
        startedAt: 1,
        soakSeconds: 20,
      },
      ...{ waves: ["canary", 100], successPercent: 100, maxUnavailable: 1, ...change },
    };
    this.#orders = [...earlier.map((one) => ({ ...order, ...one })), order].map((one) => ({
      order: one,
      operators: ["owner"],
    }));
    for (const { rollouts } of this.devices) rollouts?.ordersChanged();
  }

  /** Every device has listened for long enough, and has looked at what it knows again and again. */
  async settled(): Promise<void> {
    await pause(2 * listenMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#exchanging);
    for (const { rollouts } of this.devices) await rollouts?.stop();
  }

  #start(device: Device): void {
    const { id, key } = device;
    const results = new Results({
      neighborhood,
      deviceKey: (of) => this.devices.find((one) => one.id === of)?.key.publicKey,
    });
    const options: RolloutsOptions = {
      self: { id, neighborhood, key, bootId: "boot" },
      ...{ clock, log: silentLog, kept: device.kept, results, trialSeconds: 180, hasUpdater: true, zone: undefined },
      store: {
        save: async (kept) => {
          if (this.isFull) throw new HamletError("file.full", "the disk is full");
          device.kept = JSON.parse(JSON.stringify(kept));
        },
      },
      orders: (auto) => ({
        orders: withAuto(this.#orders, auto, { isRefused: device.isRefusing, hasZone: false }),
        holds: this.holds,
      }),
      members: () =>
        this.devices.map((one) => ({
          ...{ id: one.id, release: one.release, tags: [], duties: [] },
          ...(!one.isUp && one !== device && { absentSinceMs: clock.monotonic() }),
        })),
      leases: {
        voters: () => this.devices.map((one) => one.id),
        ask: async (_, __, most = 1) => {
          this.allowed.push(most);
          return this.#ask(id);
        },
        giveBack: () => this.#giveBack(id),
      },
      catchUp: async () => {
        this.asked.push(`${id} catches up`);
        this.meanwhile(id);
        for (const other of this.devices) if (other.isUp) await this.#gossip(other);
      },
      publish: () => {
        this.onWord(id);
        void this.#gossip(device);
      },
      updateReport: () => ({
        ...{ v: 1, running: { slot: "a", version: device.release }, activity: device.activity, failed: [] },
        history: device.history,
        ...device.found,
      }),
      askUpdater: (request) => this.#update(device, request),
      rootHash: async () => "a".repeat(64),
      people: async () => undefined,
      unsyncedSince: async () => undefined,
      ...{ warn() {}, onUpdating() {}, lookMs: 2, pause },
    };
    Object.assign(device, { results, isUp: true, rollouts: new Rollouts(options) });
    void results.load(device.kept.results).then(() => this.#gossip(device));
  }

  async #ask(id: string): Promise<Awaited<ReturnType<RolloutsOptions["leases"]["ask"]>>> {
    if (this.#holder !== undefined && this.#holder !== id) return { kind: "denied", by: "held", holder: this.#holder };
    this.#holder = id;
    const release = () => this.#giveBack(id);
    const isOver = () => this.hasLeaseEnded;
    return {
      ...{ kind: "granted", away: [], slot: this.slot, release },
      get untilMonotonicMs() {
        return isOver() ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      },
    };
  }

  async #giveBack(id: string): Promise<void> {
    this.asked.push(`${id} releases`);
    if (this.#holder === id) this.#holder = undefined;
  }

  /** Everybody up gets everything. */
  async #gossip(from: Device): Promise<void> {
    for (const to of this.devices.filter(({ isUp }) => isUp)) {
      for (const jws of from.results?.documents() ?? []) await to.results?.take(jws);
      for (const jws of to.results?.documents() ?? []) await from.results?.take(jws);
    }
  }

  async #update(device: Device, request: UpdateRequest): Promise<void> {
    this.asked.push(`${device.id} ${request.kind}`);
    if (request.kind === "prepare") device.activity = { phase: "ready", version: after };
    if (request.kind !== "restart") return;
    if (this.devices.some(({ isUp }) => !isUp)) this.problems.push(`${device.id} restarts while another does`);
    device.activity = { phase: "restarting", version: after };
    await pause(4_000);
    device.isUp = false;
    void device.rollouts?.stop();
    void this.#restart(device);
  }

  async #restart(device: Device): Promise<void> {
    await pause(20_000);
    const isBad = this.#fails(device.id);
    device.release = isBad ? before : after;
    device.activity = { phase: "idle" };
    const outcome = isBad ? ("failed" as const) : ("committed" as const);
    const end = { from: before, to: after, outcome, atMs: clock.now() };
    device.history = [{ ...end, ...(isBad && { check: "trial.meshDown" }) }, ...device.history];
    // The updater looks for releases only some time after the start.
    device.found = {};
    this.#start(device);
  }
}
