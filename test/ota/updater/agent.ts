// An agent for tests: a real HTTP server on a Unix socket, that may be as hostile as a test wants.
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { packPath } from "../../../ota/format/names.ts";
import { unpackPatch } from "../../../ota/format/unpack.ts";
import {
  BytesRequest,
  carriedHeader,
  type Evidence,
  EvidenceRequest,
  PackedRequest,
  packedHeader,
  type UpdateReport,
  type UpdateRequest,
  updaterPaths,
  WaitBody,
} from "../../../provisioning/handover/update.ts";
import { HamletError } from "../../../system/error.ts";
import { errorAnswer, send, sendJson } from "../../../system/http/answer.ts";
import { readAll, readBytes } from "../../../system/read-all.ts";
import type { Repository } from "./repository.ts";

export const healthy: Evidence = {
  phase: "member",
  hasPage: true,
  hasMesh: true,
  handshakes: [],
  alive: [],
  telemetry: "none",
};

/** Answers a request for bytes itself, and returns true, or leaves it to the agent. */
export type Mischief = (request: BytesRequest, response: ServerResponse) => boolean | Promise<boolean>;

export async function startAgent(folder: string, repository: Pick<Repository, "files" | "objects">) {
  const socketPath = join(folder, "agent.sock");
  const requests: UpdateRequest[] = [];
  const reports: UpdateReport[] = [];
  const asked: BytesRequest[] = [];
  const packed: PackedRequest[] = [];
  const held = new Set<ServerResponse>();
  const agent = {
    socketPath,
    reports,
    asked,
    packed,
    repository,
    evidence: healthy as Evidence | undefined,
    /** What it adds when it is to ask witnesses. */
    witness: (async () => ({})) as (
      request: NonNullable<EvidenceRequest["witness"]>,
    ) => Promise<Pick<Evidence, "self" | "members" | "statements">>,
    mischief: (() => false) as Mischief,
    /** Makes the answer to a request for a frame something else. */
    unpack: unpackFrame,
    ask(request: UpdateRequest) {
      requests.push(request);
      for (const response of held) answerWait(response);
    },
    last: () => reports.at(-1),
    /** Ends the long polls, whose updater is gone. */
    closeHeld() {
      for (const response of held) response.destroy();
      held.clear();
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  function answerWait(response: ServerResponse): void {
    const request = requests.shift();
    if (!request) return;
    held.delete(response);
    sendJson(response, 200, { request });
  }

  const witnessed = async ({ witness }: EvidenceRequest) => (witness ? agent.witness(witness) : {});

  function bytesFor(request: BytesRequest): Buffer {
    const found =
      request.kind === "file" ? agent.repository.files.get(request.path) : agent.repository.objects.get(request.sha256);
    if (found) return found;
    throw new HamletError("update.notThere", "the repository has no such file");
  }

  async function unpackFrame(request: PackedRequest, dictionary: Buffer): Promise<Buffer> {
    const bytes = agent.repository.files.get(packPath(request.pack.sha256));
    if (!bytes) throw new HamletError("update.notThere", "the repository has no such file");
    const { offset, length } = request.frame;
    return unpackPatch(bytes.subarray(offset, offset + length), request, dictionary);
  }

  const server = createServer(async (request, response) => {
    try {
      if (request.url === updaterPaths.packed) {
        const wanted = PackedRequest.parse(JSON.parse(String(request.headers[packedHeader])));
        packed.push(wanted);
        const bytes = await agent.unpack(wanted, await readBytes(request, 2 << 20));
        response.setHeader(carriedHeader, wanted.frame.length);
        return send(response, 200, "application/octet-stream", bytes);
      }
      const body = JSON.parse(await readAll(request, 1 << 20));
      switch (request.url) {
        case updaterPaths.wait:
          reports.push(WaitBody.parse(body).report);
          held.add(response);
          response.on("close", () => held.delete(response));
          return answerWait(response);
        case updaterPaths.report:
          reports.push(WaitBody.parse(body).report);
          return sendJson(response, 200, {});
        case updaterPaths.evidence:
          if (!agent.evidence) throw new HamletError("api.refused", "no");
          return sendJson(response, 200, { ...agent.evidence, ...(await witnessed(EvidenceRequest.parse(body))) });
        case updaterPaths.bytes: {
          const wanted = BytesRequest.parse(body);
          asked.push(wanted);
          if (await agent.mischief(wanted, response)) return;
          return send(response, 200, "application/octet-stream", bytesFor(wanted));
        }
        default:
          throw new HamletError("api.refused", "no such path");
      }
    } catch (error) {
      sendJson(response, 400, errorAnswer(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return agent;
}
export type Agent = Awaited<ReturnType<typeof startAgent>>;
