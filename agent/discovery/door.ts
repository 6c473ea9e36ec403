// What a request at the doorstep gets: the answer to a hello, to orders or to a question, the page, or a coded error.
import type { IncomingMessage, ServerResponse } from "node:http";
import { sourceOf, withoutMapping } from "../../system/address.ts";
import { FairBucket } from "../../system/bucket.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError, type ErrorCode, HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { errorAnswer } from "../../system/http/answer.ts";
import { isLocalHost } from "../../system/http/visitor.ts";
import type { Log } from "../../system/log.ts";
import { readAll, TooLong } from "../../system/read-all.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";
import { Orders, ordersPath } from "../api/orders.ts";
import { Boxed, questionsPath } from "../api/questions.ts";
import type { TakeOrders } from "../membership/orders.ts";
import type { Acquaintances } from "./acquaintances.ts";
import type { TakeQuestion, TakeSealedOrders } from "./answering.ts";
import type { Hear } from "./hearing.ts";
import { maxHelloBytes } from "./post.ts";

/** Answers GET or HEAD. The address asked decides which page: a request to the mesh address came through the mesh. */
export type ServePage = (request: IncomingMessage, response: ServerResponse) => void;
type Answer = { status: number; headers: Record<string, string>; body: string | Buffer };
export type DoorOptions = {
  hear: Hear;
  /** Takes in what the owner has signed; rejects, with nothing taken, if it proves nothing. */
  onOrders: TakeOrders;
  /** For orders that are sealed to this device; one without an identity has no key. */
  onSealedOrders?: TakeSealedOrders;
  /** Gives out nonces, and answers what the owner has signed; rejects, with nothing done, if it proves nothing. */
  onQuestion: TakeQuestion;
  page: ServePage;
  acquaintances: Acquaintances;
  log: Log;
  clock: Clock;
};

// Thirty devices that are switched on together greet within seconds, each from its own address. A hello is two requests.
const hellos = {
  perSource: { burst: 40, perSecond: 2 },
  perNetwork: { burst: 240, perSecond: 20 },
  known: { burst: 240, perSecond: 40 },
  maxSources: 1_024,
};
const pages = {
  perSource: { burst: 60, perSecond: 10 },
  perNetwork: { burst: 240, perSecond: 50 },
  known: { burst: 240, perSecond: 50 },
  maxSources: 1_024,
};

// An owner's command brings a few; each document costs us a verification.
const orders = {
  perSource: { burst: 10, perSecond: 1 },
  perNetwork: { burst: 40, perSecond: 4 },
  known: { burst: 40, perSecond: 4 },
  maxSources: 1_024,
};

// A question is two requests, and a command that waits for something asks once a second.
const questions = {
  perSource: { burst: 30, perSecond: 4 },
  perNetwork: { burst: 120, perSecond: 16 },
  known: { burst: 120, perSecond: 16 },
  maxSources: 1_024,
};

const strict = {
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

export function makeDoor({ hear, onOrders, onSealedOrders, onQuestion, page, log, clock, acquaintances }: DoorOptions) {
  const helloBucket = new FairBucket(hellos);
  const orderBucket = new FairBucket(orders);
  const questionBucket = new FairBucket(questions);
  const pageBucket = new FairBucket(pages);
  const mayCome = (bucket: FairBucket, address: string) =>
    bucket.admits(sourceOf(address), clock.monotonic(), acquaintances.knows(address));
  /** Returns undefined for a request that the page answers. */
  const answer = async (request: IncomingMessage): Promise<Answer | undefined> => {
    const address = withoutMapping(remoteAddressOf(request.socket) ?? "");
    const { method = "", url = "", headers } = request;
    // The page checks GET requests itself, and answers in a browser's terms.
    if (method === "POST" && !isLocalHost(headers.host))
      return failure(421, "api.refused", "this device does not answer to that name");
    if (method === "POST" && url === "/v1/hello") {
      // Only a page in a browser sends Origin, and no page may say hello.
      if (headers.origin !== undefined) return failure(403, "api.refused", "hello is not for browsers");
      if (!mayCome(helloBucket, address)) return failure(429, "hello.busy", "too many hellos");
      const heard = await hear(parseJson(await readBody(request)), address);
      if (heard.isMember) acquaintances.met(address);
      return json(200, heard.answer);
    }
    if (method === "POST" && url === ordersPath) {
      if (headers.origin !== undefined) return failure(403, "api.refused", "orders are not for browsers");
      if (!mayCome(orderBucket, address)) return failure(429, "hello.busy", "too many orders");
      const body = parseJson(await readBody(request));
      const sealed = Boxed.safeParse(body);
      if (sealed.success && onSealedOrders) return json(200, await onSealedOrders(sealed.data.box));
      const asked = Orders.safeParse(body);
      if (!asked.success) return failure(400, "api.refused", explainIssues(asked.error).slice(0, 300));
      return json(200, { taken: await onOrders(asked.data.documents) });
    }
    if (method === "POST" && url === questionsPath) {
      if (headers.origin !== undefined) return failure(403, "api.refused", "questions are not for browsers");
      if (!mayCome(questionBucket, address)) return failure(429, "hello.busy", "too many questions");
      return json(200, await onQuestion(parseJson(await readBody(request)), address));
    }
    if (method !== "GET" && method !== "HEAD")
      return failure(405, "api.refused", "method not allowed: use GET or HEAD");
    if (!mayCome(pageBucket, address)) return failure(429, "hello.busy", "too many requests");
    return undefined;
  };
  return (request: IncomingMessage, response: ServerResponse) => {
    request.on("error", () => {});
    answer(request)
      .catch((error: unknown) => {
        if (error instanceof HamletError) {
          const status = error.code === "hello.invalid" ? 400 : 403;
          return failure(status, error.code, error.message.slice(0, 300));
        }
        log.error(`request from ${remoteAddressOf(request.socket)}: ${describeError(error)}`);
        return failure(500, "api.refused", "this device could not answer; see its log");
      })
      .then((answered) => {
        if (!answered) {
          for (const [name, value] of Object.entries(strict)) response.setHeader(name, value);
          return page(request, response);
        }
        const { status, headers, body } = answered;
        // Close the connection: the rest of an unread body would be taken for the next request.
        if (!request.complete) response.shouldKeepAlive = false;
        response.writeHead(status, { ...strict, ...headers, "content-length": Buffer.byteLength(body) });
        response.end(request.method === "HEAD" ? undefined : body);
      })
      .catch((error: unknown) => {
        log.error(describeError(error));
        response.destroy();
      });
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  try {
    return await readAll(request, maxHelloBytes);
  } catch (cause) {
    // A request that ended early is no fault of ours to log.
    const why = cause instanceof TooLong ? `a request has at most ${maxHelloBytes} bytes` : "the request ended early";
    throw new HamletError("hello.invalid", why, { cause });
  }
}

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});
export const failure = (status: number, code: ErrorCode, message: string): Answer =>
  json(status, errorAnswer(new HamletError(code, message)));
