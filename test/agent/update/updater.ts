// A stand-in for root's updater: speaks the contract of provisioning/handover/update.ts on an agent's socket.
import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";
import {
  type BytesRequest,
  carriedHeader,
  Evidence,
  type EvidenceRequest,
  type PackedRequest,
  packedHeader,
  type UpdateActivity,
  type UpdateReport,
  type UpdateRequest,
  updaterPaths,
  WaitAnswer,
} from "../../../provisioning/handover/update.ts";
import { errorIn } from "../../../system/http/answer.ts";

export const reportOf = (change: Partial<UpdateReport> = {}): UpdateReport => ({
  v: 1,
  running: { slot: "a", version: "0.1.0" },
  activity: { phase: "idle" },
  failed: [],
  history: [],
  ...change,
});

export type FakeUpdater = {
  /** What it says with each wait and report. */
  report: UpdateReport;
  wait(signal?: AbortSignal): Promise<UpdateRequest | undefined>;
  tell(activity: UpdateActivity, change?: Partial<UpdateReport>): Promise<void>;
  bytes(wanted: BytesRequest): Promise<{ bytes: Buffer; carried: number }>;
  packed(wanted: PackedRequest, dictionary: Buffer): Promise<{ bytes: Buffer; carried: number }>;
  evidence(request?: EvidenceRequest): Promise<Evidence>;
  stop(): void;
};

export function fakeUpdater(socketPath: string, report = reportOf()): FakeUpdater {
  const agent = new Agent({ keepAlive: true });
  const post = (path: string, body: object, signal?: AbortSignal, headers: Record<string, string> = {}) =>
    new Promise<{ bytes: Buffer; carried: number }>((resolve, reject) => {
      const asked = request(
        { socketPath, path, method: "POST", headers, agent, ...(signal && { signal }) },
        (response) => {
          const carried = Number(response.headers[carriedHeader]);
          buffer(response).then((bytes) => {
            if (response.statusCode === 200) return resolve({ bytes, carried });
            reject(errorIn(JSON.parse(bytes.toString())) ?? new Error(`HTTP ${response.statusCode}`));
          }, reject);
        },
      );
      asked.on("error", reject).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  const json = async (path: string, body: object, signal?: AbortSignal): Promise<unknown> =>
    JSON.parse((await post(path, body, signal)).bytes.toString());
  const updater: FakeUpdater = {
    report,
    wait: async (signal) => WaitAnswer.parse(await json(updaterPaths.wait, { report: updater.report }, signal)).request,
    async tell(activity, change = {}) {
      updater.report = { ...updater.report, ...change, activity };
      await json(updaterPaths.report, { report: updater.report });
    },
    bytes: (wanted) => post(updaterPaths.bytes, wanted),
    packed: (wanted, dictionary) =>
      post(updaterPaths.packed, dictionary, undefined, { [packedHeader]: JSON.stringify(wanted) }),
    evidence: async (request = {}) => Evidence.parse(await json(updaterPaths.evidence, request)),
    stop: () => agent.destroy(),
  };
  return updater;
}
