// Orders that change this device for good, by POST on the agent's own socket: who may open that may ask everything.
// No other door takes them; from the link only signed documents would. What root must do, the agent only agrees to and prepares: root
// does it by the wish that its owner leaves in root's own folder, which the agent can not write.
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { InternalDisk } from "../../image/install/available.ts";
import { DeviceName, Id } from "../../provisioning/trust/fields.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import type { Handler } from "./server.ts";

export type Device = {
  id: string;
  /** Undefined while this device belongs to nobody or its mesh has not started. */
  life():
    | {
        /** Throws `name.taken`. */
        rename(name: string): Promise<void>;
        /** Tells the others that this device goes. */
        leave(): Promise<void>;
      }
    | undefined;
  stateFolder: string;
  /** Root's first boot is there to do what the agent may not. */
  isImage: boolean;
  /** Of a device that runs from its stick: the disk inside it that could take it. */
  internalDisk(): Promise<InternalDisk | undefined>;
};

const Rename = z.strictObject({ name: DeviceName });
const Reset = z.strictObject({ id: Id.describe("of this very device: what was confirmed for another changes none") });
const Install = Reset.extend({ disk: z.string().describe("path of the disk whose content is given up") });
const maxBodyBytes = 4 << 10;

/** What is no order goes to `otherwise`. */
export function takeOrders(device: Device, otherwise: Handler): Handler {
  const orders: Record<string, (body: unknown) => Promise<object>> = {
    "/v1/rename": (body) => rename(device, body),
    "/v1/reset": (body) => reset(device, body),
    "/v1/install": (body) => install(device, body),
  };
  return (request, response) => {
    const order = request.method === "POST" ? orders[request.url ?? ""] : undefined;
    if (!order) return otherwise(request, response);
    takeOrder(request, response, order);
  };
}

/** Answers with what `order` gives, or with 409 and the code of what it throws. */
export function takeOrder(
  request: IncomingMessage,
  response: ServerResponse,
  order: (body: unknown) => Promise<object>,
): void {
  request.on("error", () => {});
  response.on("error", () => {});
  readBody(request)
    .then(order)
    .then(
      (answer) => send(response, 200, answer),
      (error: unknown) => send(response, 409, refusalOf(error)),
    )
    .catch(() => response.destroy());
}

async function rename({ life }: Device, body: unknown): Promise<object> {
  const { name } = parse(Rename, body);
  const running = life();
  if (!running) {
    throw new HamletError("api.refused", "a device that is no member has no name to change", {
      hint: "give it one with its provision file: hamlet provision <card> --neighborhood <folder> --name <name>",
    });
  }
  await running.rename(name);
  return { name };
}

async function reset({ id, life, stateFolder, isImage }: Device, body: unknown): Promise<object> {
  if (parse(Reset, body).id !== id) throw otherDevice("reset", "ask again: hamlet reset");
  if (!isImage) {
    throw new HamletError("reset.refused", "this machine was not started from one of Hamlet's images", {
      hint: `stop its agent, then remove ${stateFolder}`,
      exitCode: 3,
    });
  }
  await life()?.leave();
  return { id };
}

/** Root's hamlet-install judges for itself when it takes the wish. */
async function install({ id, internalDisk }: Device, body: unknown): Promise<object> {
  const asked = parse(Install, body);
  if (asked.id !== id) throw otherDevice("install", "open its page again: hamlet open");
  const disk = await internalDisk();
  if (disk?.path !== asked.disk) {
    throw new HamletError("install.noDisk", `${asked.disk} is no disk inside this device that could take it`, {
      hint: "`hamlet install --list` on the device shows its disks",
      exitCode: 3,
    });
  }
  return { id, disk: asked.disk };
}

const otherDevice = (what: "reset" | "install", hint: string): HamletError =>
  new HamletError(`${what}.refused`, "this is not the device that was meant", { hint, exitCode: 3 });

function parse<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new HamletError("usage.invalid", explainIssues(parsed.error), { exitCode: 2 });
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > maxBodyBytes) throw new HamletError("usage.invalid", "an order is shorter", { exitCode: 2 });
  }
  return parseJson(text);
}

function refusalOf(error: unknown): object {
  const { code, message, hint, exitCode } =
    error instanceof HamletError ? error : new HamletError("api.refused", describeError(error));
  return { code, message, ...(hint && { hint }), exitCode };
}

function send(response: ServerResponse, status: number, value: object): void {
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}
