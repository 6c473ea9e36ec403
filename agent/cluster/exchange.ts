// What two members exchange by HTTP: a full sync of everything that they hold, and single documents.
import type { Documents } from "./documents.ts";
import { DOCUMENT_BYTES, decodeSync, ELEMENTS, encodeSync, type Freight, SYNC_BYTES } from "./messages.ts";
import type { News } from "./news.ts";
import { urgentKinds } from "./rumours.ts";
import type { Answer, Question, Request } from "./transport.ts";

export type ExchangeOptions = {
  documents: Pick<Documents, "summaries" | "get">;
  news(): News[];
  ask(member: string, question: Question): Promise<Buffer>;
  /** Called with what the other side of a full sync holds, a slice at a time. */
  onSync(from: string, slices: Iterable<Freight>): void;
};
export type Exchange = {
  /** Compares everything with `member`: each learns what the other holds. */
  sync(member: string): Promise<void>;
  fetch(member: string, kind: string, id: string): Promise<string>;
  answer(from: string, request: Pick<Request, "method" | "path" | "body">): Answer;
};

const syncPath = "/v1/sync";
const documentPath = /^\/v1\/documents\/([a-z-]+)\/([A-Za-z0-9_.:-]+)$/;

export function makeExchange(o: ExchangeOptions): Exchange {
  const own = () => syncText({ news: o.news(), documents: o.documents.summaries() });

  function take(from: string, bytes: Uint8Array): boolean {
    const slices = decodeSync(bytes);
    if (slices) o.onSync(from, slices);
    return slices !== undefined;
  }

  return {
    async sync(member) {
      take(member, await o.ask(member, { method: "POST", path: syncPath, body: own(), limitBytes: SYNC_BYTES }));
    },
    async fetch(member, kind, id) {
      // Neither kind nor id has a character that a path must escape.
      const path = `/v1/documents/${kind}/${id}`;
      return (await o.ask(member, { method: "GET", path, limitBytes: DOCUMENT_BYTES })).toString("utf8");
    },
    answer(from, { method, path, body }) {
      if (method === "POST" && path === syncPath) {
        const before = own();
        return take(from, body) ? { status: 200, body: before } : { status: 400, body: "" };
      }
      const [, kind, id] = documentPath.exec(path) ?? [];
      const document = method === "GET" && kind && id ? o.documents.get(kind, id) : undefined;
      return document === undefined ? { status: 404, body: "" } : { status: 200, body: document };
    },
  };
}

/** As much as the other side will read: what cannot wait, and of the rest as much as fits, chosen by chance for each sync. */
function syncText({ news, documents }: Freight): string {
  const urgent = documents.filter(({ kind }) => urgentKinds.has(kind));
  const others = documents.filter(({ kind }) => !urgentKinds.has(kind));
  for (let share = 1; ; share /= 2) {
    const part = { news: some(news, share), documents: [...urgent.slice(0, ELEMENTS / 2), ...some(others, share)] };
    if (part.news.length + part.documents.length > ELEMENTS) continue;
    const text = encodeSync(part);
    if (text.length <= SYNC_BYTES) return text;
  }
}

function some<T>(items: readonly T[], share: number): T[] {
  return share === 1 ? [...items] : items.filter(() => Math.random() < share);
}
