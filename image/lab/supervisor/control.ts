// The supervisor's API: HTTP on a unix socket that only its owner may open.
import { chmod } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { explainIssues, parseJson } from "../../../system/files.ts";
import { errorAnswer, sendJson } from "../../../system/http/answer.ts";
import { readAll } from "../../../system/read-all.ts";
import { serveChannel } from "../channel/server.ts";
import { LineTerms } from "../network/line.ts";
import type { Lab } from "./lab.ts";

/** Without `seed` the disk keeps all. */
const CutRequest = z.object({ seed: z.int().min(0).optional() });
const AddRequest = z.object({ adopt: z.enum(["auto", "confirm"]) });
const maxBodyBytes = 64 << 10;

export const controlSocket = "control.sock";
/** The protocol after `Upgrade`: the lines of channel/wire.ts. */
export const channelProtocol = "hamlet-channel";

/** Listens on `path`; `down` ends the lab and this process. */
export async function serveControl(path: string, lab: Lab, down: (why: string) => Promise<void>): Promise<Server> {
  const heal = (name: string) => {
    lab.setPartitioned(name, false);
    lab.setLine(name);
  };
  const routes: Record<string, (name: string, request: IncomingMessage, response: ServerResponse) => unknown> = {
    "GET /v1/status": () => lab.status(),
    "GET /v1/events": (_name, _request, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      response.on(
        "close",
        lab.follow((event) => response.write(`${JSON.stringify(event)}\n`)),
      );
      return streaming;
    },
    // A command that runs the lab in the foreground keeps this open: the lab ends with it, even if it is killed.
    "GET /v1/owner": (_name, _request, response) => {
      response.writeHead(200).flushHeaders();
      response.on("close", () => down("its owner is gone"));
      return streaming;
    },
    "POST /v1/machines/*/cut": async (name, request) => {
      const { seed } = CutRequest.parse(parseJson(await readAll(request, maxBodyBytes)));
      return lab.cut(name, seed);
    },
    "POST /v1/machines/*/restore": (name) => lab.restore(name),
    "POST /v1/machines/*/add": async (name, request) => {
      const { adopt } = AddRequest.parse(parseJson(await readAll(request, maxBodyBytes)));
      return lab.add(name, adopt);
    },
    "POST /v1/machines/*/clone": async (name) => ({ name: await lab.clone(name) }),
    "POST /v1/machines/*/partition": (name) => lab.setPartitioned(name, true),
    "POST /v1/machines/*/heal": (name) => heal(name),
    "POST /v1/machines/*/link": async (name, request) => {
      const terms = LineTerms.safeParse(parseJson(await readAll(request, maxBodyBytes)));
      if (!terms.success) throw new HamletError("usage.invalid", explainIssues(terms.error), { exitCode: 2 });
      lab.setLine(name, terms.data);
    },
    "POST /v1/web/cut": () => lab.setWebPartitioned(true),
    "POST /v1/web/restore": () => lab.setWebPartitioned(false),
    "POST /v1/heal": () => {
      if (lab.status().web?.isPartitioned) lab.setWebPartitioned(false);
      for (const { name, isPartitioned, line } of lab.status().devices) if (isPartitioned || line) heal(name);
    },
    "POST /v1/join": () => lab.join(),
    "POST /v1/down": () => down("as asked"),
  };

  const server = createServer(async (request, response) => {
    const { key, name } = routeOf(request);
    try {
      const route = routes[key];
      if (!route) return sendJson(response, 404, { code: "usage.invalid", message: `no ${key}` });
      const result = await route(name, request, response);
      if (result !== streaming) sendJson(response, 200, result ?? {});
    } catch (error) {
      sendJson(response, 400, errorAnswer(error, "lab.bootFailed"));
    }
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    const { key, name } = routeOf(request);
    socket.on("error", () => socket.destroy());
    try {
      if (key !== "GET /v1/machines/*/channel") throw new HamletError("usage.invalid", `no ${key}`);
      const doors = lab.doors(name);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${channelProtocol}\r\n\r\n`);
      serveChannel(socket, doors);
    } catch (error) {
      const body = JSON.stringify(errorAnswer(error, "lab.bootFailed"));
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

const streaming = Symbol("the answer goes on");

/** `/v1/machines/attic/cut` -> key `POST /v1/machines/*\/cut`, name `attic`. */
function routeOf(request: IncomingMessage): { key: string; name: string } {
  const parts = (request.url ?? "/").split("/");
  const name = parts[2] === "machines" ? (parts[3] ?? "") : "";
  if (name) parts[3] = "*";
  return { key: `${request.method} ${parts.join("/")}`, name };
}
