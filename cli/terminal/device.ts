// Which device a command speaks with: --device, else the agent on this computer, else the running lab.
import { request } from "node:http";
import { pipeline } from "node:stream";
import { finished } from "node:stream/promises";
import { z } from "zod";
import { PublicStatus, Status } from "../../agent/api/status.ts";
import { type AgentAnswer, getFromAgent, maxStatusBytes, postToAgent } from "../../image/lab/channel/agent-socket.ts";
import { findLab, type LabClient } from "../../image/lab/supervisor/client.ts";
import { agentSocket, type Exec, localDoors } from "../../system/doors.ts";
import { type ErrorCode, HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { printableStream } from "../../system/printable-stream.ts";
import { readAll } from "../../system/read-all.ts";
import { type Order, orderWithWish } from "../commands/device/wish.ts";
import type { Option, Values } from "./command.ts";
import { text } from "./command.ts";

export type Device = {
  /** How it was found, for people. */
  found: string;
  /** Throws `device.noAnswer`. */
  status(): Promise<Status>;
  /** Something that changes it for good, where it takes that. Throws `device.noAnswer` or its own refusal. */
  order?: Order;
  /** A program on it, as root, where there is a way to start one; its output goes to `stdout`, by default ours. */
  exec?(argv: string[], stdout?: NodeJS.WritableStream): Promise<number>;
  close(): void;
};

export const deviceOption: Record<"device", Option> = {
  device: {
    type: "string",
    argument: "address",
    describe:
      "a device of the lab by name, a mesh address, or the path of an agent's socket; default: the first that answers",
  },
};

const deadlineMs = 5_000;
/** Emulated devices take their time; one that is still booting has no agent to wait for. */
const labDeadlineMs = 20_000;

/** Throws `device.notFound` or `device.noAnswer`. */
export async function findDevice(values: Values): Promise<Device> {
  const wanted = text(values, "device");
  if (wanted?.includes("/") && !wanted.includes("://")) return onSocket(wanted);
  if (wanted && /[.:]/.test(wanted)) return atAddress(wanted);
  if (wanted === undefined) {
    const local = localDevice();
    if (await answers(local)) return local;
  }
  const lab = await findLab().catch((error: unknown) => {
    if (error instanceof HamletError && error.code === "lab.notRunning") return undefined;
    throw error;
  });
  if (lab) return inLab(lab, wanted);
  throw wanted === undefined
    ? new HamletError("device.notFound", "no device answers: no agent on this computer, and no lab is running", {
        hint: "name one with --device <address>, or start a virtual neighborhood with: hamlet lab up --devices 3",
      })
    : new HamletError("device.notFound", `there is no lab in which to find ${wanted}`, {
        hint: "start one with: hamlet lab up --devices 3, or give --device an address",
      });
}

const answers = (device: Device): Promise<boolean> =>
  device.status().then(
    () => true,
    () => false,
  );

const onSocket = (socketPath: string): Device => ({
  found: `the agent at ${socketPath}`,
  status: async () => read(await get({ socketPath, path: "/v1/status" }, `the agent at ${socketPath}`)),
  order: orderWithWish(
    async (path, order) => heed(await ask({ socketPath, path }, `the agent at ${socketPath}`, JSON.stringify(order))),
    (argv) => runThrough(localDoors.exec({ argv })),
  ),
  close() {},
});

/** The agent on this very computer. */
export const localDevice = (): Device => onSocket(agentSocket);

function atAddress(address: string): Device {
  const bare = address.split(":").length > 2 && !address.startsWith("[") ? `[${address}]` : address;
  const url = URL.parse("/v1/status", bare.includes("://") ? bare : `http://${bare}`);
  if (!url) {
    throw new HamletError("usage.invalid", `${address} is no address`, {
      hint: "as 192.168.1.7, [fd12::7]:80 or http://attic.local",
      exitCode: 2,
    });
  }
  const options = { host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || 80, path: url.pathname };
  return {
    found: address,
    status: async () => read(await get(options, address)),
    close() {},
  };
}

/**
 * A device that takes orders by this computer's own socket or the lab's. Throws `device.takesNoOrders`: over a network only signed
 * documents are orders (design 4), and there are none of this kind yet.
 */
export async function findDeviceForOrders(values: Values): Promise<Device & Required<Pick<Device, "order">>> {
  const { order, ...device } = await findDevice(values);
  if (order) return { ...device, order };
  device.close();
  throw takesNoOrders(device.found);
}

export const takesNoOrders = (found: string): HamletError =>
  new HamletError("device.takesNoOrders", `${found} takes no such order over the network`, {
    hint: "type it on the device itself; with your SSH key on it: ssh root@<address> hamlet ...",
  });

async function inLab(lab: LabClient, wanted: string | undefined): Promise<Device> {
  const { devices } = await lab.status();
  // The first that has an agent; what is off or still booting cannot answer.
  const ready = devices.find(({ state }) => !["off", "booting", "silent"].includes(state));
  const name = wanted ?? ready?.name;
  if (name === undefined) {
    throw new HamletError("device.noAnswer", "no device of the lab has an agent yet", {
      hint: "see how far they are with: hamlet lab status",
    });
  }
  const openChannel = () => {
    const opening = lab.channel(name);
    opening.catch(() => {}); // whoever asks for the status hears of it
    return opening;
  };
  let channel = openChannel();
  return {
    found: `${name} in the lab`,
    async status() {
      try {
        return read(
          await within(
            labDeadlineMs,
            name,
            channel.then((open) => getFromAgent(open, "/v1/status")),
          ),
        );
      } catch (error) {
        // Its machine may have been cut and started since: the next question opens a channel of its own.
        channel.then((open) => open.close()).catch(() => {});
        channel = openChannel();
        throw error;
      }
    },
    order: orderWithWish(
      async (path, order) =>
        heed(
          await within(
            labDeadlineMs,
            name,
            channel.then((open) => postToAgent(open, path, order)),
          ),
        ),
      async (argv) => runThrough((await channel).exec({ argv })),
    ),
    exec: async (argv, stdout) => runThrough((await channel).exec({ argv }), stdout),
    close: () => void channel.then((open) => open.close()).catch(() => {}),
  };
}

/** The program's exit code, once all that it said has been passed on. Ctrl-C ends it, and so does a `stdout` that takes no more. */
export async function runThrough(program: Exec, archive?: NodeJS.WritableStream): Promise<number> {
  const stdout = archive ?? process.stdout;
  program.stdin.end();
  // A terminal is given text, an archive its bytes.
  const shown = archive ? program.stdout : pipeline(program.stdout, printableStream(), () => {});
  const told = pipeline(program.stderr, printableStream(), () => {});
  shown.pipe(stdout, { end: false });
  told.pipe(process.stderr, { end: false });
  const stop = () => program.kill();
  const drop = () => {
    program.kill();
    // Nobody reads it any more, and unread it would never end.
    shown.resume();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  stdout.on("error", drop);
  try {
    const code = await program.exit;
    await Promise.allSettled([finished(shown), finished(told)]);
    return code;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    stdout.off("error", drop);
  }
}

async function within<T>(ms: number, who: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HamletError("device.noAnswer", `${who} has not answered for ${ms / 1000} s`)),
      ms,
    );
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

type Where = { socketPath: string; path: string } | { host: string; port: number | string; path: string };
async function get(where: Where, who: string): Promise<string> {
  const { status, body } = await ask(where, who);
  if (status === 200) return body;
  throw noAnswer(who, `answers with HTTP ${status}`);
}

const noAnswer = (who: string, why = "does not answer", cause?: unknown): HamletError =>
  new HamletError("device.noAnswer", `${who} ${why}`, {
    cause,
    hint: "is its agent running? On the device: systemctl status hamlet-agent",
  });

function ask(where: Where, who: string, order?: string): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(noAnswer(who, undefined, cause));
    const method = order === undefined ? "GET" : "POST";
    const asked = request({ ...where, method, signal: AbortSignal.timeout(deadlineMs) });
    asked.on("error", fail);
    asked.on("response", (response) => {
      readAll(response, maxStatusBytes).then((body) => resolve({ status: response.statusCode ?? 0, body }), fail);
    });
    asked.end(order);
  });
}

const AgentRefusal = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  exitCode: z.int().min(1).max(4).default(1),
});

/** What the agent refused is refused here, by its code. */
function heed({ status, body }: AgentAnswer): void {
  if (status === 200) return;
  const refusal = AgentRefusal.safeParse(parseJson(body));
  if (!refusal.success) throw noAnswer("its agent", `answers with HTTP ${status}`);
  const { code, message, hint, exitCode } = refusal.data;
  // One of ours; of a later release's codes we know no more than to pass them on.
  throw new HamletError(code as ErrorCode, message, { ...(hint && { hint }), exitCode });
}

function read(body: string): Status {
  const json = parseJson(body);
  const parsed = Status.safeParse(json);
  if (parsed.success) return parsed.data;
  if (PublicStatus.safeParse(json).success) {
    throw new HamletError("device.noAnswer", "it shows its public page there, which tells of no member", {
      hint: "ask by its mesh address from a member, or on the device itself",
    });
  }
  throw new HamletError("device.noAnswer", `its status is not one this version reads: ${explainIssues(parsed.error)}`, {
    hint: "use a hamlet of the device's own release",
  });
}
