// The full page on this computer's own loopback, from whatever device answers: `hamlet open` and the lab's watch.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { prometheusText } from "../agent/telemetry/prometheus.ts";
import { errnoOf, HamletError } from "../system/error.ts";
import { type StatusSource, servePage } from "./api/handler.ts";
import { bundledPage, loadPage } from "./api/page.ts";

/** `url` is for whoever may ask the device for something; other users of this computer may look, by the address without its key. */
export type OpenPage = { url: string; close(): Promise<void> };
export type OpenPageOptions = {
  port?: number;
  /** Where the device takes orders. */
  order?: ((path: string, order: object) => Promise<void>) | undefined;
};

/** Serves until `close`. Port 0 takes a free one. Throws `port.taken`. */
export async function serveOpenPage(
  source: Pick<StatusSource, "status">,
  { port = 0, order }: OpenPageOptions = {},
): Promise<OpenPage> {
  const key = randomBytes(16).toString("base64url");
  const handler = servePage({
    read: () => source.status(),
    metrics: async () => prometheusText(await source.status()),
    names: () => [],
    html: await freshPage(),
    ...(order && { orders: { key, take: { "/v1/install": (asked) => order("/v1/install", asked) } } }),
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
    // Loopback only: whoever sits at this computer may look, and nobody else.
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = server.address();
  if (typeof bound !== "object" || !bound) throw new Error("no address");
  return {
    // A browser sends no fragment to anybody; the page reads it.
    url: `http://127.0.0.1:${bound.port}/${order ? `#${key}` : ""}`,
    async close() {
      handler.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A checkout builds the page afresh: nobody who opens it looks at yesterday's. */
async function freshPage(): Promise<string> {
  const bundled = bundledPage();
  if (bundled !== undefined) return bundled;
  const { buildPage } = await import("./build.ts");
  return buildPage().catch(() => loadPage());
}
