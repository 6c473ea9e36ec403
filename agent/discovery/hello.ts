// Hello: two devices exchange their records and the revocations that they know. One message and one answer by plain HTTP: every part is
// signed and proves itself, and a device that is no member gets no answer.
import { request } from "node:http";
import { z } from "zod";
import { Admission } from "../../provisioning/trust/admission.ts";
import { Digest, Jws } from "../../provisioning/trust/fields.ts";
import { bracketed } from "../../system/address.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { ErrorAnswer, errorAnswer } from "../../system/http/answer.ts";
import { readAll, TooLong } from "../../system/read-all.ts";

export const maxHelloBytes = 64 << 10;
export const maxKnown = 256;
/** A reachable computer accepts a connection within milliseconds; on a bad link at the second try, after a second. */
const connectMs = 2_500;

// Unknown keys are dropped, not refused: a later release may say more.
export const Hello = z.object({
  record: Jws,
  known: z.array(Digest).max(maxKnown).describe("the revocations that the sender knows"),
  revocations: z.array(Jws).max(256).describe("those that the other lacks"),
  admission: Admission.optional().describe("the sender's word for the other"),
});
export type Hello = z.infer<typeof Hello>;

/** The last release reads and sends the error one level deeper. `design.md` 9: a release speaks its predecessor's hello. */
const OldErrorAnswer = z.object({ error: ErrorAnswer }).transform(({ error }) => error);
const Refusal = z.union([ErrorAnswer, OldErrorAnswer]);

/** What a door answers when it refuses a hello: one shape for this release, one for the last. */
export function refusalOf(error: HamletError): ErrorAnswer & { error: Pick<ErrorAnswer, "code" | "message"> } {
  const answer = errorAnswer(error);
  // The last release takes no longer message.
  return { ...answer, error: { code: answer.code, message: answer.message.slice(0, 500) } };
}

/**
 * Says hello at `address` (perhaps with %scope) and resolves to the answer. Throws `device.noAnswer` if none came in time,
 * `hello.refused` with the reason that the other gave, `hello.pending` if this device waits for adoption there, `hello.invalid` if the
 * answer is no hello.
 */
export async function sayHello(
  address: string,
  port: number,
  hello: Hello,
  { timeoutMs = 5_000 }: { timeoutMs?: number } = {},
): Promise<Hello> {
  const { status, body } = await post(address, port, JSON.stringify(hello), timeoutMs);
  const answer = parseJson(body);
  if (status !== 200) {
    const { code, message } = Refusal.safeParse(answer).data ?? { code: `status ${status}`, message: "" };
    const kind = code === "hello.pending" ? "hello.pending" : "hello.refused";
    throw new HamletError(kind, `${address} did not answer our hello: ${code} ${message.slice(0, 500)}`.trim());
  }
  const parsed = Hello.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new HamletError("hello.invalid", `${address} sent an answer that is no hello: ${explainIssues(parsed.error)}`);
}

function post(
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
