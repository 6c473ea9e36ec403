// The buttons of the page that `hamlet open` serves. Their requests come from the owner's own browser: it sends the key in the page's address,
// which no other page knows, and says in Origin that the page is ours.
import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { answerRequest } from "../../agent/api/requests.ts";
import { requests } from "../../agent/api/schema.ts";
import { PublicKey } from "../../provisioning/trust/fields.ts";
import { HamletError } from "../../system/error.ts";
import { sendJson } from "../../system/http/answer.ts";

/** What each button asks for. */
export const buttonBodies = {
  "/v1/install": requests["/v1/install"].body,
  "/v1/rename": requests["/v1/rename"].body,
  "/v1/update": requests["/v1/update"].body,
  "/v1/adopt": z.strictObject({ deviceKey: PublicKey }),
  "/v1/reject": z.strictObject({ deviceKey: PublicKey }),
} as const;
export type ButtonPath = keyof typeof buttonBodies;
export type ButtonBody<Path extends ButtonPath> = z.infer<(typeof buttonBodies)[Path]>;
/** What the pages reads to learn which buttons there are. */
export const buttonsPath = "/v1/buttons";

/** `press`: what each button does; those that are missing are not shown. */
export type Buttons = {
  key: string;
  press: { [Path in ButtonPath]?: (body: ButtonBody<Path>) => Promise<unknown> };
};

/** Whether the request was for a button, and is answered. Throws `api.refused` for one that does not come from the page. */
export async function answerButton(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  { key, press }: Buttons,
): Promise<boolean> {
  if (path === buttonsPath && request.method === "GET") {
    if (!hasKey(request, key)) throw wrongKey();
    sendJson(response, 200, { buttons: Object.keys(press) });
    return true;
  }
  if (request.method !== "POST" || !isButton(path, press)) return false;
  // Every browser sends it with a POST; visitor.ts has checked that it is this page's own.
  if (!hasKey(request, key) || request.headers.origin === undefined) throw wrongKey();
  await pressed(request, response, path, press);
  return true;
}

async function pressed<Path extends ButtonPath>(
  request: IncomingMessage,
  response: ServerResponse,
  path: Path,
  press: Buttons["press"],
): Promise<void> {
  await answerRequest(request, response, { schema: buttonBodies[path] }, async (body) => {
    await press[path]!(body as ButtonBody<Path>);
    return body as object;
  });
}

const isButton = (path: string, press: Buttons["press"]): path is ButtonPath => Object.hasOwn(press, path);

const wrongKey = () =>
  new HamletError("api.refused", "this needs the page's key: open the address that `hamlet open` printed");

function hasKey({ headers }: IncomingMessage, key: string): boolean {
  const [given, wanted] = [headers["x-hamlet-key"] ?? "", key].map((text) => hash("sha256", String(text), "buffer"));
  return timingSafeEqual(given!, wanted!);
}
