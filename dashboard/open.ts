// Serves the full page of any device on this computer's loopback address, for `hamlet open` and `npm start`.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { SendRequest } from "../agent/api/client.ts";
import type { StatusSource } from "../agent/api/own-status.ts";
import { prometheusText } from "../agent/telemetry/prometheus.ts";
import { errnoOf, HamletError } from "../system/error.ts";
import type { Buttons } from "./api/buttons.ts";
import { servePage } from "./api/handler.ts";
import { bundledPage, loadPage } from "./api/page.ts";

/** `url` holds a key in its fragment, without which the page is read-only: other users of this computer may look. */
export type OpenPage = { url: string; close(): Promise<void> };
export type OpenPageOptions = {
  port?: number;
  /** Sends a request to the device, if it takes any. */
  request?: SendRequest | undefined;
  /** Absent on a computer without the root's keys. */
  owner?: OwnersButtons | undefined;
};
/** What becomes of a device that waits. */
export type OwnersButtons = Record<"adopt" | "reject", (deviceKey: string) => Promise<unknown>>;

/** Serves until `close`. Port 0 takes a free one. Throws `port.taken`. */
export async function serveOpenPage(
  source: Pick<StatusSource, "status">,
  { port = 0, request, owner }: OpenPageOptions = {},
): Promise<OpenPage> {
  const key = randomBytes(16).toString("base64url");
  const hasButtons = request !== undefined || owner !== undefined;
  const press: Buttons["press"] = {
    ...(request && {
      "/v1/install": (body) => request("/v1/install", body),
      "/v1/rename": (body) => request("/v1/rename", body),
      "/v1/update": (body) => request("/v1/update", body),
    }),
    ...(owner && {
      "/v1/adopt": ({ deviceKey }) => owner.adopt(deviceKey),
      "/v1/reject": ({ deviceKey }) => owner.reject(deviceKey),
    }),
  };
  const handler = servePage({
    read: () => source.status(),
    metrics: async () => prometheusText(await source.status()),
    names: () => [],
    html: await freshPage(),
    ...(hasButtons && { buttons: { key, press } }),
  });
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, handler);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        errnoOf(cause) === "EADDRINUSE"
          ? new HamletError("port.taken", `another program listens on port ${port}`, {
              hint: "leave --port out to take a free one",
              cause,
            })
          : cause,
      ),
    );
    // Loopback only: nobody beyond this computer may look.
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = server.address();
  if (typeof bound !== "object" || !bound) throw new Error("no address");
  return {
    // A browser keeps the fragment to itself; the page reads it.
    url: `http://127.0.0.1:${bound.port}/${hasButtons ? `#${key}` : ""}`,
    async close() {
      handler.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A checkout builds the page anew, so that nobody looks at an old one. */
async function freshPage(): Promise<string> {
  const bundled = bundledPage();
  if (bundled !== undefined) return bundled;
  const { buildPage } = await import("./build.ts");
  return buildPage().catch(() => loadPage());
}
