// Which device a command talks to: --device (in the lab, on the link or by its socket), else the agent on this computer, else the running lab.
import { lookup } from "node:dns/promises";
import { pipeline } from "node:stream";
import { finished } from "node:stream/promises";
import { type AgentClient, agentClient, type SendRequest } from "../../agent/api/client.ts";
import { lookUpByMdns } from "../../agent/discovery/lookup.ts";
import { findLab, type LabClient } from "../../image/lab/supervisor/client.ts";
import { DeviceName } from "../../provisioning/trust/fields.ts";
import { agentSocket, type Exec, localDoors } from "../../system/doors.ts";
import { HamletError } from "../../system/error.ts";
import { printableStream } from "../../system/printable-stream.ts";
import { withRootRequest } from "../commands/device/root-request.ts";
import { type Owned, ownedIfAny } from "../commands/neighborhood/owner.ts";
import type { Option, Values } from "./command.ts";
import { text } from "./command.ts";
import { linkedDevice, takesNoRequests } from "./linked-device.ts";

export type Device = Pick<AgentClient, "status" | "look" | "order"> &
  Partial<Pick<AgentClient, "updateReport">> & {
    /** How it was found, for people. */
    found: string;
    /** Sends a request that changes the device; absent if it takes none. Throws `device.noAnswer` or the device's refusal. */
    request?: SendRequest;
    /** Whose keys sign what is asked of it; absent if no signature is needed, or there is none. */
    owner?: Owned;
    /** Runs a program on the device as root, if one can be started; its output goes to `stdout`, by default ours. */
    exec?(argv: string[], stdout?: NodeJS.WritableStream): Promise<number>;
    close(): void;
  };

export const deviceOption: Record<"device", Option> = {
  device: {
    type: "string",
    argument: "address",
    describe:
      "a device's name in the lab or on the link, an address, or the path of an agent's socket (default: the first that answers)",
  },
};

/** An emulated device under load takes seconds for what takes milliseconds on real hardware. */
const labDeadlineMs = 20_000;

/** `owned`: whose keys sign for a device on the link, if they are known already. Throws `device.notFound` or `device.noAnswer`. */
export async function findDevice(values: Values, owned?: Owned): Promise<Device> {
  const wanted = text(values, "device");
  if (wanted?.includes("/") && !wanted.includes("://")) return onSocket(wanted);
  const localName = /^([a-z0-9-]+)\.local$/.exec(wanted ?? "")?.[1];
  if (wanted && /[.:]/.test(wanted)) {
    return atAddress((localName && (await addressOnLink(localName))) || wanted, values, owned);
  }
  let denied: HamletError | undefined;
  if (wanted === undefined) {
    const local = localDevice();
    const trouble = await troubleOf(local);
    if (trouble === undefined) return local;
    if (trouble instanceof HamletError && trouble.code === "device.needsRoot") denied = trouble;
  }
  const lab = await findLab().catch((error: unknown) => {
    if (error instanceof HamletError && error.code === "lab.notRunning") return undefined;
    throw error;
  });
  if (lab) return findLabDevice(lab, wanted);
  const linked = wanted === undefined ? undefined : await addressOnLink(wanted);
  if (linked !== undefined) return atAddress(linked, values, owned);
  if (denied) throw denied;
  throw wanted === undefined
    ? new HamletError("device.notFound", "no device answers: no agent on this computer, and no lab is running", {
        hint: "name one with --device <address>, or start a virtual neighborhood with: hamlet lab up --devices 3",
      })
    : new HamletError("device.notFound", `no device on the link is called ${wanted}, and no lab is running`, {
        hint: "give --device its address, or start a lab with: hamlet lab up --devices 3",
      });
}

/** `<name>.local`, if this computer's resolver finds it by mDNS; else its address, if the device answers our own question. */
async function addressOnLink(name: string): Promise<string | undefined> {
  if (!DeviceName.safeParse(name).success) return undefined;
  const host = `${name}.local`;
  const byMdns = lookUpByMdns(host).then((address) => address ?? Promise.reject(new Error("nobody answers")));
  return await Promise.any([lookup(host).then(() => host), byMdns]).catch(() => undefined);
}

const troubleOf = (device: Device): Promise<unknown> =>
  device.status().then(
    () => undefined,
    (error: unknown) => error,
  );

function onSocket(socketPath: string): Device {
  const who = `the agent at ${socketPath}`;
  const { request, ...client } = agentClient({ who, where: () => ({ socketPath }) });
  return {
    found: who,
    ...client,
    request: withRootRequest(request, (argv) => runThrough(localDoors.exec({ argv }))),
    close() {},
  };
}

/** The agent on this computer. */
export const localDevice = (): Device => onSocket(agentSocket);

async function atAddress(address: string, values: Values, owned?: Owned): Promise<Device> {
  const bare = address.split(":").length > 2 && !address.startsWith("[") ? `[${address}]` : address;
  const url = URL.parse("/v1/status", bare.includes("://") ? bare : `http://${bare}`);
  if (!url) {
    throw new HamletError("usage.invalid", `${address} is not an address`, {
      hint: "for example 192.168.1.7, [fd12::7]:80 or http://attic.local",
      exitCode: 2,
    });
  }
  const where = { host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || 80 };
  return linkedDevice(address, where, owned ?? (await ownedIfAny(values)));
}

/** A device that takes requests: through this computer's own socket, in the lab, or by its owner's signature. Throws `device.takesNoRequests`. */
export async function findDeviceForRequests(values: Values): Promise<Device & Required<Pick<Device, "request">>> {
  const { request, ...device } = await findDevice(values);
  if (request) return { ...device, request };
  device.close();
  throw takesNoRequests(device.found);
}

/** A device of this lab; by default one that is in touch with others, else the first with an agent. Throws `device.noAnswer`. */
export async function findLabDevice(lab: LabClient, wanted?: string): Promise<Device> {
  const { devices } = await lab.status();
  // A device that has just started tells little and takes no orders yet; one that is off or booting cannot answer.
  const answering = devices.filter(({ state }) => !["off", "booting", "silent"].includes(state));
  const name = wanted ?? (answering.find(({ state }) => state === "alive") ?? answering[0])?.name;
  if (name === undefined) {
    throw new HamletError("device.noAnswer", "no device of the lab has an agent yet", {
      hint: "see how far they are with: hamlet lab status",
    });
  }
  const openChannel = () => {
    const opening = lab.channel(name);
    opening.catch(() => {}); // the next status reports it
    return opening;
  };
  let channel = openChannel();
  const where = async () => {
    const open = await channel;
    return { createConnection: () => open.connect(agentSocket) };
  };
  const { status, look, order, updateReport, request } = agentClient({ who: name, where, deadlineMs: labDeadlineMs });
  /** The machine may have lost power and started again: opens another channel for the next call. */
  const reopening =
    <T>(asked: () => Promise<T>) =>
    (): Promise<T> =>
      asked().catch((error: unknown) => {
        channel.then((open) => open.close()).catch(() => {});
        channel = openChannel();
        throw error;
      });
  return {
    found: `${name} in the lab`,
    ...{ look, order, status: reopening(status) },
    updateReport: reopening(updateReport),
    request: withRootRequest(request, async (argv) => runThrough((await channel).exec({ argv }))),
    exec: async (argv, stdout) => runThrough((await channel).exec({ argv }), stdout),
    close: () => void channel.then((open) => open.close()).catch(() => {}),
  };
}

/** Returns the program's exit code after passing on all its output. Ctrl-C and a closed `stdout` end the program. */
export async function runThrough(program: Exec, archive?: NodeJS.WritableStream): Promise<number> {
  const stdout = archive ?? process.stdout;
  program.stdin.end();
  // Make text safe for a terminal; leave the bytes of an archive as they are.
  const shown = archive ? program.stdout : pipeline(program.stdout, printableStream(), () => {});
  const told = pipeline(program.stderr, printableStream(), () => {});
  shown.pipe(stdout, { end: false });
  told.pipe(process.stderr, { end: false });
  const stop = () => program.kill();
  const drop = () => {
    program.kill();
    // Keep reading, because unread output would never end.
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
