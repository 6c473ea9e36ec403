// The client of a running lab, for commands and tests.
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { errorIn } from "../../../system/http/answer.ts";
import { ask as askOnce } from "../../../system/http/ask.ts";
import { readAll } from "../../../system/read-all.ts";
import { type Channel, openChannel } from "../channel/client.ts";
import type { LineTerms } from "../network/line.ts";
import { socketPath } from "../network/sockets.ts";
import { channelProtocol, controlSocket } from "./control.ts";
import { lockHolder } from "./lock.ts";
import { labFolder, lockName } from "./options.ts";
import { CutReport, LabEvent, LabStatus } from "./status.ts";

export type LabClient = {
  folder: string;
  status(): Promise<LabStatus>;
  /** Calls `listener` for each event since the lab's start; resolves when the lab ends or `signal` aborts. */
  follow(listener: (event: LabEvent) => void, signal?: AbortSignal): Promise<void>;
  /** Without `seed` the disk keeps all that the device handed over. */
  cut(name: string, seed?: number): Promise<CutReport>;
  restore(name: string): Promise<void>;
  /** Plugs in one more device. */
  add(name: string, adopt: "auto" | "confirm"): Promise<void>;
  /** Plugs in one more device with a copy of this one's disk; returns its name. */
  clone(name: string): Promise<string>;
  partition(name: string): Promise<void>;
  heal(name?: string): Promise<void>;
  /** Puts a device at the end of a bad line; `heal` ends it. */
  link(name: string, terms: LineTerms): Promise<void>;
  cutWeb(): Promise<void>;
  restoreWeb(): Promise<void>;
  join(): Promise<{ socket: string; address: string }>;
  down(): Promise<void>;
  /** Ties the lab to this process: they end together. */
  own(): Promise<void>;
  /** Exec and connect in a device. */
  channel(name: string): Promise<Channel>;
};

/** Three devices with all their milestones take 5 kB. */
const maxAnswerBytes = 1 << 20;
const Cloned = z.object({ name: z.string() });
const Joined = z.object({ socket: z.string(), address: z.string() });

/** The running lab. Throws `lab.notRunning`. */
export async function findLab(folder = labFolder()): Promise<LabClient> {
  if ((await lockHolder(join(folder, lockName))) === undefined) {
    throw new HamletError("lab.notRunning", "no lab is running", { hint: "hamlet lab up --devices 3" });
  }
  return labClient(folder);
}

/** The lab in `folder`, whether it runs or not. */
export function labClient(folder: string): LabClient {
  const path = socketPath(folder, controlSocket);
  const ask = async (method: "GET" | "POST", url: string, sent?: object): Promise<unknown> => {
    const question = { path: url, method, maxBytes: maxAnswerBytes, ...(sent && { body: JSON.stringify(sent) }) };
    const { status, body } = await askOnce({ socketPath: path }, question).catch((cause: unknown) => {
      throw notAnswering(cause);
    });
    if (status !== 200) throw labError(parseJson(body));
    return parseJson(body);
  };
  const post = async (url: string, sent?: object) => void (await ask("POST", url, sent));
  return {
    folder,
    status: async () => LabStatus.parse(await ask("GET", "/v1/status")),
    follow: (listener, signal) =>
      new Promise((resolve, reject) => {
        const asked = request({ socketPath: path, path: "/v1/events", signal });
        asked.on("error", (cause) => (signal?.aborted ? resolve() : reject(notAnswering(cause))));
        asked.on("response", (response) => {
          const lines = createInterface({ input: response });
          // The end of the lab interrupts the answer.
          lines.on("error", () => resolve());
          lines.on("line", (line) => listener(LabEvent.parse(parseJson(line))));
          lines.on("close", resolve);
        });
        asked.end();
      }),
    cut: async (name, seed) => CutReport.parse(await ask("POST", `/v1/machines/${name}/cut`, { seed })),
    clone: async (name) => Cloned.parse(await ask("POST", `/v1/machines/${name}/clone`)).name,
    add: (name, adopt) => post(`/v1/machines/${name}/add`, { adopt }),
    restore: (name) => post(`/v1/machines/${name}/restore`),
    partition: (name) => post(`/v1/machines/${name}/partition`),
    heal: (name) => post(name === undefined ? "/v1/heal" : `/v1/machines/${name}/heal`),
    link: (name, terms) => post(`/v1/machines/${name}/link`, terms),
    cutWeb: () => post("/v1/web/cut"),
    restoreWeb: () => post("/v1/web/restore"),
    join: async () => Joined.parse(await ask("POST", "/v1/join")),
    down: async () => {
      const holder = await lockHolder(join(folder, lockName));
      await post("/v1/down");
      if (holder !== undefined) await endOf(join(folder, lockName));
    },
    own: () =>
      new Promise((resolve, reject) => {
        const asked = request({ socketPath: path, path: "/v1/owner" });
        asked.on("error", (cause) => reject(notAnswering(cause)));
        asked.on("response", (response) => {
          response.on("error", () => {}).resume();
          response.socket.unref();
          resolve();
        });
        asked.end();
      }),
    channel: (name) =>
      new Promise((resolve, reject) => {
        const headers = { connection: "Upgrade", upgrade: channelProtocol };
        const asked = request({ socketPath: path, path: `/v1/machines/${name}/channel`, headers });
        asked.on("error", (cause) => reject(notAnswering(cause)));
        asked.on("response", async (response) =>
          reject(labError(parseJson(await readAll(response, maxAnswerBytes).catch(() => "")))),
        );
        asked.on("upgrade", (_response, socket: Duplex, head) => {
          if (head.length > 0) socket.unshift(head);
          const channel = openChannel(socket);
          channel.onReady(() => resolve(channel));
          socket.on("close", () => reject(notAnswering(undefined)));
        });
        asked.end();
      }),
  };
}

const notAnswering = (cause: unknown): HamletError =>
  new HamletError("lab.notRunning", "the lab does not answer", { cause, hint: "hamlet lab up --devices 3" });

/** The supervisor's error. */
export const labError = (body: unknown): HamletError =>
  errorIn(body) ?? new HamletError("lab.bootFailed", "the lab gave no reason");

/** Waits until the supervisor has ended; it killed its machines before it answered. */
async function endOf(lock: string): Promise<void> {
  for (let tries = 0; tries < 50 && (await lockHolder(lock)) !== undefined; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
