// One request to another device's doorstep, bounded in time and size.
import { request } from "node:http";
import { bracketed } from "../../system/address.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { ErrorAnswer } from "../../system/http/answer.ts";
import { readAll, TooLong } from "../../system/read-all.ts";

export const maxHelloBytes = 64 << 10;
/** A reachable computer accepts a connection within milliseconds; on a bad link at the second try, after a second. */
const connectMs = 2_500;

/** The answer's JSON. Throws `device.noAnswer`, `hello.invalid`, or `hello.refused` with the reason given: anybody can refuse. */
export async function post(
  { address, port }: { address: string; port: number },
  message: unknown,
  timeoutMs: number,
): Promise<unknown> {
  const { status, body } = await exchange(address, port, JSON.stringify(message), timeoutMs);
  const answer = parseJson(body);
  if (status === 200) return answer;
  const { code, message: why } = ErrorAnswer.safeParse(answer).data ?? { code: `status ${status}`, message: "" };
  throw new HamletError("hello.refused", `${address} did not answer our hello: ${code} ${why.slice(0, 500)}`.trim());
}

function exchange(
  address: string,
  port: number,
  content: string,
  timeoutMs: number,
): Promise<{ status: number; body: string }> {
  const host = bracketed(address.split("%")[0]!);
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown) => {
      if (cause instanceof TooLong) {
        return reject(new HamletError("hello.invalid", `${address} answered with more than a hello may hold`));
      }
      const why = errnoOf(cause) === "ABORT_ERR" ? `none within ${timeoutMs} ms` : (errnoOf(cause) ?? "none");
      reject(new HamletError("device.noAnswer", `no answer from ${address} port ${port}: ${why}`, { cause }));
    };
    const outgoing = request(
      {
        ...{ host: address, port, method: "POST", path: "/v1/hello", agent: false, maxHeaderSize: 8 << 10 },
        // One deadline for the whole exchange, from name lookup to last byte.
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          host: `${host}:${port}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(content),
        },
      },
      (response) => {
        readAll(response, maxHelloBytes)
          .then((body) => resolve({ status: response.statusCode ?? 0, body }), failed)
          .finally(() => outgoing.destroy());
      },
    );
    outgoing.on("error", failed);
    outgoing.once("socket", (socket) => {
      const late = Object.assign(new Error(`no connection within ${connectMs} ms`), { code: "ETIMEDOUT" });
      const connecting = setTimeout(() => outgoing.destroy(late), connectMs);
      for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(connecting));
    });
    outgoing.end(content);
  });
}
