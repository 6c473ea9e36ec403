// Requests that change this device for good, by POST on the agent's own socket: every user who may open the socket may send them.
// From the link the owner asks for some of them by signed questions (answers.ts). The agent only agrees to and prepares a request that
// needs root: root acts on the copy that the owner leaves in root's own folder, which the agent cannot write.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import type { InternalDisk } from "../../image/install/available.ts";
import { isUpdating, type UpdateActivity, type UpdateRequest } from "../../provisioning/handover/update.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { errorAnswer, sendJson } from "../../system/http/answer.ts";
import { readAll, TooLong } from "../../system/read-all.ts";
import type { TakeOrders } from "../membership/orders.ts";
import { badRequest, noMember, noMesh, notFromImage, notReady, otherDevice, otherDisk, updateBusy } from "./errors.ts";
import { ordersPath } from "./orders.ts";
import { type RequestAnswer, type RequestBody, type RequestPath, requests } from "./schema.ts";
import type { Handler } from "./server.ts";

export type Device = {
  id: string;
  /** Undefined until this device's mesh has started. */
  life():
    | {
        /** Throws `name.taken`. */
        rename(name: string): Promise<void>;
        /** Tells the other members that this device leaves. */
        leave(): Promise<void>;
        /** Throws `document.refused`. */
        order: TakeOrders;
      }
    | undefined;
  stateFolder: string;
  /** Whether this machine was started from a Hamlet image, so that root carries out requests. */
  isImage: boolean;
  /** The internal disk that this device could move to, if it runs from a USB stick. */
  internalDisk(): Promise<InternalDisk | undefined>;
  /** Passes a request on to root's updater. Throws `update.noUpdater` or `update.busy`. */
  update(request: UpdateRequest): Promise<void>;
  /** What the updater does; undefined if it is silent. */
  updateActivity(): UpdateActivity | undefined;
};

const usualBytes = 4 << 10;
/** Orders are as long as a hello may be. */
const maxBytesOf = (path: RequestPath): number => (path === ordersPath ? 64 << 10 : usualBytes);

export type Actions = { [Path in RequestPath]: (body: RequestBody<Path>) => Promise<RequestAnswer<Path>> };
export function actionsOf(device: Device): Actions {
  return {
    "/v1/rename": (body) => rename(device, body),
    "/v1/reset": (body) => reset(device, body),
    "/v1/install": (body) => install(device, body),
    [ordersPath]: async ({ documents }) => {
      const running = device.life();
      if (!running) throw noMesh();
      return { taken: await running.order(documents) };
    },
    "/v1/update": async (body) => {
      // They need the other slot as it is. Any other request is carried out with the update under way, or after it.
      if (body.kind === "back" || body.kind === "install") refuseDuringUpdate(device);
      if (body.kind === "restart") refuseUnlessReady(device);
      await device.update(body);
      return body;
    },
  };
}

/** Serves the requests; `otherwise` serves everything else. */
export function serveRequests(device: Device, otherwise: Handler): Handler {
  const actions = actionsOf(device);
  const serve = <Path extends RequestPath>(path: Path, request: IncomingMessage, response: ServerResponse) =>
    answerRequest(request, response, { schema: requests[path].body, maxBytes: maxBytesOf(path) }, (body) =>
      actions[path](body as RequestBody<Path>),
    );
  return (request, response) => {
    const path = request.method === "POST" && isRequestPath(request.url) ? request.url : undefined;
    if (path) void serve(path, request, response);
    else otherwise(request, response);
  };
}

const isRequestPath = (path = ""): path is RequestPath => Object.hasOwn(requests, path);

/** Answers with the result of `act`, or with 409 and the code of what it throws. */
export async function answerRequest<Schema extends z.ZodType>(
  request: IncomingMessage,
  response: ServerResponse,
  wanted: { schema: Schema; maxBytes?: number },
  act: (body: z.infer<Schema>) => Promise<object>,
): Promise<void> {
  request.on("error", () => {});
  response.on("error", () => {});
  try {
    const answer = await readBody(request, wanted).then(act);
    sendJson(response, 200, answer);
  } catch (error) {
    // Node would parse the unread rest of the body as the next request.
    if (!request.complete) response.shouldKeepAlive = false;
    sendJson(response, 409, errorAnswer(error));
  }
}

async function readBody<Schema extends z.ZodType>(
  request: IncomingMessage,
  { schema, maxBytes = usualBytes }: { schema: Schema; maxBytes?: number },
): Promise<z.infer<Schema>> {
  const text = await readAll(request, maxBytes).catch((cause: unknown) => {
    throw cause instanceof TooLong ? badRequest(`a request has at most ${maxBytes} bytes`) : cause;
  });
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) throw badRequest(explainIssues(parsed.error));
  return parsed.data;
}

async function rename({ life }: Device, { name }: RequestBody<"/v1/rename">): Promise<{ name: string }> {
  const running = life();
  if (!running) throw noMember();
  await running.rename(name);
  return { name };
}

async function reset(device: Device, asked: RequestBody<"/v1/reset">): Promise<{ id: string }> {
  refuseReset(device, asked);
  await device.life()?.leave();
  return { id: device.id };
}

/** Throws `reset.refused` or `update.busy`. */
export function refuseReset(device: Device, asked: RequestBody<"/v1/reset">): void {
  if (asked.id !== device.id) throw otherDevice("reset");
  if (!device.isImage) throw notFromImage(device.stateFolder);
  refuseDuringUpdate(device);
}

/** Root's hamlet-install checks again when it takes the request. */
async function install(device: Device, asked: RequestBody<"/v1/install">): Promise<typeof asked> {
  const { id, internalDisk } = device;
  if (asked.id !== id) throw otherDevice("install");
  refuseDuringUpdate(device);
  const disk = await internalDisk();
  if (disk?.path !== asked.disk) throw otherDisk(asked.disk);
  return asked;
}

/** Throws `update.notReady`. During a check something may be ready: then the updater judges. */
function refuseUnlessReady({ updateActivity }: Device): void {
  const phase = updateActivity()?.phase;
  if (phase !== undefined && phase !== "ready" && phase !== "checking") throw notReady();
}

/** Throws `update.busy` while an update writes or tries a slot. */
function refuseDuringUpdate({ updateActivity }: Device): void {
  const activity = updateActivity();
  if (activity && isUpdating(activity)) throw updateBusy(activity.version);
}
